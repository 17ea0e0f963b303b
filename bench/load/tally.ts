import { LoopDelayMeter, threadCpuSeconds } from '../../src/metrics/thread-stats.ts';
import { benchNow } from './bench-clock.ts';
import { PHASE, type PhaseBoard, type ThreadTotals } from './load-messages.ts';
import { NumberList } from './number-list.ts';

const MOST_FAULTS = 10;
const SECOND_MS = 1_000;

/**
 * What a load thread counts. Whoever reads a frame adds to the public counters, whatever the phase; the tally sees to
 * it that only what came between begin and end is in the totals, cut into whole seconds.
 */
export class Tally {
  /** benchNow() of the read under way. */
  now = 0;
  frames = 0;
  comments = 0;
  bytes = 0;
  lost = 0;
  skipped = 0;
  outOfOrder = 0;
  sent = 0;
  acked = 0;
  failedConnects = 0;
  /** benchNow() of the last frame, or of the last connection that came up; not begun anew with measuring. */
  heardAt = 0;
  readonly #closed = new Map<number, number>();
  readonly #refused = new Map<string, number>();
  readonly #faults: string[] = [];
  readonly #board: PhaseBoard;
  readonly #clock: () => number;
  readonly #delay = new LoopDelayMeter();
  /** Seconds that are over: frames, comments, bytes; … */
  readonly #seconds = new NumberList();
  #phase: number = PHASE.waiting;
  /** When the second under way ends. */
  #secondEnds = Number.POSITIVE_INFINITY;
  /** The counters when the second under way began. */
  #before = { frames: 0, comments: 0, bytes: 0 };
  #cpuBefore = 0;
  #totals: ThreadTotals | undefined;

  /** @param clock gives benchNow() ms */
  constructor(board: PhaseBoard, clock: () => number = benchNow) {
    this.#board = board;
    this.#clock = clock;
  }

  get isOver(): boolean {
    return this.#phase === PHASE.over;
  }

  get isMeasuring(): boolean {
    return this.#phase === PHASE.measuring;
  }

  /** Whether something of that time, benchNow() ms, is to be measured. */
  isSinceBegin(at: number): boolean {
    return this.#phase !== PHASE.waiting && at >= this.#board.beganAt;
  }

  /** Reads the clock and the board; must come before anything is counted that has arrived now. */
  look(): void {
    this.now = this.#clock();
    if (this.now >= this.#secondEnds || this.#board.phase !== this.#phase) this.#turn();
  }

  countClosed(code: number): void {
    this.#closed.set(code, (this.#closed.get(code) ?? 0) + 1);
  }

  countRefused(code: string): void {
    this.#refused.set(code, (this.#refused.get(code) ?? 0) + 1);
  }

  /** Keeps what is wrong with the server's answers; only the first ten. */
  addFault(sentence: string): void {
    if (this.#faults.length < MOST_FAULTS && !this.#faults.includes(sentence)) this.#faults.push(sentence);
  }

  /** The seconds that are over and were not taken yet. */
  takeSeconds(): Float64Array {
    return this.#seconds.take();
  }

  /** What was counted; undefined until the board says that it is over. Faults are those up to this call. */
  get totals(): ThreadTotals | undefined {
    return this.#totals && { ...this.#totals, faults: [...this.#faults] };
  }

  stop(): void {
    this.#delay.stop();
  }

  #turn(): void {
    const { phase } = this.#board;
    if (this.#phase === PHASE.waiting && phase !== PHASE.waiting) this.#begin();
    this.#rollTo(phase === PHASE.over ? this.#board.endedAt : this.now);
    if (phase === PHASE.over && this.#phase !== PHASE.over) this.#finish();
    this.#phase = phase;
  }

  #begin(): void {
    this.frames = 0;
    this.comments = 0;
    this.bytes = 0;
    this.lost = 0;
    this.skipped = 0;
    this.outOfOrder = 0;
    this.sent = 0;
    this.acked = 0;
    this.#refused.clear();
    this.#secondEnds = this.#board.beganAt + SECOND_MS;
    this.#delay.take();
    this.#cpuBefore = threadCpuSeconds();
  }

  #rollTo(now: number): void {
    while (now >= this.#secondEnds) {
      this.#seconds.push(this.frames - this.#before.frames);
      this.#seconds.push(this.comments - this.#before.comments);
      this.#seconds.push(this.bytes - this.#before.bytes);
      this.#before = { frames: this.frames, comments: this.comments, bytes: this.bytes };
      this.#secondEnds += SECOND_MS;
    }
  }

  #finish(): void {
    this.#secondEnds = Number.POSITIVE_INFINITY;
    this.#totals = {
      frames: this.frames,
      comments: this.comments,
      bytes: this.bytes,
      lost: this.lost,
      skipped: this.skipped,
      outOfOrder: this.outOfOrder,
      sent: this.sent,
      acked: this.acked,
      refused: new Map(this.#refused),
      closed: new Map(this.#closed),
      failedConnects: this.failedConnects,
      heardAt: this.heardAt,
      faults: [],
      cpu: threadCpuSeconds() - this.#cpuBefore,
      worstDelay: this.#delay.take().max * 1e3,
    };
  }
}
