import type { Copies } from './known-frames.ts';

/** No frame for so many ms, and what was being delivered may be over. */
const QUIET_MS = 10;

/** Pushes that may be under way at once. */
const MOST_UNDER_WAY = 256;

/** How far one viewer is. */
export interface PushCursor {
  /** The push that it had last. */
  push: number;
  /** When `push` was last made one with the others'. */
  round: number;
}

/**
 * Tells the pushes of a server apart whose frames say nothing of themselves. Every viewer gets every push, in order, so
 * a viewer's n-th frame is the n-th push, once it is known from where each of them counts. That is so from the first
 * frame if all were there before it. If they came while the server was pushing, it is found out: whenever it is quiet,
 * all begin to count anew, until all have counted the same from one such moment to the next.
 */
export class Pushes {
  #viewers: number;
  #newest = 0;
  #round = 0;
  /** The newest push when the round began. */
  #base = 0;
  #joined = 0;
  /** Frames in this round. */
  #frames = 0;
  #lastAt = Number.NEGATIVE_INFINITY;
  #isAligned = false;
  readonly #copies = new Map<number, Copies>();

  /** @param viewers that get every push */
  constructor(viewers: number) {
    this.#viewers = viewers;
  }

  /** A viewer is there. */
  join(): PushCursor {
    this.#joined += 1;
    return { push: this.#newest, round: this.#round };
  }

  /** A viewer is gone. */
  lose(): void {
    this.#viewers -= 1;
  }

  /** The push that a viewer's frame belongs to; undefined while that cannot be told. Called for every frame. */
  take(cursor: PushCursor, now: number): Copies | undefined {
    if (!this.#isAligned) this.#align(now);
    if (cursor.round !== this.#round) {
      cursor.round = this.#round;
      cursor.push = this.#base;
    }
    cursor.push += 1;
    this.#frames += 1;
    this.#lastAt = now;
    if (cursor.push > this.#newest) this.#newest = cursor.push;
    return this.#isAligned ? this.#find(cursor.push) : undefined;
  }

  #align(now: number): void {
    if (this.#newest === 0 && this.#joined === this.#viewers) {
      this.#isAligned = true;
      return;
    }
    if (now - this.#lastAt < QUIET_MS) return;
    // No viewer can be ahead of the newest, so so many frames are all of them only if each viewer had each.
    this.#isAligned = this.#frames > 0 && this.#frames === (this.#newest - this.#base) * this.#viewers;
    if (this.#isAligned) return;
    this.#round += 1;
    this.#base = this.#newest;
    this.#frames = 0;
  }

  #find(push: number): Copies {
    let copies = this.#copies.get(push);
    if (copies === undefined) {
      copies = { batches: [push], count: 0, firstAt: 0, lastAt: 0 };
      this.#copies.set(push, copies);
      this.#copies.delete(push - MOST_UNDER_WAY);
    }
    return copies;
  }
}
