/** Times of a recording: ms after its origin, which is given or is the time of its first comment. Never below 0. */
export class Timeline {
  #origin: number | null;

  /** @param origin Unix ms, null for the first comment's */
  constructor(origin: number | null) {
    this.#origin = origin;
  }

  /** @param at Unix ms */
  offsetOf(at: number): number {
    this.#origin ??= at;
    return Math.max(0, at - this.#origin);
  }
}
