import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { compiledFile } from '../../src/compiled-file.ts';
import { BenchError } from '../bench-error.ts';
import type { ServerStore } from './run-settings.ts';
import type { ServerTarget } from './server-target.ts';

const READY_MS = 30_000;

/** The server's own `--grace`, and how long the bench waits before it sends SIGKILL. */
const GRACE_MS = 3_000;
const STOP_MS = 5_000;

/** The log keeps to lines of this level (pino's `error`) and above when it looks for the reason of an end. */
const ERROR_LEVEL = 50;

/** A volley server in a child process of the bench, on free ports of 127.0.0.1. */
export class OwnServer implements ServerTarget {
  readonly workers: number;
  readonly isLocal = true;
  readonly description: string;
  viewerUrl = '';
  apiUrl = '';
  onGone: ((why: BenchError) => void) | undefined;
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  readonly #killNow = (): void => void this.#child.kill('SIGKILL');
  /** Of its store. */
  readonly #folder: string | undefined;
  #stderr = '';
  #lastError = '';
  #stopping = false;

  private constructor(workers: number, store: ServerStore, args: readonly string[]) {
    this.#folder = store === 'level' ? mkdtempSync(join(tmpdir(), 'volley-bench-')) : undefined;
    const place = this.#folder === undefined ? 'memory' : `level:${this.#folder}`;
    const flags = ['--workers', String(workers), '--store', place, ...args];
    const settings = Object.keys(process.env).filter((name) => name.startsWith('VOLLEY_'));
    this.workers = workers;
    this.description = `its own, ${flags.join(' ')}${settings.map((name) => `, ${name}=${process.env[name]}`).join('')}`;
    const fixed = ['--port', '0', '--api-port', '0', '--host', '127.0.0.1', '--grace', String(GRACE_MS)];
    const quiet = ['--log-level', 'info'];
    const entry = compiledFile('bench/scenarios/tethered-server.js');
    // A process group of its own: Ctrl-C in the terminal must not reach the server before its last figures are read.
    this.#child = spawn(process.execPath, [entry, ...fixed, ...quiet, ...flags], {
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    process.on('exit', this.#killNow);
    // The pipe breaks when the server ends; the end itself is what is looked at.
    this.#child.stdin?.on('error', () => undefined);
    this.#child.stderr?.on('data', (part: Buffer) => {
      this.#stderr = (this.#stderr + part.toString()).slice(-4_000);
    });
    this.#ended = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => {
        process.off('exit', this.#killNow);
        if (!this.#stopping) this.onGone?.(new BenchError(this.#describeEnd(code, signal)));
        resolve();
      });
      this.#child.once('error', (error) => {
        this.#stderr += error.message;
        resolve();
      });
    });
  }

  get pid(): number | null {
    return this.#child.pid ?? null;
  }

  /**
   * Starts a server and waits until it takes viewers.
   * @param args flags of the server beside `--workers` and `--store`
   * @throws BenchError when it ends first, or is not ready in time; it is gone then
   */
  static async start(workers: number, store: ServerStore, args: readonly string[]): Promise<OwnServer> {
    const server = new OwnServer(workers, store, args);
    const failure = await server.#becomeReady();
    if (failure === undefined) return server;
    await server.stop();
    throw new BenchError(`the bench's own server did not start: ${failure}`);
  }

  /** Ends the server with SIGTERM, or SIGKILL where that does not, and waits for its end. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#child.kill('SIGTERM');
    const timer = setTimeout(this.#killNow, STOP_MS);
    await this.#ended;
    clearTimeout(timer);
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Gives the reason when it does not become ready. */
  #becomeReady(): Promise<string | undefined> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(`it was not ready within ${READY_MS / 1_000} s`), READY_MS);
      const settle = (failure?: string): void => {
        clearTimeout(timer);
        resolve(failure);
      };
      this.#ended.then(() => settle(this.#reason()));
      if (this.#child.stdout === null) return;
      createInterface({ input: this.#child.stdout }).on('line', (line) => {
        const logged = parseLine(line);
        if (Number(logged.level) >= ERROR_LEVEL) this.#lastError = line;
        if (logged.msg !== 'ready') return;
        this.viewerUrl = String(logged.viewerUrl);
        this.apiUrl = String(logged.apiUrl);
        settle();
      });
    });
  }

  #reason(): string {
    const said = this.#stderr.trim().split('\n')[0] ?? '';
    return (said === '' ? this.#lastError : said).replace(/^volley: /, '') || 'it ended without a word';
  }

  #describeEnd(code: number | null, signal: NodeJS.Signals | null): string {
    const how = signal === null ? `exit code ${code}` : signal;
    return `the bench's own server ended in mid-run (${how}): ${this.#reason()}`;
  }
}

function parseLine(line: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
