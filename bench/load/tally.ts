/** What a load thread counts, how it reports that to the coordinator, and the memory that they share. */
import { LoopDelayMeter, threadCpuSeconds } from '../../src/thread-stats.ts';
import type { Copies, Room } from './room.ts';

/** Milliseconds, fractional and monotonic; the same clock in all threads and processes of the host. */
export function benchNow(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}

export function addTo<Key>(counts: Map<Key, number>, key: Key, more: number): void {
  counts.set(key, (counts.get(key) ?? 0) + more);
}

export function sumOf(counts: ReadonlyMap<unknown, number>): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}

export type Counts = typeof NOTHING;

/** What connections have counted before anything came. Threads' counts add up. */
export const NOTHING = {
  /** Messages with comments in them, each once per viewer; comments are 0 where frames are opaque. */
  ...{ frames: 0, comments: 0 },
  /** Bytes on the wire without TCP/IP: WebSocket headers and payloads of every message. */
  bytes: 0,
  /** Frames that a viewer should have had by the prev of a later one, and whose seq was not above the one before. */
  ...{ lost: 0, outOfOrder: 0 },
  /** `skipped` messages. */
  skipped: 0,
  /** Comments. */
  ...{ sent: 0, acked: 0 },
  /** Connections that did not come up again after leaving. */
  failedConnects: 0,
};

/** What a thread counted between begin and end. */
export interface ThreadTotals extends Counts {
  /** Refused comments by code. */
  readonly refused: ReadonlyMap<string, number>;
  /** Connections that the server closed since all were up, by close code (1006 for a cut, 1005 for none given). */
  readonly closed: ReadonlyMap<number, number>;
  /** What is wrong with what the server sent since the connections were up: a sentence each, the first ten. */
  readonly faults: readonly string[];
  /** benchNow() of the last frame, or of the last connection that came up; 0 for none. */
  readonly heardAt: number;
  /** Seconds of this thread's CPU, and the longest that its loop was blocked, ms. */
  readonly cpu: number;
  readonly worstDelay: number;
}

/** What gathers in a thread until its next report. Rooms are indexes in `Seats.rooms`, times benchNow() ms. */
export interface LoadReport<Numbers = Float64Array> {
  /** Whole seconds since `begin` that are over: frames, comments, bytes; frames, comments, … */
  readonly seconds: Numbers;
  /** Durations in ms. */
  readonly connect: Numbers;
  readonly caughtUp: Numbers;
  readonly ack: Numbers;
  /** Batches that a sampled viewer got: room, seq, time; room, … */
  readonly received: Numbers;
  /** Comments whose ack came: room, seq, time at which it was due; room, … */
  readonly acked: Numbers;
  /** Copies of a batch that steady viewers got: room, seq, first, last, count; room, … */
  readonly copies: Numbers;
  /** Rooms that lost a steady viewer, once for each. */
  readonly lostSteady: Numbers;
  /** Rooms of steady viewers that are up and had no frame since `begin`, once for each; in the last report. */
  readonly unheard: Numbers;
}

export const PHASE = { waiting: 0, measuring: 1, over: 2 } as const;

/**
 * Tells all threads at once that measuring begins or is over. They look at it at every read, so that their counts are
 * cut at the same moment, however far behind they are with their messages. Threads tell on it how connections fare.
 */
export class PhaseBoard {
  readonly memory: SharedArrayBuffer;
  /** The phase, connections that came up at the start, and connections that the server closed since. */
  readonly #counts: Int32Array;
  readonly #times: Float64Array;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(32)) {
    this.memory = memory;
    this.#counts = new Int32Array(memory, 0, 4);
    this.#times = new Float64Array(memory, 16, 2);
  }

  get phase(): number {
    return Atomics.load(this.#counts, 0);
  }

  get up(): number {
    return Atomics.load(this.#counts, 1);
  }

  get closed(): number {
    return Atomics.load(this.#counts, 2);
  }

  get beganAt(): number {
    return this.#times[0] ?? 0;
  }

  get endedAt(): number {
    return this.#times[1] ?? 0;
  }

  begin(at: number): void {
    this.#times[0] = at;
    Atomics.store(this.#counts, 0, PHASE.measuring);
  }

  end(at: number): void {
    this.#times[1] = at;
    Atomics.store(this.#counts, 0, PHASE.over);
  }

  add(count: 'up' | 'closed', more: number): void {
    Atomics.add(this.#counts, count === 'up' ? 1 : 2, more);
  }
}

const MOST_FAULTS = 10;
const SECOND_MS = 1_000;

/**
 * The counters of a load thread. The reader of a frame adds to them in every phase; only what comes between begin and
 * end is in the totals, cut into whole seconds. A load may be measured again: what was counted starts at 0 then, but
 * closings, faults and failed connects stay.
 */
export class Tally {
  now = 0;
  counts: Counts = { ...NOTHING };
  heardAt = 0;
  round = 0;
  readonly refused = new Map<string, number>();
  readonly closed = new Map<number, number>();
  readonly samples: LoadReport<number[]> = {
    ...{ seconds: [], connect: [], caughtUp: [], ack: [], received: [], acked: [], copies: [] },
    ...{ lostSteady: [], unheard: [] },
  };
  readonly #faults: string[] = [];
  readonly #board: PhaseBoard;
  readonly #clock: () => number;
  readonly #delay = new LoopDelayMeter();
  readonly #spreading: { room: Room; frame: Copies }[] = [];
  #phase: number = PHASE.waiting;
  #secondEnds = Number.POSITIVE_INFINITY;
  /** Frames, comments and bytes when the second under way began. */
  #before = [0, 0, 0];
  #cpuBefore = 0;
  #totals: ThreadTotals | undefined;

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

  isSinceBegin(at: number): boolean {
    return this.#phase !== PHASE.waiting && at >= this.#board.beganAt;
  }

  /** Reads the clock and the board; must come before anything is counted that has arrived now. */
  look(): void {
    this.now = this.#clock();
    const { phase } = this.#board;
    if (this.now < this.#secondEnds && phase === this.#phase) return;
    if (phase === PHASE.measuring && this.#phase !== phase) this.#begin();
    this.#rollTo(phase === PHASE.over ? this.#board.endedAt : this.now);
    if (phase === PHASE.over && this.#phase !== phase) this.#finish();
    this.#phase = phase;
  }

  addFault(sentence: string): void {
    if (this.#faults.length < MOST_FAULTS && !this.#faults.includes(sentence)) this.#faults.push(sentence);
  }

  /** A steady viewer got a copy of `frame`. Called for every copy. */
  countCopy(room: Room, frame: Copies): void {
    frame.lastAt = this.now;
    if (frame.count === 0) {
      frame.firstAt = this.now;
      this.#spreading.push({ room, frame });
    }
    frame.count += 1;
  }

  /** Hands over what has gathered since the last report. */
  takeReport(): LoadReport {
    for (const { room, frame } of this.#spreading.splice(0)) {
      const { batches, firstAt, lastAt, count } = frame;
      for (const seq of batches) this.samples.copies.push(room.index, seq, firstAt, lastAt, count);
      frame.count = 0;
    }
    const taken = Object.entries<number[]>({ ...this.samples }).map(([name, numbers]) => {
      return [name, new Float64Array(numbers.splice(0))];
    });
    return Object.fromEntries(taken) as LoadReport;
  }

  /** What was counted; undefined until the board says that it is over. Faults are those up to this call. */
  get totals(): ThreadTotals | undefined {
    return this.#totals && { ...this.#totals, faults: [...this.#faults] };
  }

  stop(): void {
    this.#delay.stop();
  }

  #begin(): void {
    this.counts = { ...NOTHING, failedConnects: this.counts.failedConnects };
    this.refused.clear();
    this.round += 1;
    this.#before = [0, 0, 0];
    this.#totals = undefined;
    this.#secondEnds = this.#board.beganAt + SECOND_MS;
    this.#delay.take();
    this.#cpuBefore = threadCpuSeconds();
  }

  #rollTo(now: number): void {
    for (; now >= this.#secondEnds; this.#secondEnds += SECOND_MS) {
      const { frames, comments, bytes } = this.counts;
      const counts = [frames, comments, bytes];
      this.samples.seconds.push(...counts.map((count, i) => count - (this.#before[i] ?? 0)));
      this.#before = counts;
    }
  }

  #finish(): void {
    this.#secondEnds = Number.POSITIVE_INFINITY;
    this.#totals = {
      ...this.counts,
      heardAt: this.heardAt,
      refused: new Map(this.refused),
      closed: new Map(this.closed),
      faults: [],
      cpu: threadCpuSeconds() - this.#cpuBefore,
      worstDelay: this.#delay.take().max * 1e3,
    };
  }
}
