import type { Clock } from '../clock.ts';

/** How often each shard's sign of life is looked at, in ms. */
const LOOK_MS = 250;

/** Time for a thread to start and load its code, in ms. */
const STARTING_MS = 10_000;

export interface StallWatchOptions {
  readonly clock: Clock;
  readonly shards: number;
  /** Milliseconds without a sign of life after which a shard counts as standing still. */
  readonly limit: number;
  /** A shard's sign of life: any number that changes while its loop turns. */
  readonly alive: (shard: number) => number;
  /** Told once of a shard that stands still, with the ms seen. */
  readonly onStall: (shard: number, ms: number) => void;
}

/**
 * Watches for shards that stand still. Time counts only while main itself turns, so that a host that was suspended,
 * or a main thread that was busy, is not taken for a shard's fault.
 */
export class StallWatch {
  readonly #options: StallWatchOptions;
  readonly #seen: { alive: number; still: number; watched: boolean }[];
  #lookedAt: number;
  #timer: (() => void) | undefined;

  constructor(options: StallWatchOptions) {
    this.#options = options;
    this.#lookedAt = options.clock.now();
    this.#seen = Array.from({ length: options.shards }, () => ({ alive: 0, still: 0, watched: false }));
    this.#arm();
  }

  /** A shard is watched from when its thread is asked for until it ends; to begin with it has {@link STARTING_MS} more. */
  watch(shard: number, watched: boolean): void {
    this.#seen[shard] = { alive: this.#options.alive(shard), still: -STARTING_MS, watched };
  }

  stop(): void {
    this.#timer?.();
    this.#timer = undefined;
  }

  #arm(): void {
    this.#timer = this.#options.clock.after(LOOK_MS, () => this.#look());
  }

  #look(): void {
    const { clock, limit, alive, onStall } = this.#options;
    const now = clock.now();
    const elapsed = Math.min(now - this.#lookedAt, 2 * LOOK_MS);
    this.#lookedAt = now;
    this.#arm();
    for (const [shard, seen] of this.#seen.entries()) {
      if (!seen.watched) continue;
      const sign = alive(shard);
      if (sign !== seen.alive) {
        seen.alive = sign;
        seen.still = 0;
        continue;
      }
      seen.still += elapsed;
      if (seen.still < limit) continue;
      seen.watched = false;
      onStall(shard, seen.still);
    }
  }
}
