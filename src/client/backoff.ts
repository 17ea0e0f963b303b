import type { Clock } from '../clock.ts';

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

/** After `skipped`, which many viewers are told at once while the server is well, they come back within this many ms. */
const SPREAD_MS = 1_000;

/** Each pause may be so many times as long as the one before. */
const GROWTH = 5;

/** While nobody answers, pauses are at most this part of the longest: 10 of 30 s, so all are back 10 s after the server. */
const AWAY_PART = 3;

/** Links a minute that may follow the one before without the pause of a lost one. */
const MOST_PROMPT = 12;
const MINUTE_MS = 60_000;

/**
 * How long to wait before the next attempt: exponential backoff with full jitter, so that the viewers of a server that
 * went away do not come back in the same instant. The longest pause has jitter in its second half only: then attempts
 * come evenly, and a server that was away for a second or more sees at most a quarter of its viewers in any second.
 * https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export class Backoff {
  readonly #bounds: BackoffBounds;
  readonly #random: () => number;
  readonly #clock: Clock;
  #attempts = 0;
  #refused = false;
  /** When links followed promptly, within the last minute. */
  #prompt: number[] = [];

  /** @param random gives numbers from 0 to 1, 1 not included */
  constructor(bounds: BackoffBounds, random: () => number, clock: Clock) {
    this.#bounds = bounds;
    this.#random = random;
    this.#clock = clock;
  }

  /** A link has proved sound: the next pause is short again. */
  reset(): void {
    this.#attempts = 0;
  }

  /** Whether the server is there and refuses this client. Pauses are then from half of the longest on. */
  set refused(value: boolean) {
    this.#refused = value;
  }

  /** Whether one more link may follow without the pause of a lost one; counts as one if so. */
  takePrompt(): boolean {
    const now = this.#clock.now();
    this.#prompt = this.#prompt.filter((at) => now - at < MINUTE_MS);
    if (this.#prompt.length >= MOST_PROMPT) return false;
    this.#prompt.push(now);
    return true;
  }

  /** Milliseconds to wait where some viewers have the same reason at the same time, and the server is well. */
  spread(): number {
    return this.#random() * SPREAD_MS;
  }

  /** Milliseconds to wait after a link that ended with close code `code`; counts as an attempt. */
  pauseAfter(code: number): number {
    const { first, most } = this.#bounds;
    // All viewers of a server are told 1012 at once, so they begin with the second pause.
    const growths = code === RESTART ? Math.max(1, this.#attempts) : this.#attempts;
    this.#attempts = growths + 1;
    if (isObjection(code)) return most;
    if (this.#refused) return this.#longest(most);
    const longest = Math.max(first, most / AWAY_PART);
    const ceiling = first * GROWTH ** growths;
    return ceiling < longest ? this.#random() * ceiling : this.#longest(longest);
  }

  #longest(ms: number): number {
    return (ms / 2) * (1 + this.#random());
  }
}

/**
 * Whether close code `code` says that the server, or a proxy before it, objects to this client in particular: coming back
 * soon would not help, whatever happens here.
 */
export function isObjection(code: number): boolean {
  return code === FLOOD || (code >= 4_000 && code < 5_000 && code !== SLOW);
}
