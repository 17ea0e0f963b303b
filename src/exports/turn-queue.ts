/**
 * Hands out turns of the event loop, one a turn to all who wait together: however many exports run at once, what waits
 * for the loop (a push) waits for one piece of one of them.
 */
export class TurnQueue {
  readonly #waiting: (() => void)[] = [];

  /** Resolves in a later turn of the loop, after everybody who asked before. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (this.#waiting.length === 1) setImmediate(() => this.#handOut());
    });
  }

  #handOut(): void {
    this.#waiting.shift()?.();
    // What is set from inside an immediate runs after the loop has looked at its sockets and timers again.
    if (this.#waiting.length > 0) setImmediate(() => this.#handOut());
  }
}
