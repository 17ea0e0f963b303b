/**
 * When on this machine's clock a comment is due, told from when the server took it. No `node:` import.
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
