import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { compiledFile } from '../compiled-file.ts';

/** A process may wait for a core this long before it is ready, in ms: other tests run beside it. */
const STARTING_MS = 25_000;

/** A line of the server's log. */
export type LogLine = Record<string, unknown> & { msg?: string };

/** A real server that a test talks to. */
export class RunningServer {
  viewerUrl = '';
  apiUrl = '';

  /** Posts comments; gives status and body. */
  async post(room: string, comments: unknown, query = ''): Promise<{ status: number; body: PostAnswer }> {
    const response = await fetch(`${this.apiUrl}/rooms/${room}/comments${query}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(comments),
    });
    return { status: response.status, body: (await response.json()) as PostAnswer };
  }

  /** The value of a metric, summed over every sample whose labels contain `labels`. */
  async metric(name: string, labels = ''): Promise<number> {
    const text = await (await fetch(`${this.apiUrl}/metrics`)).text();
    let sum = 0;
    for (const line of text.split('\n')) {
      if (line.startsWith('#') || !line.startsWith(name) || !line.includes(labels)) continue;
      if (/^[{ ]/.test(line.slice(name.length))) sum += Number(line.slice(line.lastIndexOf(' ') + 1));
    }
    return sum;
  }
}

/** A real server in a process of its own, on ports that the system chose. */
export class ServerProcess extends RunningServer {
  readonly child: ChildProcess;
  readonly lines: LogLine[] = [];
  stderr = '';
  /** The exit code, or the signal that ended the process. */
  readonly ended: Promise<number | NodeJS.Signals>;
  #waiting: (() => void)[] = [];

  /** @param runner a command that becomes the one after it, like `prlimit`, and its arguments */
  constructor(entry: string, args: readonly string[], env: NodeJS.ProcessEnv, runner: readonly string[] = []) {
    super();
    const [command = process.execPath, ...rest] = [...runner, process.execPath, compiledFile(entry), ...args];
    this.child = spawn(command, rest, {
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.ended = new Promise((resolve) => {
      this.child.once('close', (code, signal) => resolve(signal ?? code ?? 1));
    });
    this.ended.then(() => this.#notify());
    this.child.stderr?.on('data', (part: Buffer) => {
      this.stderr += part.toString();
    });
    const output = this.child.stdout;
    if (output) createInterface({ input: output }).on('line', (line) => this.#take(line));
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Waits for a log line, seen before or not. Rejects when the process ends first or `deadline` ms pass. */
  async logged(wanted: (line: LogLine) => boolean, deadline = 15_000): Promise<LogLine> {
    const end = Date.now() + deadline;
    for (;;) {
      const found = this.lines.find(wanted);
      if (found !== undefined) return found;
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        throw new Error(`the server ended before that was logged: ${this.stderr}${JSON.stringify(this.lines)}`);
      }
      if (Date.now() > end) throw new Error(`not logged within ${deadline} ms: ${JSON.stringify(this.lines)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 200);
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  /** Writes a line to the server's stdin, where a faulty server takes its orders. */
  tell(line: string): void {
    this.child.stdin?.write(`${line}\n`);
  }

  /** Signals the server and waits for its end. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | NodeJS.Signals> {
    this.child.kill(signal);
    return this.ended;
  }

  #take(line: string): void {
    this.lines.push(line.startsWith('{') ? (JSON.parse(line) as LogLine) : { msg: line });
    this.#notify();
  }

  #notify(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const go of waiting) go();
  }
}

export interface PostAnswer {
  accepted: number;
  refused: { index: number; code: string }[];
  ids?: (string | null)[];
  code?: string;
  retryAfterMs?: number;
}

/**
 * Starts a server with free ports and waits until it is ready; its store is in memory unless `args` or `env` name one.
 * `entry` is a compiled file, `runner` a command that starts it.
 */
export async function startProcess(
  args: readonly string[] = [],
  { entry = 'src/main.js', env = {}, runner = [] }: { entry?: string; env?: NodeJS.ProcessEnv; runner?: string[] } = {},
): Promise<ServerProcess> {
  const ports = ['--port', '--api-port'].flatMap((flag) => (args.includes(flag) ? [] : [flag, '0']));
  const store = args.includes('--store') || 'VOLLEY_STORE' in env ? [] : ['--store', 'memory'];
  const server = new ServerProcess(entry, [...ports, ...store, ...args], env, runner);
  const ready = await server.logged((line) => line.msg === 'ready', STARTING_MS);
  server.viewerUrl = String(ready.viewerUrl);
  server.apiUrl = String(ready.apiUrl);
  return server;
}
