import { BenchError } from '../bench-error.ts';
import { benchNow } from './bench-clock.ts';
import type { LoadFigures, LoadSecond } from './load-figures.ts';
import { type FromLoadThread, PHASE, PhaseBoard, type ThreadTotals } from './load-messages.ts';
import type { LoadPlan } from './load-plan.ts';
import { LoadResults } from './load-results.ts';
import { LoadThreads } from './load-threads.ts';
import { requireOpenFiles } from './open-files.ts';
import { checkPlan } from './plan-check.ts';
import { Seats } from './seats.ts';
import { resolveTarget, type Target } from './target.ts';

/** Longest that a connection may take until it is up, in ms. */
const ANSWER_MS = 10_000;

/** Over this share of connections closed by the server, it is gone. */
const GONE = 0.5;

/** Senders begin so many ms after they are told to, all threads at the same moment. */
const LEAD_MS = 20;

/** A frame that came so many ms before the end must have come to all by then. */
const SETTLED_MS = 1_000;

export interface LoadOptions {
  /** Longest that a connection may take until it is up, in ms. */
  readonly answerWithin?: number;
  /** A frame that somebody had so many ms before the end must have come to all by then; 1,000 when left out. */
  readonly settledAfter?: number;
}

/**
 * Many viewers, and perhaps senders, on threads of their own; this is the side of them that the bench holds.
 *
 *   start ──▶ [startSending, for a warm-up] ──▶ begin ──▶ end ──▶ stop
 */
export class Load {
  /** Called once a whole second between `begin` and `end` with what all connections received. */
  onSecond: ((second: LoadSecond) => void) | undefined;
  readonly #plan: LoadPlan;
  readonly #target: Target;
  readonly #seats: Seats;
  readonly #board = new PhaseBoard();
  readonly #results: LoadResults;
  readonly #threads: LoadThreads;
  readonly #up: number[];
  readonly #closed: number[];
  readonly #totals: (ThreadTotals | undefined)[];
  #onProgress: ((up: number) => void) | undefined;
  #onGone: ((why: BenchError) => void) | undefined;
  #gone: BenchError | undefined;
  readonly #settledAfter: number;
  /** CPU seconds of all threads. */
  #connectCpu = 0;
  #connectSeconds = 0;
  #sending: Promise<void> | undefined;

  private constructor(plan: LoadPlan, target: Target, options: LoadOptions) {
    const { answerWithin = ANSWER_MS, settledAfter = SETTLED_MS } = options;
    this.#settledAfter = settledAfter;
    this.#plan = plan;
    this.#target = target;
    this.#seats = new Seats(plan);
    this.#results = new LoadResults(this.#seats, plan.threads, (second) => this.onSecond?.(second));
    const zeros = new Array<number>(plan.threads).fill(0);
    this.#up = [...zeros];
    this.#closed = [...zeros];
    this.#totals = zeros.map(() => undefined);
    const board = this.#board.memory;
    this.#threads = new LoadThreads(
      zeros.map((_, thread) => ({ thread, plan, target, board, answerWithin })),
      (thread, message) => this.#take(thread, message),
      (why) => this.#lose(why),
    );
  }

  /**
   * Starts the threads, opens every connection, waits till all are up.
   * @param onProgress is told the connections that are up so far
   * @throws BenchError, with everything closed again, for a plan that cannot be, too few open files, and connections
   *   that do not come up
   */
  static async start(plan: LoadPlan, onProgress?: (up: number) => void, options: LoadOptions = {}): Promise<Load> {
    checkPlan(plan);
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

  /** Seconds from the first `connect` until all connections were up. */
  get connectSeconds(): number {
    return this.#connectSeconds;
  }

  /** Called once when the server is gone in mid-run, with most connections closed by it; at once if it is already. */
  set onGone(tell: ((why: BenchError) => void) | undefined) {
    this.#onGone = tell;
    if (this.#gone !== undefined) tell?.(this.#gone);
  }

  get onGone(): ((why: BenchError) => void) | undefined {
    return this.#onGone;
  }

  /**
   * Starts sending, and churning; before `begin` for a warm-up. Does nothing the second time.
   * @throws BenchError when the server is gone
   */
  startSending(): Promise<void> {
    this.#sending ??= this.#startSending();
    return this.#sending;
  }

  /**
   * Starts measuring, and sending if that was not started. Once a load. What is to be measured beside it (a server's
   * CPU) is read when this resolves, and again right before `end` is called.
   * @throws BenchError when the server is gone
   */
  async begin(): Promise<void> {
    if (this.#board.phase !== PHASE.waiting) throw new Error('a load is measured once');
    await this.startSending();
    this.#requireServer();
    const began = this.#threads.heard('began');
    const at = benchNow();
    this.#board.begin(at);
    this.#results.begin(at);
    this.#threads.tell({ kind: 'phase' });
    await began;
  }

  /**
   * An outside feed tells when a comment was to be sent: `path` with or without its query, `id` is volley's
   * `seq.place`, `at` is in `benchNow()` ms. What nobody watches is passed over.
   */
  posted(path: string, id: string, at: number): void {
    const room = this.#seats.roomOf(path);
    if (room !== undefined) this.#results.addPosted(room, Number.parseInt(id, 10), at, benchNow());
  }

  /**
   * Stops measuring; gives the figures, of a server that is gone too.
   * @throws BenchError when a load thread has failed
   */
  async end(): Promise<LoadFigures> {
    if (this.#board.phase !== PHASE.measuring) throw new Error('a load that has not begun cannot end');
    const ended = this.#threads.heard('ended');
    this.#board.end(benchNow());
    this.#threads.tell({ kind: 'phase' });
    await ended;
    const { beganAt, endedAt } = this.#board;
    const connectCpu = this.#connectCpu / this.#connectSeconds;
    return this.#results.makeFigures(
      { beganAt, endedAt, settledAfter: this.#settledAfter, connectCpu },
      this.#totals.filter((totals) => totals !== undefined),
    );
  }

  /** Stops the senders, closes every connection, ends the threads. Idempotent. */
  stop(): Promise<void> {
    return this.#threads.stop();
  }

  async #connect(onProgress: ((up: number) => void) | undefined): Promise<void> {
    this.#onProgress = onProgress;
    await this.#threads.heard('ready');
    const up = this.#threads.heard('up');
    const from = benchNow();
    this.#threads.tell({ kind: 'connect', at: from });
    await up;
    this.#connectSeconds = (benchNow() - from) / 1_000;
    this.#onProgress = undefined;
  }

  async #startSending(): Promise<void> {
    this.#requireServer();
    const sending = this.#threads.heard('sending');
    this.#threads.tell({ kind: 'send', at: benchNow() + LEAD_MS });
    await sending;
  }

  #requireServer(): void {
    if (this.#gone !== undefined) throw this.#gone;
  }

  #take(thread: number, message: FromLoadThread): void {
    switch (message.kind) {
      case 'progress':
        this.#up[thread] = message.up;
        this.#onProgress?.(sum(this.#up));
        break;
      case 'up':
        this.#connectCpu += message.cpu;
        break;
      case 'failed':
        this.#threads.fail(this.#describeFailure(message.why));
        break;
      case 'report':
        this.#results.take(thread, message.report, benchNow());
        break;
      case 'closed':
        this.#closed[thread] = message.count;
        this.#watchClosed();
        break;
      case 'ended':
        this.#totals[thread] = message.totals;
        break;
      default:
    }
  }

  #describeFailure(why: string): BenchError {
    const up = sum(this.#up);
    return new BenchError(up === 0 ? why : `${why}; ${up} of ${this.#plan.connections} connections were up`);
  }

  #watchClosed(): void {
    const closed = sum(this.#closed);
    const { connections } = this.#plan;
    if (closed <= connections * GONE) return;
    this.#lose(new BenchError(`${this.#target.url} is gone: it closed ${closed} of ${connections} connections`));
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
