import { Worker } from 'node:worker_threads';
import { compiledFile } from '../../src/compiled-file.ts';
import { BenchError } from '../bench-error.ts';
import type { FromLoadThread, LoadTask, ToLoadThread } from './load-messages.ts';

/** A thread that does not answer a stop for so many ms is ended as it stands. */
const STOP_MS = 5_000;

type Kind = FromLoadThread['kind'];

/** Somebody who waits until every thread has said something. */
interface Waiting {
  readonly kind: Kind;
  readonly missing: Set<number>;
  resolve(): void;
  reject(error: Error): void;
}

/** The worker threads of a load. */
export class LoadThreads {
  readonly #workers: Worker[];
  readonly #onMessage: (thread: number, message: FromLoadThread) => void;
  readonly #onCrash: (why: BenchError) => void;
  readonly #waiting = new Set<Waiting>();
  readonly #running: Set<number>;
  #failure: Error | undefined;
  #stopping: Promise<void> | undefined;

  /**
   * Starts a thread for each task.
   * @param onMessage is told everything that they say
   * @param onCrash is told when one of them fails, in a sentence; whoever waits for it is told too
   */
  constructor(
    tasks: readonly LoadTask[],
    onMessage: (thread: number, message: FromLoadThread) => void,
    onCrash: (why: BenchError) => void,
  ) {
    this.#onMessage = onMessage;
    this.#onCrash = onCrash;
    this.#running = new Set(tasks.keys());
    this.#workers = tasks.map((task, thread) => {
      const worker = new Worker(compiledFile('bench/load/load-thread.js'), { workerData: task });
      worker.on('message', (message: FromLoadThread) => this.#hear(thread, message));
      worker.on('error', (error: Error) => this.#crash(thread, error));
      worker.on('exit', () => this.#crash(thread, new Error('it ended too soon')));
      return worker;
    });
  }

  /** Tells all threads. */
  tell(message: ToLoadThread): void {
    for (const worker of this.#workers) worker.postMessage(message);
  }

  /**
   * Resolves once every thread has said `kind`; call it before what makes them say it.
   * Rejects when a thread crashes or `fail` is called.
   */
  heard(kind: Kind): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure);
        return;
      }
      this.#waiting.add({ kind, missing: new Set(this.#workers.keys()), resolve, reject });
    });
  }

  /** Rejects all who wait, and who will. */
  fail(error: Error): void {
    this.#failure ??= error;
    for (const waiting of this.#waiting) waiting.reject(this.#failure);
    this.#waiting.clear();
  }

  /** Stops and ends the threads. Idempotent. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.fail(new Error('the load was stopped'));
    let giveUp: NodeJS.Timeout | undefined;
    const tooLong = new Promise<void>((resolve) => {
      giveUp = setTimeout(resolve, STOP_MS);
    });
    const stopped = this.#workers.map((worker, thread) => {
      if (!this.#running.has(thread)) return undefined;
      return new Promise<void>((resolve) => {
        worker.on('message', (message: FromLoadThread) => message.kind === 'stopped' && resolve());
        worker.on('exit', resolve);
      });
    });
    this.tell({ kind: 'stop' });
    await Promise.race([Promise.all(stopped), tooLong]);
    clearTimeout(giveUp);
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  #hear(thread: number, message: FromLoadThread): void {
    this.#onMessage(thread, message);
    for (const waiting of this.#waiting) {
      if (waiting.kind !== message.kind) continue;
      waiting.missing.delete(thread);
      if (waiting.missing.size > 0) continue;
      this.#waiting.delete(waiting);
      waiting.resolve();
    }
  }

  #crash(thread: number, cause: Error): void {
    this.#running.delete(thread);
    if (this.#stopping !== undefined || this.#failure !== undefined) return;
    const why = new BenchError(`a load thread has failed: ${cause.message}`, { cause });
    this.fail(why);
    this.#onCrash(why);
  }
}
