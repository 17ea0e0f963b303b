import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../clock.ts';

/** ms after which the loop is due a turn. */
const TURN_MS = 10;

/** For long work on the main thread, one piece after the other: lets the loop do what else there is in between. */
export class LoopShare {
  readonly #clock: Clock;
  /** When the last turn was given. */
  #since: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#since = clock.now();
  }

  /** To be awaited after each piece: gives the loop a turn where the last was 10 ms ago. */
  async give(): Promise<void> {
    if (this.#clock.now() - this.#since < TURN_MS) return;
    await nextTurn();
    this.#since = this.#clock.now();
  }
}
