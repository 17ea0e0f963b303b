import { type Clock, systemClock } from '../clock.ts';
import { pauseAfter } from '../turn-pause.ts';

/** Readings in one turn of the loop: a step of a backfill is read and encoded in up to a millisecond. */
const MOST_A_TURN = 4;

/**
 * Hands out turns of the event loop to readings, a few each, so that many who join at once hold no push up. After a
 * turn that took long, as where the store reads from disk, there is a pause, and one reading in the turn after it.
 */
export class ReadingTurns {
  readonly #clock: Clock;
  readonly #waiting: (() => void)[] = [];
  #most = MOST_A_TURN;
  #left = MOST_A_TURN;
  /** The next turn is on its way. */
  #isSet = false;
  #began = 0;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /** Resolves when a reading may begin, in the order in which they were asked for. */
  next(): Promise<void> {
    if (!this.#isSet) this.#set();
    if (this.#left > 0) {
      this.#left -= 1;
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #set(): void {
    this.#isSet = true;
    this.#began = this.#clock.now();
    setImmediate(() => this.#look());
  }

  /** In the turn after. */
  #look(): void {
    const pause = pauseAfter(this.#clock.now() - this.#began);
    this.#most = pause === 0 ? MOST_A_TURN : 1;
    if (pause === 0) {
      this.#give();
      return;
    }
    // Who asks in the meantime waits too.
    this.#left = 0;
    this.#clock.after(pause, () => this.#give());
  }

  #give(): void {
    const begin = this.#waiting.splice(0, this.#most);
    this.#left = this.#most - begin.length;
    this.#isSet = false;
    if (begin.length > 0) this.#set();
    for (const resolve of begin) resolve();
  }
}
