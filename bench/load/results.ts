/** What the reports of all load threads come to. */
import { build, type Histogram } from 'hdr-histogram-js';
import type { Seats } from './plan.ts';
import { addTo, type Counts, type LoadReport, NOTHING, type ThreadTotals } from './tally.ts';

/** What all connections received in one whole second. */
export type LoadSecond = Readonly<Pick<Counts, 'frames' | 'comments' | 'bytes'>>;

/** What a load measured between `begin` and `end`. Times in histograms are in µs. */
export type LoadFigures = Readonly<ReturnType<ReturnType<typeof gatherResults>['makeFigures']>> & {
  /** CPU of the load threads, in cores, from the first connect until all connections were up. */
  readonly connectCpu: number;
};

/** A thread that uses so much of a core has no more to give. */
export const BUSY_THREAD = 0.9;

/** Ten minutes, in µs. */
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
  /** Copies of steady viewers over all threads. */
  count: number;
  first: number;
  last: number;
  isTold: boolean;
}

/**
 * Puts together what the threads, and who posts, know of each batch; whatever is told first. Times in ms.
 *
 * Latency: senders know that a comment is in that batch and was due then, viewers that the batch came now. Every comment
 * gives a latency for every sampled viewer of its room. Spread: how long a batch took from its first to its last steady
 * viewer, for each that all of them had and nobody before `begin`; rooms with one viewer have none.
 */
export function joinBatches(
  viewers: Readonly<Record<'sampled' | 'steady', readonly number[]>>,
  onLatency: (ms: number) => void,
  onSpread: (ms: number) => void,
) {
  const { sampled } = viewers;
  const steady = [...viewers.steady];
  /** By room and seq, oldest first. */
  const rooms = new Map<number, Map<number, KnownBatch>>();
  /** When the first batch since `begin` had its first viewer, by room. */
  const firsts = new Map<number, number>();
  /** Rooms that lost a viewer: its copies may stand in for another's, whose own come after the batch was told. */
  const losing = new Set<number>();
  let beganAt = Number.POSITIVE_INFINITY;
  let givenUp = 0;

  function find(room: number, seq: number, now: number): KnownBatch {
    const batches = rooms.get(room) ?? new Map<number, KnownBatch>();
    rooms.set(room, batches);
    const none = { count: 0, first: Number.POSITIVE_INFINITY, last: Number.NEGATIVE_INFINITY, isTold: false };
    const batch = batches.get(seq) ?? { bornAt: now, sent: [], received: [], ...none };
    batches.set(seq, batch);
    return batch;
  }

  function noteFirst(room: number, first: number): void {
    if (first >= beganAt && first < (firsts.get(room) ?? Number.POSITIVE_INFINITY)) firsts.set(room, first);
  }

  function isIncomplete(room: number, { first, count }: KnownBatch): boolean {
    return count > 0 && first >= beganAt && count < (steady[room] ?? 0);
  }

  return {
    get size(): number {
      return [...rooms.values()].reduce((sum, { size }) => sum + size, 0);
    },

    /** Only batches that no viewer had before `at` are in the spread. */
    begin(at: number): void {
      beganAt = at;
      givenUp = 0;
      firsts.clear();
    },

    /** A comment of batch `seq` was due at `at`. */
    addSent(room: number, seq: number, at: number, now: number): void {
      const expected = sampled[room] ?? 0;
      if (expected === 0) return;
      const { sent, received } = find(room, seq, now);
      for (const receivedAt of received) onLatency(receivedAt - at);
      if (received.length < expected) sent.push(at);
    },

    /** A sampled viewer got batch `seq` at `at`. */
    addReceived(room: number, seq: number, at: number, now: number): void {
      const { sent, received } = find(room, seq, now);
      for (const sentAt of sent) onLatency(at - sentAt);
      received.push(at);
      if (received.length >= (sampled[room] ?? 0)) sent.length = 0;
    },

    /** `count` steady viewers of a thread got the batch, between `first` and `last`. */
    addCopies(room: number, seq: number, first: number, last: number, count: number, now: number): void {
      const expected = steady[room] ?? 0;
      if (expected < 2) return;
      const batch = find(room, seq, now);
      batch.first = Math.min(batch.first, first);
      batch.last = Math.max(batch.last, last);
      batch.count += count;
      if (batch.count < expected || batch.isTold) return;
      batch.isTold = true;
      noteFirst(room, batch.first);
      if (batch.first >= beganAt) onSpread(batch.last - batch.first);
      if (!losing.has(room) && (sampled[room] ?? 0) === 0) rooms.get(room)?.delete(seq);
    },

    /** A steady viewer of the room is gone. */
    lose(room: number): void {
      steady[room] = (steady[room] ?? 0) - 1;
      losing.add(room);
    },

    /** Forgets old batches; those that not every viewer had within a minute are given up. */
    forget(now: number): void {
      for (const [room, batches] of rooms) {
        for (const [seq, batch] of batches) {
          if (now - batch.bornAt < KEPT_MS) break;
          if (isIncomplete(room, batch)) givenUp += 1;
          noteFirst(room, batch.first);
          batches.delete(seq);
        }
      }
    },

    /** Batches that a viewer had by `before`, and some steady viewer never. */
    countIncomplete(before: number): number {
      const all = [...rooms].flatMap(([room, batches]) => [...batches.values()].map((batch) => ({ room, batch })));
      return givenUp + all.filter(({ room, batch }) => batch.first <= before && isIncomplete(room, batch)).length;
    },

    /** Whether a viewer of the room had a batch since `begin` and by `before`. */
    hasSpread(room: number, before: number): boolean {
      for (const { first } of rooms.get(room)?.values() ?? []) noteFirst(room, first);
      return (firsts.get(room) ?? Number.POSITIVE_INFINITY) <= before;
    },
  };
}

/** Takes the reports of all threads. `onSecond` is told every second that all threads have told. */
export function gatherResults(seats: Seats, threads: number, onSecond: (second: LoadSecond) => void) {
  const [connect, caughtUp] = [makeHistogram(), makeHistogram()];
  let [latency, spread, ack] = [makeHistogram(), makeHistogram(), makeHistogram()];
  const viewers = {
    sampled: seats.countByRoom((seat) => seat.sampled),
    steady: seats.countByRoom((seat) => seat.steady),
  };
  const batches = joinBatches(
    viewers,
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
    seconds[number] ??= { frames: 0, comments: 0, bytes: 0, threads: 0 };
    const sum = seconds[number];
    for (const [key, more] of Object.entries({ frames, comments, bytes, threads: 1 }))
      sum[key as keyof typeof sum] += more;
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
      for (const [frames, comments, bytes] of rowsOf(report.seconds, 3)) addSecond(thread, frames, comments, bytes);
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

    /** A comment of a batch was due, from others than our senders. */
    addPosted: batches.addSent,

    /**
     * The figures, once every thread has made its last report. Times in benchNow() ms.
     * @param settledAt what came by then must have come to all viewers at the end
     */
    makeFigures(beganAt: number, endedAt: number, settledAt: number, totals: readonly ThreadTotals[]) {
      const lasted = (endedAt - beganAt) / 1_000;
      const sum = (read: (thread: ThreadTotals) => number): number => totals.reduce((all, each) => all + read(each), 0);
      const counts = Object.fromEntries(
        Object.keys(NOTHING).map((key) => [key, sum((thread) => thread[key as keyof Counts])]),
      );
      const starved = [...unheard].filter(([room]) => batches.hasSpread(room, settledAt));
      const whole: LoadSecond[] = seconds.filter((second) => second.threads === threads);
      return {
        ...(counts as unknown as Counts),
        /** From when a comment was due until a sampled viewer read the frame that holds it; and until its ack. */
        ...{ latency, ack },
        /** From the first to the last viewer of a batch (or opaque frame), for each that every steady viewer had. */
        spread,
        /** Frames that a steady viewer never had, a second after the first had them: they are in no spread. */
        incomplete: batches.countIncomplete(settledAt),
        /** Steady viewers that had no frame at all, while others of their room had one a second before the end. */
        starved: starved.reduce((all, [, count]) => all + count, 0),
        /**
         * From when a connection was due to its welcome or upgrade, and on volley to the end of its backfill; with churn
         * only those that were due since `begin`.
         */
        ...{ connect, caughtUp },
        seconds: lasted,
        perSecond: whole.map(({ frames, comments, bytes }) => ({ frames, comments, bytes })),
        faults: [...new Set(totals.flatMap(({ faults }) => faults))].slice(0, 10),
        closed: addMaps(totals.map(({ closed }) => closed)),
        refused: addMaps(totals.map(({ refused }) => refused)),
        /** ms from the last frame (or last connection that came up) until the end. */
        silentFor: Math.max(0, endedAt - Math.max(...totals.map(({ heardAt }) => heardAt))),
        /** Cores: of all threads, and of the busiest. */
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
