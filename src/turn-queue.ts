/**
 * Hands out turns of the event loop, at most `most` of them a turn to all who wait together: however many there are, what
 * else waits for the loop (a push) waits for few of them.
 */
export class TurnQueue {
  readonly #waiting: (() => void)[] = [];
  readonly #most: number;
  /** The next turn is on its way. */
  #isSet = false;

  constructor(most = 1) {
    this.#most = most;
  }

  /** Resolves in a later turn of the loop, after those who asked before. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#set();
    });
  }

  #set(): void {
    if (this.#isSet) return;
    this.#isSet = true;
    setImmediate(() => {
      this.#isSet = false;
      for (let i = 0; i < this.#most; i += 1) this.#waiting.shift()?.();
      // What is set from inside an immediate runs after the loop has looked at its sockets and timers again.
      if (this.#waiting.length > 0) this.#set();
    });
  }
}
