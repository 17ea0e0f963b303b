import type { Histogram } from 'hdr-histogram-js';
import { makeHistogram, recordMs } from './histograms.ts';
import { LatencyJoin } from './latency-join.ts';
import type { LoadFigures, LoadSecond } from './load-figures.ts';
import type { LoadReport, ThreadTotals } from './load-messages.ts';
import type { Seats } from './seats.ts';
import { SpreadJoin } from './spread-join.ts';

const FORGET_MS = 5_000;
const MOST_FAULTS = 10;

/** What the coordinator knows of a load that is over. */
export interface LoadSpan {
  /** benchNow() ms. */
  readonly beganAt: number;
  readonly endedAt: number;
  /** What came so many ms before the end must have come to all by then. */
  readonly settledAfter: number;
  /** See LoadFigures. */
  readonly connectCpu: number;
}

/** What the reports of all threads come to. */
export class LoadResults {
  readonly #threads: number;
  readonly #onSecond: (second: LoadSecond) => void;
  readonly #latency = makeHistogram();
  readonly #spread = makeHistogram();
  readonly #ack = makeHistogram();
  readonly #connect = makeHistogram();
  readonly #caughtUp = makeHistogram();
  readonly #latencies: LatencyJoin;
  readonly #spreads: SpreadJoin;
  /** Sums over the threads that have told the second, by its number. */
  readonly #seconds: { frames: number; comments: number; bytes: number; threads: number }[] = [];
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
    this.#latencies = new LatencyJoin(
      seats.countByRoom((seat) => seat.sampled),
      (ms) => recordMs(this.#latency, ms),
    );
    this.#spreads = new SpreadJoin(
      seats.countByRoom((seat) => seat.steady),
      (ms) => recordMs(this.#spread, ms),
    );
  }

  /** Measuring begins at `at`, ms. */
  begin(at: number): void {
    this.#spreads.begin(at);
  }

  /** Takes a report that thread `thread` made; `now` in ms. */
  take(thread: number, report: LoadReport, now: number): void {
    for (const [frames, comments, bytes] of rowsOf(report.seconds, 3)) {
      this.#addSecond(thread, frames, comments, bytes);
    }
    recordAll(this.#connect, report.connect);
    recordAll(this.#caughtUp, report.caughtUp);
    recordAll(this.#ack, report.ack);
    for (const room of report.lostSteady) this.#spreads.lose(room);
    for (const room of report.unheard) this.#unheard.set(room, (this.#unheard.get(room) ?? 0) + 1);
    for (const [room, seq, first, last, count] of rowsOf(report.copies, 5)) {
      this.#spreads.add(room, seq, first, last, count, now);
    }
    for (const [room, seq, at] of rowsOf(report.acked, 3)) this.#latencies.addSent(room, seq, at, now);
    for (const [room, seq, at] of rowsOf(report.received, 3)) this.#latencies.addReceived(room, seq, at, now);
    this.#forget(now);
  }

  /** A comment of batch `seq` was to be sent at `at`, by others than our senders. */
  addPosted(room: number, seq: number, at: number, now: number): void {
    this.#latencies.addSent(room, seq, at, now);
  }

  /** The figures, once every thread has made its last report. */
  makeFigures(span: LoadSpan, totals: readonly ThreadTotals[]): LoadFigures {
    const { beganAt, endedAt, settledAfter, connectCpu } = span;
    const seconds = (endedAt - beganAt) / 1_000;
    const sum = (of: (thread: ThreadTotals) => number): number => totals.reduce((all, thread) => all + of(thread), 0);
    return {
      seconds,
      frames: sum(({ frames }) => frames),
      comments: sum(({ comments }) => comments),
      bytes: sum(({ bytes }) => bytes),
      perSecond: this.#seconds
        .filter(({ threads }) => threads === this.#threads)
        .map(({ frames, comments, bytes }) => ({ frames, comments, bytes })),
      lost: sum(({ lost }) => lost),
      skipped: sum(({ skipped }) => skipped),
      outOfOrder: sum(({ outOfOrder }) => outOfOrder),
      faults: [...new Set(totals.flatMap(({ faults }) => faults))].slice(0, MOST_FAULTS),
      closed: addMaps(totals.map(({ closed }) => closed)),
      failedConnects: sum(({ failedConnects }) => failedConnects),
      sent: sum(({ sent }) => sent),
      acked: sum(({ acked }) => acked),
      refused: addMaps(totals.map(({ refused }) => refused)),
      latency: this.#latency,
      spread: this.#spread,
      incomplete: this.#spreads.countIncomplete(endedAt - settledAfter),
      starved: this.#countStarved(endedAt - settledAfter),
      silentFor: Math.max(0, endedAt - Math.max(...totals.map(({ heardAt }) => heardAt))),
      ack: this.#ack,
      connect: this.#connect,
      caughtUp: this.#caughtUp,
      cpu: sum(({ cpu }) => cpu) / seconds,
      connectCpu,
      busiest: Math.max(...totals.map(({ cpu }) => cpu)) / seconds,
      worstDelay: Math.max(...totals.map(({ worstDelay }) => worstDelay)),
    };
  }

  #countStarved(before: number): number {
    let starved = 0;
    for (const [room, viewers] of this.#unheard) if (this.#spreads.hasSpread(room, before)) starved += viewers;
    return starved;
  }

  #addSecond(thread: number, frames: number, comments: number, bytes: number): void {
    const number = this.#nextSecond[thread] ?? 0;
    this.#nextSecond[thread] = number + 1;
    let second = this.#seconds[number];
    if (second === undefined) {
      second = { frames: 0, comments: 0, bytes: 0, threads: 0 };
      this.#seconds[number] = second;
    }
    second.frames += frames;
    second.comments += comments;
    second.bytes += bytes;
    second.threads += 1;
    if (second.threads < this.#threads) return;
    this.#onSecond({ frames: second.frames, comments: second.comments, bytes: second.bytes });
  }

  #forget(now: number): void {
    if (now - this.#forgotAt < FORGET_MS) return;
    this.#forgotAt = now;
    this.#latencies.forget(now);
    this.#spreads.forget(now);
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

function recordAll(histogram: Histogram, durations: Float64Array): void {
  for (const ms of durations) recordMs(histogram, ms);
}

function addMaps<K>(maps: readonly ReadonlyMap<K, number>[]): Map<K, number> {
  const all = new Map<K, number>();
  for (const map of maps) for (const [key, count] of map) all.set(key, (all.get(key) ?? 0) + count);
  return all;
}
