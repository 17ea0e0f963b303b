import { type Clock, systemClock } from './clock.ts';

/** What took so many ms in its turn has found on disk what it read. */
const LONG_MS = 5;

/** Longest pause, in ms. */
const LONGEST_PAUSE_MS = 100;

/**
 * Hands out turns of the event loop, at most `most` a turn to all who wait together: however many read, what waits for
 * the loop (a push) waits for few of them. Where what was done with a turn took long, there is a pause of that length,
 * and one turn after it: a push needs the loop several times on its way to the store and back, and would wait for pages
 * of the disk each time. What others do with the loop meanwhile does not count: on a busy server all would wait for ever.
 */
export class TurnQueue {
  readonly #waiting: (() => void)[] = [];
  readonly #holding: (() => void)[] = [];
  readonly #most: number;
  readonly #clock: Clock;
  /** The next turn is on its way. */
  #isSet = false;

  constructor(most = 1, clock: Clock = systemClock) {
    this.#most = most;
    this.#clock = clock;
  }

  /** How many wait. */
  get length(): number {
    return this.#holding.length + this.#waiting.length;
  }

  /**
   * Resolves in a later turn of the loop, after everybody who asked before. Who holds what has been read goes before
   * those who hold nothing: so little is held at a time, however many walk. To read on, they wait with the others.
   */
  next(isHolding = false): Promise<void> {
    return new Promise((resolve) => {
      (isHolding ? this.#holding : this.#waiting).push(resolve);
      if (!this.#isSet) this.#set(this.#most);
    });
  }

  /** What is set from inside an immediate runs after the loop has looked at its sockets and timers again. */
  #set(count: number): void {
    this.#isSet = true;
    let began = 0;
    setImmediate(() => {
      began = this.#clock.now();
      this.#give(count);
    });
    // Node runs nothing between two immediates but what the first has resolved, as far as that goes without waiting.
    setImmediate(() => this.#look(this.#clock.now() - began));
  }

  #give(count: number): void {
    for (let i = 0; i < count; i += 1) (this.#holding.shift() ?? this.#waiting.shift())?.();
  }

  /** Who asks in a pause waits for its end, though nobody did when it began. */
  #look(took: number): void {
    if (took >= LONG_MS) this.#clock.after(Math.min(took, LONGEST_PAUSE_MS), () => this.#goOn(1));
    else this.#goOn(this.#most);
  }

  #goOn(count: number): void {
    if (this.length === 0) this.#isSet = false;
    else this.#set(count);
  }
}
