/** Over so many ms a client must have kept the least pace: a phone in a tunnel stands still, and goes on. */
const PACE_MS = 60_000;

export interface PaceLimits {
  /** A client that takes nothing for so long is too slow, in ms. */
  readonly stallMs: number;
  /** Bytes a second that a client must take, on the average of {@link PACE_MS}. */
  readonly leastPace: number;
}

/**
 * Tells whether a client takes its answer too slowly, from looks at the bytes that its socket has taken. Those come in
 * strides of up to a third of what the system keeps for a connection, so that one look says little.
 */
export class ReadingPace {
  readonly #limits: PaceLimits;
  /** Bytes taken when that last changed, and when that was. */
  #taken: number;
  #since: number;
  /** The same at the beginning of the time that is being measured. */
  #from: { taken: number; at: number };

  constructor(limits: PaceLimits, taken: number, now: number) {
    this.#limits = limits;
    this.#taken = taken;
    this.#since = now;
    this.#from = { taken, at: now };
  }

  /**
   * Looks, in ms on a clock that only rises: what is wrong with the client's pace, null for nothing. Where nothing
   * `isWaiting` to be taken, the client is not to blame: the store is slow, or others have their turns.
   */
  look(taken: number, isWaiting: boolean, now: number): 'stalled' | 'slow' | null {
    const { stallMs, leastPace } = this.#limits;
    if (taken !== this.#taken || !isWaiting) {
      this.#taken = taken;
      this.#since = now;
    }
    if (now - this.#since >= stallMs) return 'stalled';
    const { taken: before, at } = this.#from;
    const isOver = now - at >= PACE_MS;
    if (isOver && isWaiting && taken - before < (leastPace * (now - at)) / 1_000) return 'slow';
    if (isOver || !isWaiting) this.#from = { taken, at: now };
    return null;
  }
}
