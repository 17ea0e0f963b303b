/** An even pace, `rate` times a second, that is kept whatever happens: what could not be done in time is still due. */
export class Pace {
  readonly #startedAt: number;
  readonly #period: number;
  readonly #phase: number;
  #taken = 0;

  /**
   * @param startedAt ms, of the clock that `due` is told
   * @param phase from 0 to below 1, the part of a period by which it lags behind, to go between the times of others
   */
  constructor(rate: number, startedAt: number, phase = 0) {
    this.#period = 1_000 / rate;
    this.#startedAt = startedAt;
    this.#phase = phase;
  }

  /** The times, in ms, that have come up to `now` and were not told before, at most `most` of them. */
  due(now: number, most = Number.POSITIVE_INFINITY): number[] {
    const times: number[] = [];
    while (times.length < most) {
      const at = this.#startedAt + (this.#taken + this.#phase) * this.#period;
      if (!(at <= now)) break;
      times.push(at);
      this.#taken += 1;
    }
    return times;
  }
}
