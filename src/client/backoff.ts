/** Milliseconds of the first and of the longest pause between two attempts. */
export interface BackoffBounds {
  readonly first: number;
  readonly most: number;
}

/** Close codes, as docs/protocol.md lists them. */
const FLOOD = 1008;
const RESTART = 1012;
const SLOW = 4008;

/**
 * A link that has lived for so many ms after its welcome is sound. Neither a welcome nor a batch proves that: where it is
 * the first push after them that ends every link, the server would be asked twice a second for ever.
 */
export const PROVEN_MS = 5_000;

/** Where many viewers are told the same at once, a 1012 or `skipped`, they come back within this many ms. */
const SPREAD_MS = 1_000;

/**
 * How long to wait before the next attempt: exponential backoff with full jitter, so that the viewers of a server that
 * went away do not come back in the same instant.
 * https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export class Backoff {
  readonly #bounds: BackoffBounds;
  readonly #random: () => number;
  #attempts = 0;

  /** @param random gives numbers from 0 to 1, 1 not included */
  constructor(bounds: BackoffBounds, random: () => number) {
    this.#bounds = bounds;
    this.#random = random;
  }

  /** A link has proved sound: the next pause is short again. */
  reset(): void {
    this.#attempts = 0;
  }

  /** Milliseconds to wait where many viewers have the same reason at the same time, and the server is well. */
  spread(): number {
    return this.#random() * SPREAD_MS;
  }

  /** Milliseconds to wait after a link that ended with close code `code`; counts as an attempt. */
  pauseAfter(code: number): number {
    const { first, most } = this.#bounds;
    const ceiling = Math.min(most, first * 2 ** this.#attempts);
    this.#attempts += 1;
    if (code === RESTART) return this.spread();
    if (isObjection(code)) return most;
    return this.#random() * ceiling;
  }
}

/**
 * Whether close code `code` says that the server, or a proxy before it, objects to this client in particular: coming back
 * soon would not help, whatever happens here.
 */
export function isObjection(code: number): boolean {
  return code === FLOOD || (code >= 4_000 && code < 5_000 && code !== SLOW);
}
