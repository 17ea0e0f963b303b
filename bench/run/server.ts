/** The only launcher of servers: volley, and the contenders that it is held against. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface, type Interface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { compiledFile } from '../../src/compiled-file.ts';
import { BenchError } from '../options.ts';

/** How long a server may take until it listens, in ms. */
const START_DEADLINE = 30_000;

/** How long a server may take to end once it was told to, in ms; a server with many viewers closes each of them. */
const END_DEADLINE = 20_000;

export function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('VOLLEY_')));
}

/** A server in a process of its own. It ends with the bench: its stdin does, and it must end then. */
export class ChildServer {
  /** How it ended, as the end of a sentence that begins with its name. */
  readonly ended: Promise<string>;
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #lines: Interface;
  readonly #killNow = (): void => void this.#child.kill('SIGKILL');

  constructor(name: string, file: string, args: readonly string[], env = process.env) {
    this.#name = name;
    // A process group of its own: Ctrl-C in the terminal must not end it before its last figures are read.
    const child = spawn(file, args, { env, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child = child;
    process.on('exit', this.#killNow);
    let stderr = '';
    let lastError = '';
    child.stderr.setEncoding('utf8').on('data', (part: string) => {
      stderr = (stderr + part).slice(-4_000);
    });
    this.#lines = createInterface({ input: child.stdout }).on('line', (line) => {
      if (/^\{"level":[56]0,/.test(line)) lastError = line;
    });
    // A child that dies breaks this pipe; `ended` tells how it died.
    child.stdin.on('error', () => {});
    this.ended = new Promise((resolve) => {
      child.once('error', (error) => resolve(`could not be started (${error.message})`));
      child.once('close', (code, signal) => {
        process.off('exit', this.#killNow);
        const fault = findFault(stderr) || lastError;
        const how = signal === null ? `with exit code ${code}` : `by ${signal}`;
        resolve(`ended ${how}${fault === '' ? '' : `: ${fault}`}`);
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  tell(text: string): void {
    this.#child.stdin?.write(text);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Returns what `read` finds in a line of stdout; throws BenchError when the server ends or writes none in time. */
  find<T>(read: (line: string) => T | undefined): Promise<T> {
    return this.#start((signal) => {
      return new Promise((resolve) => {
        const look = (line: string): void => {
          const found = read(line);
          if (found !== undefined) resolve(found);
        };
        this.#lines.on('line', look);
        // The server may log as much as it likes then.
        signal.addEventListener('abort', () => this.#lines.off('line', look));
      });
    });
  }

  /** Waits for the line of stdout that is a port and nothing else. */
  findPort(): Promise<number> {
    return this.find((line) => (/^\d+$/.test(line) ? Number(line) : undefined));
  }

  /** Waits until something listens on `port`, for a server that does not say so. */
  answerOn(port: number): Promise<void> {
    return this.#start(async (signal) => {
      for (;;) {
        const probe = connect(port, '127.0.0.1');
        const isListening = await once(probe, 'connect').then(
          () => true,
          () => false,
        );
        probe.destroy();
        if (isListening) return;
        await sleep(50, undefined, { signal });
      }
    });
  }

  /** Ends the server, by SIGKILL where SIGTERM does not, and waits for its end; returns how it ended. */
  async stop(): Promise<string> {
    this.#child.kill('SIGTERM');
    const timer = setTimeout(this.#killNow, END_DEADLINE);
    const how = await this.ended;
    clearTimeout(timer);
    return how;
  }

  async #start<T>(wait: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const over = new AbortController();
    const ended = this.ended.then((how): never => {
      throw new BenchError(`${this.#name} ${how}`);
    });
    const late = sleep(START_DEADLINE, undefined, over).then((): never => {
      throw new BenchError(`${this.#name} did not listen within ${START_DEADLINE / 1_000} s`);
    });
    try {
      return await Promise.race([wait(over.signal), ended, late]);
    } catch (error) {
      await this.stop();
      throw error;
    } finally {
      over.abort();
    }
  }
}

function findFault(stderr: string): string {
  const lines = stderr.split('\n').map((line) => line.trim().replace(/^volley: /, ''));
  return lines.find((line) => /^\w*Error\b/.test(line)) ?? lines.find((line) => line !== '') ?? '';
}

export interface Volley {
  readonly child: ChildServer;
  readonly viewerUrl: string;
  readonly apiUrl: string;
  readonly pid: number;
}

/** Flags of every volley server of the bench. */
const FIXED = ['--port', '0', '--api-port', '0', '--host', '127.0.0.1', '--log-level', 'info', '--grace', '3000'];

/**
 * Starts a volley server on free ports of 127.0.0.1, with its store in memory unless `args` name one, and waits until it
 * takes viewers.
 * @throws BenchError when it does not start
 */
export async function startVolley(args: readonly string[], name = 'volley', env = process.env): Promise<Volley> {
  const store = args.includes('--store') ? [] : ['--store', 'memory'];
  const entry = compiledFile('bench/run/tethered-server.js');
  const child = new ChildServer(name, process.execPath, [entry, ...FIXED, ...store, ...args], env);
  const { viewerUrl, apiUrl } = await child.find(readReady);
  return { child, viewerUrl, apiUrl, pid: child.pid };
}

function readReady(line: string): { viewerUrl: string; apiUrl: string } | undefined {
  return /^\{.*"msg":"ready"/.test(line) ? (JSON.parse(line) as { viewerUrl: string; apiUrl: string }) : undefined;
}
