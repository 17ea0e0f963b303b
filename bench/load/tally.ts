/** What a load thread counts, how it reports that to the coordinator, and the memory that they share. */
import { LoopDelayMeter, threadCpuSeconds } from '../../src/thread-stats.ts';
import type { Copies, Room } from './room.ts';

/** Milliseconds, fractional and monotonic; the same clock in all threads and processes of the host. */
export function benchNow(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}

/** What connections counted between `begin` and `end`. */
export interface LoadCounts {
  /** Messages with comments in them, each once per viewer. */
  readonly frames: number;
  /** 0 where frames are opaque. */
  readonly comments: number;
  /** Bytes on the wire without TCP/IP: WebSocket headers and payloads of every message. */
  readonly bytes: number;
  /** Frames that a viewer should have had by the prev of a later one. */
  readonly lost: number;
  /** `skipped` messages. */
  readonly skipped: number;
  /** Frames whose seq was not above the one before. */
  readonly outOfOrder: number;
  readonly sent: number;
  readonly acked: number;
  /** Refused comments by code. */
  readonly refused: ReadonlyMap<string, number>;
  /** Connections that the server closed since all were up, by close code (1006 for a cut, 1005 for none given). */
  readonly closed: ReadonlyMap<number, number>;
  /** Connections that did not come up again after leaving. */
  readonly failedConnects: number;
  /** What is wrong with what the server sent since the connections were up: a sentence each, the first ten. */
  readonly faults: readonly string[];
}

/** What a thread counted between begin and end. */
export interface ThreadTotals extends LoadCounts {
  /** benchNow() of the last frame, or of the last connection that came up; 0 for none. */
  readonly heardAt: number;
  /** Seconds of this thread's CPU. */
  readonly cpu: number;
  /** Longest that its loop was blocked, ms. */
  readonly worstDelay: number;
}

/** What gathered in a thread since its last report. Rooms are indexes in `Seats.rooms`, times benchNow() ms. */
export type LoadReport = ReturnType<Samples['take']>;

export const PHASE = { waiting: 0, measuring: 1, over: 2 } as const;

/**
 * Tells all threads at once that measuring begins or is over. They look at it at every read, so that their counts are
 * cut at the same moment, however far behind they are with their messages.
 */
export class PhaseBoard {
  readonly memory: SharedArrayBuffer;
  readonly #phase: Int32Array;
  readonly #times: Float64Array;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(24)) {
    this.memory = memory;
    this.#phase = new Int32Array(memory, 0, 1);
    this.#times = new Float64Array(memory, 8, 2);
  }

  get phase(): number {
    return Atomics.load(this.#phase, 0);
  }

  get beganAt(): number {
    return this.#times[0] ?? 0;
  }

  get endedAt(): number {
    return this.#times[1] ?? 0;
  }

  begin(at: number): void {
    this.#times[0] = at;
    Atomics.store(this.#phase, 0, PHASE.measuring);
  }

  end(at: number): void {
    this.#times[1] = at;
    Atomics.store(this.#phase, 0, PHASE.over);
  }
}

const MOST_FAULTS = 10;
const SECOND_MS = 1_000;

/**
 * The counters of a load thread. The reader of a frame adds to them in every phase; only what comes between begin and
 * end is in the totals, cut into whole seconds. A load may be measured again: counters of what was received start at 0
 * then; closings and faults stay.
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
  /** benchNow() of the last frame, or of the last connection that came up. */
  heardAt = 0;
  /** Counts the beginnings. */
  round = 0;
  readonly refused = new Map<string, number>();
  readonly closed = new Map<number, number>();
  readonly #faults: string[] = [];
  readonly #board: PhaseBoard;
  readonly #clock: () => number;
  readonly #delay = new LoopDelayMeter();
  /** Seconds that are over: frames, comments, bytes; … */
  readonly #seconds: number[] = [];
  #phase: number = PHASE.waiting;
  #secondEnds = Number.POSITIVE_INFINITY;
  /** The counters when the second under way began. */
  #before = { frames: 0, comments: 0, bytes: 0 };
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

  /** Whether something of that time, benchNow() ms, is to be measured. */
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

  /** Keeps what is wrong with the server's answers; only the first ten. */
  addFault(sentence: string): void {
    if (this.#faults.length < MOST_FAULTS && !this.#faults.includes(sentence)) this.#faults.push(sentence);
  }

  /** The seconds that are over and were not taken yet. */
  takeSeconds(): Float64Array {
    return Float64Array.from(this.#seconds.splice(0));
  }

  /** What was counted; undefined until the board says that it is over. Faults are those up to this call. */
  get totals(): ThreadTotals | undefined {
    return this.#totals && { ...this.#totals, faults: [...this.#faults] };
  }

  stop(): void {
    this.#delay.stop();
  }

  #begin(): void {
    this.frames = this.comments = this.bytes = this.lost = this.skipped = this.outOfOrder = 0;
    this.sent = this.acked = 0;
    this.refused.clear();
    this.round += 1;
    this.#before = { frames: 0, comments: 0, bytes: 0 };
    this.#totals = undefined;
    this.#secondEnds = this.#board.beganAt + SECOND_MS;
    this.#delay.take();
    this.#cpuBefore = threadCpuSeconds();
  }

  #rollTo(now: number): void {
    while (now >= this.#secondEnds) {
      const { frames, comments, bytes } = this;
      this.#seconds.push(frames - this.#before.frames, comments - this.#before.comments, bytes - this.#before.bytes);
      this.#before = { frames, comments, bytes };
      this.#secondEnds += SECOND_MS;
    }
  }

  #finish(): void {
    this.#secondEnds = Number.POSITIVE_INFINITY;
    const { frames, comments, bytes, lost, skipped, outOfOrder, sent, acked, failedConnects, heardAt } = this;
    this.#totals = {
      ...{ frames, comments, bytes, lost, skipped, outOfOrder, sent, acked, failedConnects, heardAt },
      refused: new Map(this.refused),
      closed: new Map(this.closed),
      faults: [],
      cpu: threadCpuSeconds() - this.#cpuBefore,
      worstDelay: this.#delay.take().max * 1e3,
    };
  }
}

/** Adds to a count under a key. */
export function addTo<Key>(counts: Map<Key, number>, key: Key, more: number): void {
  counts.set(key, (counts.get(key) ?? 0) + more);
}

/** Numbers that gather until they are handed to another thread: 8 bytes each, and no garbage. */
class NumberList {
  #numbers = new Float64Array(64);
  #length = 0;

  push(number: number): void {
    if (this.#length === this.#numbers.length) {
      const wider = new Float64Array(this.#length * 2);
      wider.set(this.#numbers);
      this.#numbers = wider;
    }
    this.#numbers[this.#length] = number;
    this.#length += 1;
  }

  /** A copy of what has gathered; the list is empty then. */
  take(): Float64Array {
    const taken = this.#numbers.slice(0, this.#length);
    this.#length = 0;
    return taken;
  }
}

/** What a load thread gathers for the coordinator, which joins it with what the other threads have. */
export class Samples {
  /** Durations in ms. */
  readonly connect = new NumberList();
  readonly caughtUp = new NumberList();
  readonly ack = new NumberList();
  readonly lostSteady = new NumberList();
  readonly unheard = new NumberList();
  readonly #received = new NumberList();
  readonly #acked = new NumberList();
  readonly #copies = new NumberList();
  /** Frames with copies that were not reported yet. */
  readonly #spreading: { room: Room; frame: Copies }[] = [];

  /** A sampled viewer got a batch. */
  addReceived(room: Room, seq: number, at: number): void {
    for (const number of [room.index, seq, at]) this.#received.push(number);
  }

  /** The ack of a comment that was due at `sentAt`. */
  addAcked(room: Room, seq: number, sentAt: number): void {
    for (const number of [room.index, seq, sentAt]) this.#acked.push(number);
  }

  /** A steady viewer got a copy of `frame`. Called for every copy. */
  countCopy(room: Room, frame: Copies, now: number): void {
    frame.lastAt = now;
    if (frame.count === 0) {
      frame.firstAt = now;
      this.#spreading.push({ room, frame });
    }
    frame.count += 1;
  }

  /** Hands over what has gathered. */
  take(tally: Tally) {
    for (const { room, frame } of this.#spreading.splice(0)) {
      for (const seq of frame.batches) {
        for (const number of [room.index, seq, frame.firstAt, frame.lastAt, frame.count]) this.#copies.push(number);
      }
      frame.count = 0;
    }
    return {
      /** Whole seconds since `begin` that are over: frames, comments, bytes; frames, comments, … */
      seconds: tally.takeSeconds(),
      /** Durations in ms. */
      connect: this.connect.take(),
      caughtUp: this.caughtUp.take(),
      ack: this.ack.take(),
      /** Batches that a sampled viewer got: room, seq, time; room, … */
      received: this.#received.take(),
      /** Comments whose ack came: room, seq, time at which it was due; room, … */
      acked: this.#acked.take(),
      /** Copies of a batch that steady viewers got: room, seq, first, last, count; room, … */
      copies: this.#copies.take(),
      /** Rooms that lost a steady viewer, once for each. */
      lostSteady: this.lostSteady.take(),
      /** Rooms of steady viewers that are up and had no frame since `begin`, once for each; in the last report. */
      unheard: this.unheard.take(),
    };
  }
}
