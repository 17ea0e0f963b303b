/**
 * Playout: comments come in one batch a second and are shown one by one, in the spacing in which they were said.
 * docs/client.md states how even that is. No `node:` import.
 */
import { type Clock, systemClock } from '../clock.ts';
import { throwLater } from './client-error.ts';

/**
 * When on this machine's clock a comment is due, told from when the server took it.
 *
 * A comment is due at its time plus a shift that stays the same from batch to batch, so that what is shown keeps the
 * spacing in which it was said, whenever the batches come. The shift is as long as the longest wait that is normal:
 * the least delay seen lately, the interval in which a room collects, and some slack for batches that come late.
 */

/** Batches in each of the two spans over which the least delay is kept: it is that of the last 20 to 40. */
const SPAN = 20;
/** The shift shrinks by at most this part of the time that passes, so that spacing never shrinks by more. */
const SLEW = 0.05;
/** A room that pushed nothing for this many intervals is quiet. */
const QUIET = 3;

/** The time a batch came, and of its first and last comment. */
interface BatchTimes {
  /** On this machine's clock, ms. */
  readonly arrived: number;
  /** On the server's clock, Unix ms. */
  readonly first: number;
  readonly last: number;
}

export class PlayoutTime {
  readonly #interval: number;
  readonly #slack: number;
  #shift = 0;
  /** True while comments go out as they are said, one by one, and wait for nothing. */
  #brisk = false;
  #least = Number.POSITIVE_INFINITY;
  #leastBefore = Number.POSITIVE_INFINITY;
  #batches = 0;
  #arrived = Number.NEGATIVE_INFINITY;
  #newest = Number.NEGATIVE_INFINITY;

  constructor(interval: number, slack: number) {
    this.#interval = interval;
    this.#slack = slack;
  }

  /** Takes a batch into account. What it gives, added to a comment's time, says when that comment is due. */
  shiftFor({ arrived, first, last }: BatchTimes): number {
    // A clock that was set back by more than nodes differ: what was learned from it is void.
    if (first < this.#newest - this.#interval) this.#forget();
    const elapsed = arrived - this.#arrived;
    this.#learn(arrived - last);
    const want = Math.min(this.#least, this.#leastBefore) + this.#interval + this.#slack;
    const needed = arrived - first;
    if (elapsed > QUIET * this.#interval) this.#begin(needed, want, last - first);
    else this.#follow(needed, want, elapsed);
    this.#arrived = arrived;
    this.#newest = last;
    return this.#shift;
  }

  /** After a quiet time. A single comment, or a few said together, went out at once and is shown at once. */
  #begin(needed: number, want: number, span: number): void {
    this.#brisk = span <= this.#slack && needed < want;
    this.#shift = this.#brisk ? needed : want;
  }

  #follow(needed: number, want: number, elapsed: number): void {
    const late = needed - this.#shift;
    if (late > (this.#brisk ? this.#slack : 0)) {
      if (want <= this.#shift) return;
      this.#shift = want;
      this.#brisk = false;
      return;
    }
    const excess = this.#shift - want;
    // Beyond an interval it is no drift but a clock that was set forward.
    if (excess > this.#interval) this.#shift = want;
    else if (excess > 2 * this.#slack) this.#shift -= Math.min(excess, SLEW * elapsed);
  }

  /** Counted in batches, not in time: batches held up together by a stall must not displace what is normal. */
  #learn(delay: number): void {
    this.#batches += 1;
    if (this.#batches % SPAN === 0) {
      this.#leastBefore = this.#least;
      this.#least = Number.POSITIVE_INFINITY;
    }
    this.#least = Math.min(this.#least, delay);
  }

  #forget(): void {
    this.#least = Number.POSITIVE_INFINITY;
    this.#leastBefore = Number.POSITIVE_INFINITY;
    this.#arrived = Number.NEGATIVE_INFINITY;
  }
}

/** A comment that can be played: `time` is when the server took it, Unix ms. */
export interface Playable {
  readonly id: string;
  readonly time: number;
}

/** Why a comment was left out: more than `perSecond`, or it came or waited too late to be shown. */
export type DropReason = 'dense' | 'late';

export interface PlayoutOptions<C extends Playable = Playable> {
  /** Shows one comment now. What it throws is thrown again on its own, and the next comment is shown all the same. */
  readonly show: (comment: C) => void;
  /** Comments shown a second at most, over 0. Default 40. */
  readonly perSecond?: number;
  /** Milliseconds between two batches of the room, as the welcome tells it. Default 1,000. */
  readonly interval?: number;
  /** How late a batch may come, ms, before it shows. All comments wait this much longer. Default a quarter interval. */
  readonly slack?: number;
  /** Called with how many comments were just left out, and why. */
  readonly onDropped?: (count: number, reason: DropReason) => void;
  /** Monotonic milliseconds and one timer; the system's by default. */
  readonly clock?: Pick<Clock, 'now' | 'after'>;
}

interface Waiting<C> {
  readonly comment: C;
  /** When it is to be shown, ms on this machine's clock; never before that of the one in front of it. */
  readonly due: number;
}

/** What waits longer than this many intervals is left out, and never before so many ms: links stall as they do. */
const PATIENCE = 3;
const LEAST_PATIENCE = 3_000;
/** After a stall time passes this many times as fast on screen as off it. */
const CATCH_UP = 2;
/** A timer that is later than this, ms, was held up: by a busy page or a tab in the background. */
const HELD_UP = 50;
/** Comments that may be shown at once, as a part of those of a second: a late timer must not cost any. */
const BURST = 0.1;

export class Playout<C extends Playable = Playable> {
  readonly #show: (comment: C) => void;
  readonly #onDropped: (count: number, reason: DropReason) => void;
  readonly #clock: Pick<Clock, 'now' | 'after'>;
  readonly #slack: number | undefined;
  #interval: number;
  #time: PlayoutTime;
  /** ms between two comments at the greatest density. */
  #gap: number;
  #burst: number;
  #queue: Waiting<C>[] = [];
  /** How far the screen is behind what is due, ms, as of `#lagAt`. It shrinks as time passes. */
  #lag = 0;
  #lagAt = 0;
  #credit: number;
  #creditAt: number;
  #lastDue = Number.NEGATIVE_INFINITY;
  #now = Number.NEGATIVE_INFINITY;
  #cancel: (() => void) | null = null;
  #wakeAt = Number.POSITIVE_INFINITY;
  #paused = false;
  #stopped = false;
  #dropped = 0;

  constructor(options: PlayoutOptions<C>) {
    const { perSecond = 40, interval = 1_000, slack } = options;
    if (!(perSecond > 0)) throw new RangeError('perSecond must be over 0');
    if (!(interval > 0) || (slack !== undefined && !(slack >= 0)))
      throw new RangeError('interval must be over 0 and slack 0 or more');
    this.#show = options.show;
    this.#onDropped = options.onDropped ?? (() => {});
    this.#clock = options.clock ?? systemClock;
    this.#interval = interval;
    this.#slack = slack;
    this.#time = new PlayoutTime(interval, slack ?? interval / 4);
    this.#gap = 1_000 / perSecond;
    this.#burst = Math.max(1, perSecond * BURST);
    this.#credit = this.#burst;
    this.#creditAt = this.#tick();
  }

  /** Comments left out so far, for whatever reason; recalled ones are not among them. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Comments that wait to be shown. */
  get waiting(): number {
    return this.#queue.length;
  }

  /**
   * Milliseconds between two batches, as a welcome tells it. Another value than before starts the reckoning anew; what
   * waits keeps its time.
   */
  set interval(interval: number) {
    if (!(interval > 0)) throw new RangeError('interval must be over 0');
    if (interval === this.#interval) return;
    this.#interval = interval;
    this.#time = new PlayoutTime(interval, this.#slack ?? interval / 4);
  }

  /** Comments a second that are shown at most. What waits keeps its time. */
  set perSecond(perSecond: number) {
    if (!(perSecond > 0)) throw new RangeError('perSecond must be over 0');
    this.#gap = 1_000 / perSecond;
    this.#burst = Math.max(1, perSecond * BURST);
  }

  /** Takes a batch that has just come. Batches are given in their order. */
  add({ comments }: { readonly comments: readonly C[] }): void {
    const first = comments[0];
    if (this.#stopped || first === undefined) return;
    const now = this.#tick();
    let last = first.time;
    for (const { time } of comments) last = Math.max(last, time);
    const shift = this.#time.shiftFor({ arrived: now, first: first.time, last });
    const oldest = now - this.#patience;
    const begin = comments.find(({ time }) => time + shift >= oldest);
    if (begin !== undefined) {
      // The screen goes back to where the batch begins, then on faster, so that late comments do not come in a heap.
      this.#setLag(now, Math.max(this.#lagOf(now), now - Math.max(begin.time + shift, this.#lastDue)));
    }
    for (const comment of comments) this.#push(comment, comment.time + shift);
    this.#step(now);
  }

  /** Plays comments from before this viewer came, evenly over one interval from now on. */
  replay({ comments }: { readonly comments: readonly C[] }): void {
    if (this.#stopped) return;
    const now = this.#tick();
    // However much history there is, what is new must not wait for it.
    const start = Math.min(Math.max(now, this.#lastDue), now + this.#interval);
    for (const [i, comment] of comments.entries()) this.#push(comment, start + (i * this.#interval) / comments.length);
    this.#step(now);
  }

  /** Takes back what has not been shown yet. */
  recall(ids: readonly string[]): void {
    const gone = new Set(ids);
    this.#queue = this.#queue.filter(({ comment }) => !gone.has(comment.id));
  }

  /** Shows nothing until {@link resume}. What comes meanwhile waits, as long as it would after a stall. */
  pause(): void {
    if (this.#paused) return;
    const now = this.#tick();
    this.#setLag(now, this.#lagOf(now));
    this.#paused = true;
    this.#unset();
  }

  resume(): void {
    if (!this.#paused) return;
    const now = this.#tick();
    this.#standStill(now, this.#lagOf(now));
    this.#paused = false;
    this.#step(now);
  }

  /** Ends for good: nothing is shown any more; what waits is forgotten and not counted. */
  stop(): void {
    this.#stopped = true;
    this.#queue = [];
    this.#unset();
  }

  get #patience(): number {
    return Math.max(PATIENCE * this.#interval, LEAST_PATIENCE);
  }

  #push(comment: C, due: number): void {
    this.#lastDue = Math.max(this.#lastDue, due);
    this.#queue.push({ comment, due: this.#lastDue });
  }

  /**
   * Shows and drops what must be by now, then sets the timer for the next. Comments leave the queue one by one, each
   * before it is shown: `show` may call anything here.
   */
  #step(now: number): void {
    this.#unset();
    const oldest = now - this.#patience;
    let late = 0;
    for (; (this.#queue[0]?.due ?? now) < oldest; late += 1) this.#queue.shift();
    this.#drop(late, 'late');
    const reached = now - this.#lagOf(now);
    let dense = 0;
    this.#earn(now);
    for (let head = this.#queue[0]; head !== undefined && !this.#paused; head = this.#queue[0]) {
      if (head.due > reached) break;
      const waited = reached - head.due;
      if (waited <= this.#interval && this.#credit < 1) break;
      this.#queue.shift();
      if (waited > this.#interval) dense += 1;
      else {
        this.#credit -= 1;
        guard(() => this.#show(head.comment));
      }
    }
    this.#drop(dense, 'dense');
    this.#schedule(now);
  }

  /** One timer at a time, in whole milliseconds: browsers cut off fractions, and would wake this too early. */
  #schedule(now: number): void {
    this.#unset();
    const head = this.#queue[0];
    if (head === undefined || this.#paused) return;
    const lag = this.#lagOf(now);
    const ahead = head.due - (now - lag);
    const until = ahead < CATCH_UP * lag ? ahead / CATCH_UP : head.due - now;
    const wait = Math.max(1, Math.ceil(Math.max(until, (1 - this.#credit) * this.#gap)));
    this.#wakeAt = now + wait;
    this.#cancel = this.#clock.after(wait, () => this.#step(this.#tick()));
  }

  #unset(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#wakeAt = Number.POSITIVE_INFINITY;
  }

  /** The time, which never goes back. Where a timer was held up, the screen has stood still for as long. */
  #tick(): number {
    const now = Math.max(this.#now, this.#clock.now());
    const late = now - this.#wakeAt;
    this.#now = now;
    this.#wakeAt = Number.POSITIVE_INFINITY;
    if (late > HELD_UP) this.#standStill(now, this.#lagOf(now) + late);
    return now;
  }

  /** How far the screen is behind at `now`: what it catches up is the time that passed, times how much faster it is. */
  #lagOf(now: number): number {
    const passed = now - this.#lagAt;
    return this.#paused ? this.#lag + passed : Math.max(0, this.#lag - passed * (CATCH_UP - 1));
  }

  /** The screen stood still and is now `lag` behind, but not behind what waits first: nothing comes before that. */
  #standStill(now: number, lag: number): void {
    const head = this.#queue[0];
    this.#setLag(now, head === undefined ? 0 : Math.min(lag, now - head.due));
  }

  #setLag(now: number, lag: number): void {
    this.#lag = Math.max(0, Math.min(lag, this.#patience));
    this.#lagAt = now;
  }

  #earn(now: number): void {
    this.#credit = Math.min(this.#burst, this.#credit + (now - this.#creditAt) / this.#gap);
    this.#creditAt = now;
  }

  #drop(count: number, reason: DropReason): void {
    if (count === 0) return;
    this.#dropped += count;
    guard(() => this.#onDropped(count, reason));
  }
}

function guard(call: () => void): void {
  try {
    call();
  } catch (error) {
    throwLater(error);
  }
}
