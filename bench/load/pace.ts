/**
 * A pace, `rate` times a second, that is kept whatever happens: what could not be done in time is still due. It is even,
 * or each time is drawn anywhere in its own gap: an even one would meet a server's interval at the same places over and
 * over.
 */
export class Pace {
  readonly #startedAt: number;
  readonly #period: number;
  readonly #phase: number;
  readonly #random: (() => number) | undefined;
  #taken = 0;
  #next: number;

  /**
   * @param startedAt ms, of the clock that `due` is told
   * @param phase from 0 to below 1, the part of a period by which it lags behind, to go between the times of others
   * @param random draws where in its gap each time is, from 0 to below 1; without one, at the beginning
   */
  constructor(rate: number, startedAt: number, phase = 0, random?: () => number) {
    this.#period = 1_000 / rate;
    this.#startedAt = startedAt;
    this.#phase = phase;
    this.#random = random;
    this.#next = this.#draw();
  }

  /** The times, in ms, that have come up to `now` and were not told before, at most `most` of them. */
  due(now: number, most = Number.POSITIVE_INFINITY): number[] {
    const times: number[] = [];
    while (times.length < most) {
      if (!(this.#next <= now)) break;
      times.push(this.#next);
      this.#taken += 1;
      this.#next = this.#draw();
    }
    return times;
  }

  #draw(): number {
    return this.#startedAt + (this.#taken + this.#phase + (this.#random?.() ?? 0)) * this.#period;
  }
}
