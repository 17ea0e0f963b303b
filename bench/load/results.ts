/** What the reports of all load threads come to. */
import { build, type Histogram } from 'hdr-histogram-js';
import type { Seats } from './plan.ts';
import { addTo, type LoadCounts, type LoadReport, type ThreadTotals } from './tally.ts';

/** What all connections received in one whole second. */
export interface LoadSecond {
  readonly frames: number;
  readonly comments: number;
  readonly bytes: number;
}

/** What a load measured between `begin` and `end`. Times in histograms are in µs. */
export interface LoadFigures extends LoadCounts {
  readonly seconds: number;
  readonly perSecond: readonly LoadSecond[];
  /** From when a comment was due until a sampled viewer read the frame that holds it. */
  readonly latency: Histogram;
  /** From the first to the last viewer of a batch (or opaque frame), for each that every steady viewer had. */
  readonly spread: Histogram;
  /** Frames that a steady viewer never had, a second after the first had them: they are in no spread. */
  readonly incomplete: number;
  /** Steady viewers that had no frame at all, while others of their room had one a second or more before the end. */
  readonly starved: number;
  /** ms from the last frame (or last connection that came up) until the end. */
  readonly silentFor: number;
  /** From when a comment was due to its ack. */
  readonly ack: Histogram;
  /**
   * From when a connection was due to its welcome (volley) or upgrade (opaque): at the start when the first was opened,
   * after churn when this one was to come back. With churn in the plan only connections due since `begin` count.
   */
  readonly connect: Histogram;
  /** The same until the end of the backfill, where paths ask for history or a seq; volley only. */
  readonly caughtUp: Histogram;
  /** CPU of the load threads together, in cores. */
  readonly cpu: number;
  /** The same from the first connect until all connections were up. */
  readonly connectCpu: number;
  /** CPU of the busiest load thread, in cores: near 1 it was the limit. */
  readonly busiest: number;
  /** The longest that a load thread's loop was blocked, in ms. */
  readonly worstDelay: number;
}

/** A thread that uses so much of a core has no more to give. */
export const BUSY_THREAD = 0.9;

/** Ten minutes, in µs. */
const MOST_TIME = 600_000_000;

/** A histogram of µs up to ten minutes, to three digits. */
function makeHistogram(): Histogram {
  return build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: MOST_TIME,
    numberOfSignificantValueDigits: 3,
    bitBucketSize: 64,
    useWebAssembly: false,
  });
}

/** Records a duration in ms. Outside of the bounds the bound is recorded: nothing is left out. */
function recordMs(histogram: Histogram, ms: number): void {
  histogram.recordValue(Math.min(MOST_TIME, Math.max(0, Math.round(ms * 1_000))));
}

/** A batch is forgotten, or given up, so many ms after it was first heard of; batches are looked through as often. */
const KEPT_MS = 60_000;
const FORGET_MS = 5_000;

/** Something for each batch of each room, oldest first. */
class ByBatch<Value extends { readonly bornAt: number }> {
  readonly rooms = new Map<number, Map<number, Value>>();

  find(room: number, seq: number, make: () => Value): Value {
    let batches = this.rooms.get(room);
    if (batches === undefined) {
      batches = new Map();
      this.rooms.set(room, batches);
    }
    let batch = batches.get(seq);
    if (batch === undefined) {
      batch = make();
      batches.set(seq, batch);
    }
    return batch;
  }

  forget(now: number, tell: (room: number, value: Value) => void): void {
    for (const [room, batches] of this.rooms) {
      for (const [seq, batch] of batches) {
        if (now - batch.bornAt < KEPT_MS) break;
        tell(room, batch);
        batches.delete(seq);
      }
    }
  }
}

/**
 * Joins what senders know (this comment is in that batch, and was due then) with what viewers know (that batch came
 * now). Either may be told first. Every comment gives a latency for every sampled viewer of its room.
 */
export class LatencyJoin {
  /** Sampled viewers by room. */
  readonly #viewers: ArrayLike<number>;
  readonly #record: (latency: number) => void;
  readonly #batches = new ByBatch<{ bornAt: number; sent: number[]; received: number[] }>();

  /** @param viewers sampled viewers of each room; nothing is kept of a room that has none */
  constructor(viewers: ArrayLike<number>, record: (ms: number) => void) {
    this.#viewers = viewers;
    this.#record = record;
  }

  /** A comment of batch `seq` was due at `at`, ms. */
  addSent(room: number, seq: number, at: number, now: number): void {
    const viewers = this.#viewers[room] ?? 0;
    if (viewers === 0) return;
    const { sent, received } = this.#batches.find(room, seq, () => ({ bornAt: now, sent: [], received: [] }));
    for (const receivedAt of received) this.#record(receivedAt - at);
    if (received.length < viewers) sent.push(at);
  }

  /** A sampled viewer got batch `seq` at `at`, ms. */
  addReceived(room: number, seq: number, at: number, now: number): void {
    const { sent, received } = this.#batches.find(room, seq, () => ({ bornAt: now, sent: [], received: [] }));
    for (const sentAt of sent) this.#record(at - sentAt);
    received.push(at);
    if (received.length >= (this.#viewers[room] ?? 0)) sent.length = 0;
  }

  forget(now: number): void {
    this.#batches.forget(now, () => undefined);
  }

  /** Batches that are remembered. */
  get size(): number {
    return [...this.#batches.rooms.values()].reduce((sum, { size }) => sum + size, 0);
  }
}

/** Copies of one batch over all threads. */
interface Spreading {
  readonly bornAt: number;
  first: number;
  last: number;
  count: number;
  isTold: boolean;
}

/** Puts together what the threads saw of each batch: how long it took from its first to its last viewer. */
export class SpreadJoin {
  readonly #viewers: Int32Array;
  readonly #record: (spread: number) => void;
  readonly #batches = new ByBatch<Spreading>();
  /** When the first batch since `begin` had its first viewer, by room. */
  readonly #firsts = new Map<number, number>();
  /** Rooms that lost a viewer: its copies may stand in for another's, whose own come after the batch was told. */
  readonly #losing = new Set<number>();
  #beganAt = Number.POSITIVE_INFINITY;
  #givenUp = 0;

  /**
   * @param viewers steady viewers of each room
   * @param record is told the spread, in ms, of every batch that all viewers had; rooms with one viewer have none
   */
  constructor(viewers: Int32Array, record: (ms: number) => void) {
    this.#viewers = Int32Array.from(viewers);
    this.#record = record;
  }

  /** Only batches that no viewer had before `at`, ms, are told. */
  begin(at: number): void {
    this.#beganAt = at;
    this.#givenUp = 0;
    this.#firsts.clear();
  }

  /** `count` steady viewers of a thread got the batch, between `first` and `last`, ms. */
  add(room: number, seq: number, first: number, last: number, count: number, now: number): void {
    const viewers = this.#viewers[room] ?? 0;
    if (viewers < 2) return;
    const batch = this.#batches.find(room, seq, () => ({ bornAt: now, first, last, count: 0, isTold: false }));
    batch.first = Math.min(batch.first, first);
    batch.last = Math.max(batch.last, last);
    batch.count += count;
    if (batch.count < viewers || batch.isTold) return;
    batch.isTold = true;
    this.#noteFirst(room, batch.first);
    if (batch.first >= this.#beganAt) this.#record(batch.last - batch.first);
    if (!this.#losing.has(room)) this.#batches.rooms.get(room)?.delete(seq);
  }

  /** A steady viewer of the room is gone. */
  lose(room: number): void {
    this.#viewers[room] = (this.#viewers[room] ?? 0) - 1;
    this.#losing.add(room);
  }

  /** Gives up batches that not every viewer had within a minute. */
  forget(now: number): void {
    this.#batches.forget(now, (room, batch) => {
      if (this.#isIncomplete(room, batch)) this.#givenUp += 1;
      this.#noteFirst(room, batch.first);
    });
  }

  /** Batches that a viewer had by `before`, ms, and some steady viewer never. */
  countIncomplete(before: number): number {
    let incomplete = this.#givenUp;
    for (const [room, batches] of this.#batches.rooms) {
      for (const batch of batches.values()) {
        if (batch.first <= before && this.#isIncomplete(room, batch)) incomplete += 1;
      }
    }
    return incomplete;
  }

  /** Whether a viewer of the room had a batch since `begin` and by `before`, ms. */
  hasSpread(room: number, before: number): boolean {
    for (const { first } of this.#batches.rooms.get(room)?.values() ?? []) this.#noteFirst(room, first);
    return (this.#firsts.get(room) ?? Number.POSITIVE_INFINITY) <= before;
  }

  #noteFirst(room: number, first: number): void {
    if (first < this.#beganAt) return;
    if (first < (this.#firsts.get(room) ?? Number.POSITIVE_INFINITY)) this.#firsts.set(room, first);
  }

  #isIncomplete(room: number, { first, count }: Spreading): boolean {
    return first >= this.#beganAt && count < (this.#viewers[room] ?? 0);
  }
}

/** Counts that are summed over the threads. */
const COUNTERS = [
  ...(['frames', 'comments', 'bytes', 'lost', 'skipped', 'outOfOrder', 'sent', 'acked', 'failedConnects'] as const),
];
type Counter = (typeof COUNTERS)[number];

/** What the coordinator knows of a measurement that is over; times in benchNow() ms. */
export interface LoadSpan {
  readonly beganAt: number;
  readonly endedAt: number;
  /** A frame that came so many ms before the end must have come to all viewers by then. */
  readonly settledAfter: number;
  readonly connectCpu: number;
}

export class LoadResults {
  readonly #threads: number;
  readonly #onSecond: (second: LoadSecond) => void;
  #latency = makeHistogram();
  #spread = makeHistogram();
  #ack = makeHistogram();
  readonly #connect = makeHistogram();
  readonly #caughtUp = makeHistogram();
  readonly #latencies: LatencyJoin;
  readonly #spreads: SpreadJoin;
  /** Sums over the threads that have told the second, by its number. */
  #seconds: { frames: number; comments: number; bytes: number; threads: number }[] = [];
  /** The next second of each thread. */
  readonly #nextSecond: number[];
  /** Steady viewers by room that had nothing; see LoadReport. */
  readonly #unheard = new Map<number, number>();
  #forgotAt = 0;

  /** @param onSecond is told every second that all threads have told */
  constructor(seats: Seats, threads: number, onSecond: (second: LoadSecond) => void) {
    this.#threads = threads;
    this.#onSecond = onSecond;
    this.#nextSecond = new Array<number>(threads).fill(0);
    const sampled = seats.countByRoom((seat) => seat.sampled);
    const steady = seats.countByRoom((seat) => seat.steady);
    this.#latencies = new LatencyJoin(sampled, (ms) => recordMs(this.#latency, ms));
    this.#spreads = new SpreadJoin(steady, (ms) => recordMs(this.#spread, ms));
  }

  /** Measuring begins, for the first time or again, at `at`, ms. */
  begin(at: number): void {
    this.#spreads.begin(at);
    this.#latency = makeHistogram();
    this.#spread = makeHistogram();
    this.#ack = makeHistogram();
    this.#seconds = [];
    this.#nextSecond.fill(0);
    this.#unheard.clear();
  }

  /** Takes a report that thread `thread` made; `now` in ms. */
  take(thread: number, report: LoadReport, now: number): void {
    for (const [frames, comments, bytes] of rowsOf(report.seconds, 3)) this.#addSecond(thread, frames, comments, bytes);
    for (const ms of report.connect) recordMs(this.#connect, ms);
    for (const ms of report.caughtUp) recordMs(this.#caughtUp, ms);
    for (const ms of report.ack) recordMs(this.#ack, ms);
    for (const room of report.lostSteady) this.#spreads.lose(room);
    for (const room of report.unheard) addTo(this.#unheard, room, 1);
    for (const [room, seq, first, last, count] of rowsOf(report.copies, 5)) {
      this.#spreads.add(room, seq, first, last, count, now);
    }
    for (const [room, seq, at] of rowsOf(report.acked, 3)) this.#latencies.addSent(room, seq, at, now);
    for (const [room, seq, at] of rowsOf(report.received, 3)) this.#latencies.addReceived(room, seq, at, now);
    if (now - this.#forgotAt < FORGET_MS) return;
    this.#forgotAt = now;
    this.#latencies.forget(now);
    this.#spreads.forget(now);
  }

  /** A comment of batch `seq` was due at `at`, from others than our senders. */
  addPosted(room: number, seq: number, at: number, now: number): void {
    this.#latencies.addSent(room, seq, at, now);
  }

  /** The figures, once every thread has made its last report. */
  makeFigures(span: LoadSpan, totals: readonly ThreadTotals[]): LoadFigures {
    const { beganAt, endedAt, settledAfter, connectCpu } = span;
    const seconds = (endedAt - beganAt) / 1_000;
    const settledAt = endedAt - settledAfter;
    const sum = (key: Counter): number => totals.reduce((all, thread) => all + thread[key], 0);
    const counts = Object.fromEntries(COUNTERS.map((key) => [key, sum(key)])) as Record<Counter, number>;
    const cpu = totals.map((thread) => thread.cpu / seconds);
    let starved = 0;
    for (const [room, viewers] of this.#unheard) if (this.#spreads.hasSpread(room, settledAt)) starved += viewers;
    return {
      ...counts,
      seconds,
      perSecond: this.#seconds
        .filter(({ threads }) => threads === this.#threads)
        .map(({ frames, comments, bytes }) => ({ frames, comments, bytes })),
      faults: [...new Set(totals.flatMap(({ faults }) => faults))].slice(0, 10),
      closed: addMaps(totals.map(({ closed }) => closed)),
      refused: addMaps(totals.map(({ refused }) => refused)),
      latency: this.#latency,
      spread: this.#spread,
      ack: this.#ack,
      connect: this.#connect,
      caughtUp: this.#caughtUp,
      incomplete: this.#spreads.countIncomplete(settledAt),
      starved,
      silentFor: Math.max(0, endedAt - Math.max(...totals.map(({ heardAt }) => heardAt))),
      cpu: cpu.reduce((all, cores) => all + cores, 0),
      connectCpu,
      busiest: Math.max(...cpu),
      worstDelay: Math.max(...totals.map(({ worstDelay }) => worstDelay)),
    };
  }

  #addSecond(thread: number, frames: number, comments: number, bytes: number): void {
    const number = this.#nextSecond[thread] ?? 0;
    this.#nextSecond[thread] = number + 1;
    this.#seconds[number] ??= { frames: 0, comments: 0, bytes: 0, threads: 0 };
    const second = this.#seconds[number];
    second.frames += frames;
    second.comments += comments;
    second.bytes += bytes;
    second.threads += 1;
    if (second.threads === this.#threads) this.#onSecond(second);
  }
}

type Row = [number, number, number, number, number];

/** Flat numbers in rows of `width`. The row is one and the same array, filled again for each. */
function* rowsOf(numbers: Float64Array, width: number): Generator<Row> {
  const row: Row = [0, 0, 0, 0, 0];
  for (let at = 0; at < numbers.length; at += width) {
    for (let i = 0; i < width; i += 1) row[i] = numbers[at + i] ?? 0;
    yield row;
  }
}

function addMaps<K>(maps: readonly ReadonlyMap<K, number>[]): Map<K, number> {
  const all = new Map<K, number>();
  for (const map of maps) for (const [key, count] of map) addTo(all, key, count);
  return all;
}
