/** What the reports of all load threads come to. */
import { build, type Histogram } from 'hdr-histogram-js';
import type { Seats } from './plan.ts';
import { addTo, COUNTERS, type Counts, type Findings, type LoadReport, type ThreadTotals } from './tally.ts';

export type LoadSecond = Readonly<Pick<Counts, 'frames' | 'comments' | 'bytes'>>;

/** What a load measured between `begin` and `end`. Times in histograms are in µs. */
export interface LoadFigures extends Readonly<Counts>, Findings {
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
  readonly ack: Histogram;
  /** From when a connection was due to its welcome or upgrade; with churn only those that were due since `begin`. */
  readonly connect: Histogram;
  /** The same until the end of the backfill, where paths ask for history or a seq; volley only. */
  readonly caughtUp: Histogram;
  readonly cpu: number;
  /** The same from the first connect until all connections were up. */
  readonly connectCpu: number;
  /** CPU of the busiest load thread, in cores: near 1 it was the limit. */
  readonly busiest: number;
  readonly worstDelay: number;
}

/** A thread that uses so much of a core has no more to give. */
export const BUSY_THREAD = 0.9;

const MOST_TIME = 600_000_000;

function makeHistogram(): Histogram {
  return build({ highestTrackableValue: MOST_TIME, bitBucketSize: 64, useWebAssembly: false });
}

/** Records a duration in ms. Outside of the bounds the bound is recorded: nothing is left out. */
function recordMs(histogram: Histogram, ms: number): void {
  histogram.recordValue(Math.min(MOST_TIME, Math.max(0, Math.round(ms * 1_000))));
}

/** A batch is forgotten, or given up, so many ms after it was first heard of; batches are looked through as often. */
const KEPT_MS = 60_000;
const FORGET_MS = 5_000;

/** What is known of a batch. Times in ms. */
interface KnownBatch {
  readonly bornAt: number;
  readonly sent: number[];
  readonly received: number[];
  count: number;
  first: number;
  last: number;
  isTold: boolean;
}

/**
 * Puts together what the threads, and who posts, know of each batch; whatever is told first.
 *
 * Latency: senders know that a comment is in that batch and was due then, viewers that the batch came now. Every comment
 * gives a latency for every sampled viewer of its room. Spread: how long a batch took from its first to its last steady
 * viewer, for each that all of them had and nobody before `begin`; rooms with one viewer have none.
 */
export class BatchJoin {
  readonly #sampled: readonly number[];
  readonly #steady: number[];
  readonly #onLatency: (ms: number) => void;
  readonly #onSpread: (ms: number) => void;
  readonly #rooms = new Map<number, Map<number, KnownBatch>>();
  /** When the first batch since `begin` had its first viewer, by room. */
  readonly #firsts = new Map<number, number>();
  /** Rooms that lost a viewer: its copies may stand in for another's, whose own come after the batch was told. */
  readonly #losing = new Set<number>();
  #beganAt = Number.POSITIVE_INFINITY;
  #givenUp = 0;

  constructor(
    viewers: { readonly sampled: readonly number[]; readonly steady: readonly number[] },
    onLatency: (ms: number) => void,
    onSpread: (ms: number) => void,
  ) {
    this.#sampled = viewers.sampled;
    this.#steady = [...viewers.steady];
    this.#onLatency = onLatency;
    this.#onSpread = onSpread;
  }

  get size(): number {
    return [...this.#rooms.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /** Only batches that no viewer had before `at`, ms, are in the spread. */
  begin(at: number): void {
    this.#beganAt = at;
    this.#givenUp = 0;
    this.#firsts.clear();
  }

  /** A comment of batch `seq` was due at `at`, ms. */
  addSent(room: number, seq: number, at: number, now: number): void {
    const viewers = this.#sampled[room] ?? 0;
    if (viewers === 0) return;
    const { sent, received } = this.#find(room, seq, now);
    for (const receivedAt of received) this.#onLatency(receivedAt - at);
    if (received.length < viewers) sent.push(at);
  }

  /** A sampled viewer got batch `seq` at `at`, ms. */
  addReceived(room: number, seq: number, at: number, now: number): void {
    const { sent, received } = this.#find(room, seq, now);
    for (const sentAt of sent) this.#onLatency(at - sentAt);
    received.push(at);
    if (received.length >= (this.#sampled[room] ?? 0)) sent.length = 0;
  }

  /** `count` steady viewers of a thread got the batch, between `first` and `last`, ms. */
  addCopies(room: number, seq: number, first: number, last: number, count: number, now: number): void {
    const viewers = this.#steady[room] ?? 0;
    if (viewers < 2) return;
    const batch = this.#find(room, seq, now);
    batch.first = Math.min(batch.first, first);
    batch.last = Math.max(batch.last, last);
    batch.count += count;
    if (batch.count < viewers || batch.isTold) return;
    batch.isTold = true;
    this.#noteFirst(room, batch.first);
    if (batch.first >= this.#beganAt) this.#onSpread(batch.last - batch.first);
    const isDone = !this.#losing.has(room) && (this.#sampled[room] ?? 0) === 0;
    if (isDone) this.#rooms.get(room)?.delete(seq);
  }

  lose(room: number): void {
    this.#steady[room] = (this.#steady[room] ?? 0) - 1;
    this.#losing.add(room);
  }

  /** Forgets old batches; those that not every viewer had within a minute are given up. */
  forget(now: number): void {
    for (const [room, batches] of this.#rooms) {
      for (const [seq, batch] of batches) {
        if (now - batch.bornAt < KEPT_MS) break;
        if (this.#isIncomplete(room, batch)) this.#givenUp += 1;
        this.#noteFirst(room, batch.first);
        batches.delete(seq);
      }
    }
  }

  /** Batches that a viewer had by `before`, ms, and some steady viewer never. */
  countIncomplete(before: number): number {
    let incomplete = this.#givenUp;
    for (const [room, batches] of this.#rooms) {
      for (const batch of batches.values()) {
        if (batch.first <= before && this.#isIncomplete(room, batch)) incomplete += 1;
      }
    }
    return incomplete;
  }

  /** Whether a viewer of the room had a batch since `begin` and by `before`, ms. */
  hasSpread(room: number, before: number): boolean {
    for (const { first } of this.#rooms.get(room)?.values() ?? []) this.#noteFirst(room, first);
    return (this.#firsts.get(room) ?? Number.POSITIVE_INFINITY) <= before;
  }

  #find(room: number, seq: number, now: number): KnownBatch {
    const batches = this.#rooms.get(room) ?? new Map<number, KnownBatch>();
    this.#rooms.set(room, batches);
    let batch = batches.get(seq);
    if (batch === undefined) {
      const [first, last] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
      batch = { bornAt: now, sent: [], received: [], count: 0, first, last, isTold: false };
      batches.set(seq, batch);
    }
    return batch;
  }

  #noteFirst(room: number, first: number): void {
    const known = this.#firsts.get(room) ?? Number.POSITIVE_INFINITY;
    if (first >= this.#beganAt && first < known) this.#firsts.set(room, first);
  }

  #isIncomplete(room: number, { first, count }: KnownBatch): boolean {
    return count > 0 && first >= this.#beganAt && count < (this.#steady[room] ?? 0);
  }
}

/** What the coordinator knows of a measurement that is over; times in benchNow() ms. */
export interface LoadSpan {
  readonly beganAt: number;
  readonly endedAt: number;
  readonly settledAfter: number;
  readonly connectCpu: number;
}

/** Takes the reports of all threads. `onSecond` is told every second that all threads have told. */
export function gatherResults(seats: Seats, threads: number, onSecond: (second: LoadSecond) => void) {
  const [connect, caughtUp] = [makeHistogram(), makeHistogram()];
  let [latency, spread, ack] = [makeHistogram(), makeHistogram(), makeHistogram()];
  const sampled = seats.countByRoom((seat) => seat.sampled);
  const steady = seats.countByRoom((seat) => seat.steady);
  const batches = new BatchJoin(
    { sampled, steady },
    (ms) => recordMs(latency, ms),
    (ms) => recordMs(spread, ms),
  );
  /** Sums over the threads that have told the second, by its number; and the next second of each thread. */
  let seconds: { frames: number; comments: number; bytes: number; threads: number }[] = [];
  const nextSecond = new Array<number>(threads).fill(0);
  /** Steady viewers by room that had nothing; see LoadReport. */
  const unheard = new Map<number, number>();
  let forgotAt = 0;

  function addSecond(thread: number, frames: number, comments: number, bytes: number): void {
    const number = nextSecond[thread] ?? 0;
    nextSecond[thread] = number + 1;
    const { [number]: sum = { frames: 0, comments: 0, bytes: 0, threads: 0 } } = seconds;
    sum.frames += frames;
    sum.comments += comments;
    sum.bytes += bytes;
    sum.threads += 1;
    seconds[number] = sum;
    if (sum.threads === threads) onSecond(sum);
  }

  return {
    /** Measuring begins, for the first time or again, at `at`, ms. */
    begin(at: number): void {
      batches.begin(at);
      [latency, spread, ack] = [makeHistogram(), makeHistogram(), makeHistogram()];
      seconds = [];
      nextSecond.fill(0);
      unheard.clear();
    },

    /** Takes a report that thread `thread` made; `now` in ms. */
    take(thread: number, report: LoadReport, now: number): void {
      for (const row of rowsOf(report.seconds, 3)) addSecond(thread, row[0], row[1], row[2]);
      for (const ms of report.connect) recordMs(connect, ms);
      for (const ms of report.caughtUp) recordMs(caughtUp, ms);
      for (const ms of report.ack) recordMs(ack, ms);
      for (const room of report.lostSteady) batches.lose(room);
      for (const room of report.unheard) addTo(unheard, room, 1);
      for (const row of rowsOf(report.copies, 5)) batches.addCopies(...row, now);
      for (const [room, seq, at] of rowsOf(report.acked, 3)) batches.addSent(room, seq, at, now);
      for (const [room, seq, at] of rowsOf(report.received, 3)) batches.addReceived(room, seq, at, now);
      if (now - forgotAt < FORGET_MS) return;
      forgotAt = now;
      batches.forget(now);
    },

    addPosted: (room: number, seq: number, at: number, now: number): void => batches.addSent(room, seq, at, now),

    makeFigures(span: LoadSpan, totals: readonly ThreadTotals[]): LoadFigures {
      const { beganAt, endedAt, settledAfter, connectCpu } = span;
      const lasted = (endedAt - beganAt) / 1_000;
      const settledAt = endedAt - settledAfter;
      const sum = (read: (thread: ThreadTotals) => number): number => totals.reduce((all, each) => all + read(each), 0);
      const counts = Object.fromEntries(COUNTERS.map((key) => [key, sum((thread) => thread[key])]));
      const starved = [...unheard].filter(([room]) => batches.hasSpread(room, settledAt));
      const whole = seconds.filter((second) => second.threads === threads);
      return {
        ...(counts as unknown as Counts),
        ...{ latency, spread, ack, connect, caughtUp, connectCpu },
        seconds: lasted,
        perSecond: whole.map(({ frames, comments, bytes }) => ({ frames, comments, bytes })),
        faults: [...new Set(totals.flatMap(({ faults }) => faults))].slice(0, 10),
        closed: addMaps(totals.map(({ closed }) => closed)),
        refused: addMaps(totals.map(({ refused }) => refused)),
        incomplete: batches.countIncomplete(settledAt),
        starved: starved.reduce((all, [, viewers]) => all + viewers, 0),
        silentFor: Math.max(0, endedAt - Math.max(...totals.map(({ heardAt }) => heardAt))),
        cpu: sum(({ cpu }) => cpu) / lasted,
        busiest: Math.max(...totals.map(({ cpu }) => cpu)) / lasted,
        worstDelay: Math.max(...totals.map(({ worstDelay }) => worstDelay)),
      };
    },
  };
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

export function addMaps<Key>(maps: readonly ReadonlyMap<Key, number>[]): Map<Key, number> {
  const all = new Map<Key, number>();
  for (const map of maps) for (const [key, count] of map) addTo(all, key, count);
  return all;
}
