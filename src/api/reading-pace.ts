/** Bytes a second that a client must take in the long run: a quarter of what a slow phone reads. */
export const LEAST_PACE = 16_384;

export interface PaceLimits {
  /** Bytes a second that a client must take in the long run. */
  readonly leastPace: number;
  /** Bytes by which it may be behind that at most; no less than any socket's stride. */
  readonly mostBehind: number;
}

/**
 * Tells whether a client takes its answer too slowly, from looks at the bytes that its socket has taken. A socket takes
 * them in strides, a large part of what the system keeps for a connection at once and then nothing until as much is
 * free, so that nothing taken for a while says little. What counts is how far a client is behind the least pace, since
 * whenever it last was not:
 *
 * - one that reads steadily at that pace, or faster, is behind by less than a stride, and never too slow;
 * - one that stands still is too slow after `mostBehind / leastPace` seconds;
 * - one that reads steadily at less, `pace`, is so after `(mostBehind + stride) / (leastPace - pace)` seconds at most;
 * - whatever it does, it takes `bytes` that wait for it in `(bytes + mostBehind) / leastPace` seconds, or is too slow.
 */
export class ReadingPace {
  readonly #limits: PaceLimits;
  #taken: number;
  #lookedAt: number;
  #behind = 0;

  constructor(limits: PaceLimits, taken: number, now: number) {
    this.#limits = limits;
    this.#taken = taken;
    this.#lookedAt = now;
  }

  /**
   * Looks, in ms on a clock that only rises; true where the client is too slow. Where nothing `isWaiting` to be taken,
   * it has all there is and is not to blame: the store is slow, or others have their turns.
   */
  look(taken: number, isWaiting: boolean, now: number): boolean {
    const { leastPace, mostBehind } = this.#limits;
    const due = (leastPace * (now - this.#lookedAt)) / 1_000;
    this.#behind = isWaiting ? Math.max(0, this.#behind + due - (taken - this.#taken)) : 0;
    this.#taken = taken;
    this.#lookedAt = now;
    return this.#behind > mostBehind;
  }
}
