import type { Clock } from '../clock.ts';

/** A clock that stands still until a test moves it. */
export class FakeClock implements Clock {
  #now: number;
  #timers: { at: number; run: () => void }[] = [];
  /** By how many ms the host's wall clock is ahead. */
  wallOffset = 0;

  constructor(now = 1_764_000_000_000) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  unix(): number {
    return this.#now + this.wallOffset;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Timers that are set. */
  get timers(): number {
    return this.#timers.length;
  }

  /** Time passes while the loop stands still: what falls due runs late, at the next {@link advance}. */
  jump(ms: number): void {
    this.#now += ms;
  }

  /** The machine sleeps: the wall clock goes on, the monotonic clock and the timers stand still. */
  sleep(ms: number): void {
    this.wallOffset += ms;
  }

  /** Runs every timer that falls due within `ms`, in order, and lets promises settle after each. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await settle();
      const next = this.#timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
    }
    this.#now = end;
    await settle();
  }
}

/** Turns of the loop that the longest chain of readings takes, and some more. */
const TURNS = 8;

/** Lets everything run that waits for promises and turns of the loop only. */
export async function settle(): Promise<void> {
  for (let i = 0; i < TURNS; i += 1) await new Promise((resolve) => setImmediate(resolve));
}
