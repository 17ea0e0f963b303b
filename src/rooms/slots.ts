import { type Clock, SLOT_MS } from '../clock.ts';

/** When the slot of `now` began. */
export function slotStart(now: number): number {
  return Math.floor(now / SLOT_MS) * SLOT_MS;
}

/**
 * Calls `run` once a slot with everything that fell due in it. While nothing is scheduled there is no timer, so an
 * idle server sleeps; with something scheduled it wakes for the next slot that holds any of it.
 */
export class Slots<T> {
  readonly #clock: Clock;
  readonly #run: (due: readonly T[]) => void;
  readonly #buckets = new Map<number, T[]>();
  /** The slot that the timer is set for, the earliest of all buckets. */
  #armed = Number.POSITIVE_INFINITY;
  #disarm: () => void = () => undefined;

  constructor(clock: Clock, run: (due: readonly T[]) => void) {
    this.#clock = clock;
    this.#run = run;
  }

  /** Schedules `item` for the first slot that begins at `at` ms or later, and never for the slot that runs now. */
  add(item: T, at: number): void {
    const now = this.#clock.now();
    const slot = Math.max(Math.ceil(at / SLOT_MS), Math.floor(now / SLOT_MS) + 1);
    const bucket = this.#buckets.get(slot);
    if (bucket === undefined) this.#buckets.set(slot, [item]);
    else bucket.push(item);
    if (slot < this.#armed) this.#arm(slot, now);
  }

  stop(): void {
    this.#disarm();
    this.#buckets.clear();
  }

  #arm(slot: number, now: number): void {
    this.#disarm();
    this.#armed = slot;
    this.#disarm = this.#clock.after(Math.max(0, Math.ceil(slot * SLOT_MS - now)), () => this.#tick());
  }

  #tick(): void {
    const now = this.#clock.now();
    const slot = Math.floor(now / SLOT_MS);
    let due: T[] = [];
    let next = Number.POSITIVE_INFINITY;
    for (const [key, bucket] of this.#buckets) {
      if (key > slot) {
        next = Math.min(next, key);
        continue;
      }
      this.#buckets.delete(key);
      due = due.length === 0 ? bucket : due.concat(bucket);
    }
    this.#armed = Number.POSITIVE_INFINITY;
    if (next < Number.POSITIVE_INFINITY) this.#arm(next, now);
    if (due.length > 0) this.#run(due);
  }
}
