import { type Clock, systemClock } from '../clock.ts';
import { pauseAfter } from '../turn-pause.ts';

/**
 * Hands out turns of the event loop, one a turn to all who wait together: however many exports run at once, what waits
 * for the loop (a push) waits for one piece of one of them. After a long turn there is none for as long.
 */
export class TurnQueue {
  readonly #waiting: (() => void)[] = [];
  readonly #holding: (() => void)[] = [];
  readonly #clock: Clock;
  /** The next turn is on its way. */
  #isSet = false;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /**
   * Resolves in a later turn of the loop, after everybody who asked before. Who holds what has been read goes before
   * those who hold nothing: so little is held at a time, however many walk. To read on, they wait with the others.
   */
  next(isHolding = false): Promise<void> {
    return new Promise((resolve) => {
      (isHolding ? this.#holding : this.#waiting).push(resolve);
      this.#set();
    });
  }

  #set(): void {
    if (this.#isSet) return;
    this.#isSet = true;
    setImmediate(() => this.#give());
  }

  #give(): void {
    const began = this.#clock.now();
    (this.#holding.shift() ?? this.#waiting.shift())?.();
    // What is set from inside an immediate runs after the loop has looked at its sockets and timers again.
    setImmediate(() => {
      const pause = pauseAfter(this.#clock.now() - began);
      if (this.#holding.length + this.#waiting.length === 0) this.#isSet = false;
      else if (pause === 0) this.#give();
      else this.#clock.after(pause, () => this.#give());
    });
  }
}
