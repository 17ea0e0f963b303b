/** Readings in one turn of the loop: a step of a backfill is read and encoded in up to a millisecond. */
const MOST_A_TURN = 4;

/** Hands out turns of the event loop to readings, a few each, so that many who join at once hold no push up. */
export class ReadingTurns {
  readonly #waiting: (() => void)[] = [];
  #left = MOST_A_TURN;
  #scheduled = false;

  /** Resolves when a reading may begin, in the order in which they were asked for. */
  next(): Promise<void> {
    if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => this.#renew());
    }
    if (this.#left > 0) {
      this.#left -= 1;
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #renew(): void {
    const begin = this.#waiting.splice(0, MOST_A_TURN);
    this.#left = MOST_A_TURN - begin.length;
    this.#scheduled = begin.length > 0;
    if (this.#scheduled) setImmediate(() => this.#renew());
    for (const resolve of begin) resolve();
  }
}
