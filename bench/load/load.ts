/** Many viewers, and perhaps senders, on threads of their own; this is the side of them that the bench holds. */
import { Worker } from 'node:worker_threads';
import { compiledFile } from '../../src/compiled-file.ts';
import { BenchError } from '../bench-error.ts';
import { resolveTarget, type Target } from './connection.ts';
import { requireOpenFiles } from './open-files.ts';
import { type LoadPlan, Seats } from './plan.ts';
import { type LoadFigures, LoadResults, type LoadSecond } from './results.ts';
import { benchNow, type LoadReport, PHASE, PhaseBoard, type ThreadTotals } from './tally.ts';

/** What a load thread is started with. */
export interface LoadTask {
  /** From 0 to below `plan.threads`. */
  readonly thread: number;
  readonly plan: LoadPlan;
  readonly target: Target;
  /** Memory of a PhaseBoard. */
  readonly board: SharedArrayBuffer;
  /** Longest that a connection may take until it is up, in ms. */
  readonly answerWithin: number;
}

export type ToLoadThread =
  /** Opens every connection; they are due at `at`, benchNow(). Answered by `up` or `failed`. */
  | { readonly kind: 'connect'; readonly at: number }
  /** Starts sending and churning at `at`, benchNow(). Answered by `sending`. */
  | { readonly kind: 'send'; readonly at: number }
  /** The phase on the board has changed. Answered by `began` or `ended`. */
  | { readonly kind: 'phase' }
  /** Closes everything. Answered by `stopped`. */
  | { readonly kind: 'stop' };

export type FromLoadThread =
  | { readonly kind: 'ready' | 'sending' | 'began' | 'stopped' }
  | { readonly kind: 'progress'; readonly up: number }
  /** Every connection is up; `cpu` is what that took, in seconds of the thread's CPU. */
  | { readonly kind: 'up'; readonly cpu: number }
  /** A connection did not come up; `why` is a sentence. */
  | { readonly kind: 'failed'; readonly why: string }
  | { readonly kind: 'report'; readonly report: LoadReport }
  /** Connections of this thread that the server has closed since they were up. */
  | { readonly kind: 'closed'; readonly count: number }
  | { readonly kind: 'ended'; readonly totals: ThreadTotals };

type Kind = FromLoadThread['kind'];

/** Longest that a connection may take until it is up, in ms. */
const ANSWER_MS = 10_000;

/** Above this share of connections closed by the server, it is gone. */
const GONE = 0.5;

/** Senders begin so many ms after they are told to, all threads at the same moment. */
const LEAD_MS = 20;

/** A frame that came so many ms before the end must have come to all by then. */
const SETTLED_MS = 1_000;

/** A thread that does not answer a stop for so many ms is ended as it is. */
const STOP_MS = 5_000;

export interface LoadOptions {
  /** Longest that a connection may take until it is up, in ms. */
  readonly answerWithin?: number;
  /** A frame that a viewer had so many ms before the end must have come to all by then; 1,000 when left out. */
  readonly settledAfter?: number;
}

/** Waits until every thread has said `kind`. */
interface Waiting {
  readonly kind: Kind;
  readonly missing: Set<number>;
  resolve(): void;
  reject(error: Error): void;
}

/**
 *   start ──▶ [startSending, for a warm-up] ──▶ begin ──▶ end ──▶ stop
 *                                                 ▲        │
 *                                                 └────────┘ measured again, figures anew
 */
export class Load {
  /** Called once a whole second between `begin` and `end` with what all connections received. */
  onSecond: ((second: LoadSecond) => void) | undefined;
  /** Seconds from the first `connect` until all connections were up. */
  connectSeconds = 0;
  readonly #plan: LoadPlan;
  readonly #target: Target;
  readonly #seats: Seats;
  readonly #board = new PhaseBoard();
  readonly #results: LoadResults;
  readonly #workers: readonly Worker[];
  readonly #running: Set<number>;
  readonly #waiting = new Set<Waiting>();
  readonly #up: number[] = [];
  readonly #closed: number[] = [];
  readonly #totals: ThreadTotals[] = [];
  readonly #settledAfter: number;
  #onProgress: ((up: number) => void) | undefined;
  #onGone: ((why: BenchError) => void) | undefined;
  #gone: BenchError | undefined;
  /** Why nothing more can be heard of the threads. */
  #failure: Error | undefined;
  #stopping: Promise<void> | undefined;
  #sending: Promise<void> | undefined;
  /** CPU seconds of all threads. */
  #connectCpu = 0;

  private constructor(plan: LoadPlan, target: Target, options: LoadOptions) {
    const { answerWithin = ANSWER_MS, settledAfter = SETTLED_MS } = options;
    this.#settledAfter = settledAfter;
    this.#plan = plan;
    this.#target = target;
    this.#seats = new Seats(plan);
    this.#results = new LoadResults(this.#seats, plan.threads, (second) => this.onSecond?.(second));
    const board = this.#board.memory;
    this.#workers = Array.from({ length: plan.threads }, (_, thread) => {
      const workerData: LoadTask = { thread, plan, target, board, answerWithin };
      const worker = new Worker(compiledFile('bench/load/load-thread.js'), { workerData });
      worker.on('message', (message: FromLoadThread) => this.#hear(thread, message));
      worker.on('error', (error: Error) => this.#crash(thread, error));
      worker.on('exit', () => this.#crash(thread, new Error('it ended too soon')));
      return worker;
    });
    this.#running = new Set(this.#workers.keys());
  }

  /**
   * Starts the threads, opens every connection, waits until all are up.
   * @param onProgress is told the connections that are up so far
   * @throws BenchError, with everything closed again, for too few open files and connections that do not come up
   */
  static async start(plan: LoadPlan, onProgress?: (up: number) => void, options: LoadOptions = {}): Promise<Load> {
    requireOpenFiles(plan.connections, 'the load generator');
    const load = new Load(plan, await resolveTarget(plan.url), options);
    try {
      await load.#connect(onProgress);
    } catch (error) {
      await load.stop();
      throw error;
    }
    return load;
  }

  /** Called once when most connections are closed by the server in mid-run; at once if that has happened already. */
  set onGone(tell: ((why: BenchError) => void) | undefined) {
    this.#onGone = tell;
    if (this.#gone !== undefined) tell?.(this.#gone);
  }

  get onGone(): ((why: BenchError) => void) | undefined {
    return this.#onGone;
  }

  /**
   * Starts sending and churning; before `begin` for a warm-up. Does nothing the second time.
   * @throws BenchError when the server is gone
   */
  startSending(): Promise<void> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone);
    this.#sending ??= this.#ask('sending', { kind: 'send', at: benchNow() + LEAD_MS });
    return this.#sending;
  }

  /**
   * Starts measuring, and sending if that was not started. What is measured beside it (a server's CPU) is read when
   * this resolves, and again right before `end` is called.
   * @throws BenchError when the server is gone
   */
  async begin(): Promise<void> {
    if (this.#board.phase === PHASE.measuring) throw new Error('a load that is measured cannot begin');
    await this.startSending();
    const at = benchNow();
    this.#results.begin(at);
    this.#board.begin(at);
    await this.#ask('began', { kind: 'phase' });
  }

  /**
   * An outside feed tells when a comment was due: `path` with or without its query, `id` is volley's `seq.index`, `at`
   * is in `benchNow()` ms. Rooms without viewers are passed over.
   */
  posted(path: string, id: string, at: number): void {
    const room = this.#seats.roomOf(path);
    if (room !== undefined) this.#results.addPosted(room, Number.parseInt(id, 10), at, benchNow());
  }

  /**
   * Stops measuring; returns the figures, of a server that is gone too.
   * @throws BenchError when a load thread has failed
   */
  async end(): Promise<LoadFigures> {
    if (this.#board.phase !== PHASE.measuring) throw new Error('a load that has not begun cannot end');
    this.#board.end(benchNow());
    await this.#ask('ended', { kind: 'phase' });
    const { beganAt, endedAt } = this.#board;
    const connectCpu = this.#connectCpu / this.connectSeconds;
    return this.#results.makeFigures({ beganAt, endedAt, settledAfter: this.#settledAfter, connectCpu }, this.#totals);
  }

  /** Stops the senders, closes every connection, ends the threads. Idempotent. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #connect(onProgress: ((up: number) => void) | undefined): Promise<void> {
    this.#onProgress = onProgress;
    await this.#heard('ready');
    const from = benchNow();
    await this.#ask('up', { kind: 'connect', at: from });
    this.connectSeconds = (benchNow() - from) / 1_000;
    this.#onProgress = undefined;
  }

  async #stop(): Promise<void> {
    this.#fail(new Error('the load was stopped'));
    const stopped = [...this.#running].map((thread) => {
      const worker = this.#workers[thread] as Worker;
      return new Promise<void>((resolve) => {
        worker.on('message', ({ kind }: FromLoadThread) => kind === 'stopped' && resolve());
        worker.on('exit', () => resolve());
      });
    });
    this.#tell({ kind: 'stop' });
    let giveUp: NodeJS.Timeout | undefined;
    const tooLong = new Promise<void>((resolve) => {
      giveUp = setTimeout(resolve, STOP_MS);
    });
    await Promise.race([Promise.all(stopped), tooLong]);
    clearTimeout(giveUp);
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  #tell(message: ToLoadThread): void {
    for (const worker of this.#workers) worker.postMessage(message);
  }

  /** Tells all threads, and waits until every one has answered `kind`. */
  #ask(kind: Kind, message: ToLoadThread): Promise<void> {
    const heard = this.#heard(kind);
    this.#tell(message);
    return heard;
  }

  /** Rejects when a thread fails or the load is stopped. */
  #heard(kind: Kind): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) reject(this.#failure);
      else this.#waiting.add({ kind, missing: new Set(this.#workers.keys()), resolve, reject });
    });
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const waiting of this.#waiting) waiting.reject(this.#failure);
    this.#waiting.clear();
  }

  #crash(thread: number, cause: Error): void {
    this.#running.delete(thread);
    if (this.#stopping !== undefined || this.#failure !== undefined) return;
    const why = new BenchError(`a load thread has failed: ${cause.message}`, { cause });
    this.#fail(why);
    this.#lose(why);
  }

  #hear(thread: number, message: FromLoadThread): void {
    this.#take(thread, message);
    for (const waiting of this.#waiting) {
      if (waiting.kind !== message.kind) continue;
      waiting.missing.delete(thread);
      if (waiting.missing.size > 0) continue;
      this.#waiting.delete(waiting);
      waiting.resolve();
    }
  }

  #take(thread: number, message: FromLoadThread): void {
    const { connections } = this.#plan;
    if (message.kind === 'progress') {
      this.#up[thread] = message.up;
      this.#onProgress?.(sum(this.#up));
    } else if (message.kind === 'up') {
      this.#connectCpu += message.cpu;
    } else if (message.kind === 'failed') {
      const up = sum(this.#up);
      this.#fail(
        new BenchError(up === 0 ? message.why : `${message.why}; ${up} of ${connections} connections were up`),
      );
    } else if (message.kind === 'report') {
      this.#results.take(thread, message.report, benchNow());
    } else if (message.kind === 'ended') {
      this.#totals[thread] = message.totals;
    } else if (message.kind === 'closed') {
      this.#closed[thread] = message.count;
      const closed = sum(this.#closed);
      if (closed <= connections * GONE) return;
      this.#lose(new BenchError(`${this.#target.url} is gone: it closed ${closed} of ${connections} connections`));
    }
  }

  #lose(why: BenchError): void {
    if (this.#gone !== undefined) return;
    this.#gone = why;
    this.#onGone?.(why);
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, number) => all + number, 0);
}
