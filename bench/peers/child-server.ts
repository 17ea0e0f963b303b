import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { BenchError } from '../bench-error.ts';

/** How long a server may take until it listens, in ms. */
const START_DEADLINE = 15_000;

/** How long a server may take to end once it was told to, in ms; a server with many viewers says goodbye to each. */
const END_DEADLINE = 20_000;

/**
 * A contender's server: a process of its own, ended by us and by nobody else. Its stdin ends with us, however we end,
 * and it must end then.
 */
export class ChildServer {
  /** How it ended, as the end of a sentence that begins with its name. */
  readonly ended: Promise<string>;
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  readonly #killNow = (): void => void this.#child.kill('SIGKILL');
  #stderr = '';
  #end: string | undefined;
  #starting = true;
  #onNews = (): void => {};

  constructor(name: string, file: string, args: readonly string[]) {
    this.#name = name;
    // A process group of its own: Ctrl-C in the terminal must not end it before we have told why the run ends.
    const child = spawn(file, args, { env: cleanEnvironment(), detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child = child;
    process.on('exit', this.#killNow);
    child.stderr.setEncoding('utf8').on('data', (part: string) => {
      this.#stderr += part;
    });
    createInterface({ input: child.stdout }).on('line', (line) => {
      // Nobody reads on once the server listens; a contender may log as much as it likes.
      if (!this.#starting) return;
      this.#lines.push(line);
      this.#onNews();
    });
    // A child that dies breaks this pipe; how it died is told by `ended`.
    child.stdin.on('error', () => {});
    this.ended = new Promise((resolve) => {
      const end = (how: string): void => {
        process.off('exit', this.#killNow);
        this.#end ??= how;
        this.#onNews();
        resolve(this.#end);
      };
      child.once('error', (error) => end(`could not be started (${error.message})`));
      child.once('close', (code, signal) => {
        const fault = findFault(this.#stderr);
        const how = signal === null ? `with exit code ${code}` : `by ${signal}`;
        end(`ended ${how}${fault === '' ? '' : `: ${fault}`}`);
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /**
   * Waits for the line of stdout in which `read` finds what it looks for, and gives that.
   * @throws BenchError when the server ends first or does not write it within 15 s, and then ends it
   */
  async find<T>(read: (line: string) => T | undefined): Promise<T> {
    const deadline = AbortSignal.timeout(START_DEADLINE);
    deadline.addEventListener('abort', () => this.#onNews());
    for (;;) {
      const news = new Promise<void>((resolve) => {
        this.#onNews = resolve;
      });
      for (const line of this.#lines.splice(0)) {
        const found = read(line);
        if (found === undefined) continue;
        this.#starting = false;
        return found;
      }
      await this.#check(deadline);
      await news;
    }
  }

  /**
   * Waits for the line of stdout that is a port and nothing else.
   * @throws BenchError as {@link find}
   */
  findPort(): Promise<number> {
    return this.find((line) => (/^\d+$/.test(line) ? Number(line) : undefined));
  }

  /**
   * Waits until something listens on `port`, for a server that does not say so.
   * @throws BenchError when the server ends first or does not listen within 15 s, and then ends it
   */
  async answerOn(port: number): Promise<void> {
    const deadline = AbortSignal.timeout(START_DEADLINE);
    for (;;) {
      await this.#check(deadline);
      const probe = connect(port, '127.0.0.1');
      try {
        await once(probe, 'connect');
        return;
      } catch {
        await sleep(50);
      } finally {
        probe.destroy();
      }
    }
  }

  /** Ends the server and waits for its end. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    const timer = setTimeout(this.#killNow, END_DEADLINE);
    await this.ended;
    clearTimeout(timer);
  }

  async #check(deadline: AbortSignal): Promise<void> {
    if (this.#end !== undefined) throw new BenchError(`${this.#name} ${this.#end}`);
    if (!deadline.aborted) return;
    await this.stop();
    throw new BenchError(`${this.#name} did not listen within ${START_DEADLINE / 1_000} s`);
  }
}

/** Ours without what would set up a volley server otherwise than the page says. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('VOLLEY_')));
}

/** The line of what a process wrote as it died that says why. */
function findFault(stderr: string): string {
  const lines = stderr.split('\n').map((line) => line.trim());
  return lines.find((line) => /^\w*Error\b/.test(line)) ?? lines.find((line) => line !== '') ?? '';
}
