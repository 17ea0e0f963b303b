import type { Clock } from '../clock.ts';
import type { BatchOutline, Store } from '../store/store.ts';
import type { TurnQueue } from '../turn-queue.ts';

/** Batches looked at with one turn of the queue: 3 ms with LMDB. */
const STRETCH = 1_000;

/** A room that nobody asked for is forgotten after this time, in ms. */
const IDLE_MS = 10_000;

/** Batches remembered in all rooms together, 40 bytes each; beyond, the room that was asked for least lately goes. */
const MOST_REMEMBERED = 1_000_000;

/** The newest batches of a room, oldest first. */
interface Depth {
  readonly batches: BatchOutline[];
  /** Comments in all batches up to this one, from the first that is remembered. */
  readonly sums: number[];
  usedAt: number;
  /** Settles when nothing is being read. */
  busy: Promise<unknown>;
}

/**
 * How far back so many comments of a room reach. The store would have to be walked for it, batch by batch, for everybody
 * who joins; here it is walked once a room, in stretches, then only for what is new, and whoever asks finds by halving.
 *
 * A comment that is recalled counts until its room is forgotten here.
 */
export class RoomDepths {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #most: number;
  readonly #turns: TurnQueue;
  /** The least lately used first. */
  readonly #rooms = new Map<string, Depth>();

  /**
   * @param most comments that anybody asks for
   * @param turns what every look into the store waits for
   */
  constructor(store: Store, clock: Clock, most: number, turns: TurnQueue) {
    this.#store = store;
    this.#clock = clock;
    this.#most = most;
    this.#turns = turns;
  }

  /** What {@link Store.seqBefore} would answer; `comments` is at most `most`. */
  async seqBefore(room: string, upTo: number, comments: number): Promise<number> {
    const depth = this.#open(room);
    const reading = depth.busy.then(() => this.#extend(room, depth, upTo));
    // Whoever waits hears of a fault; the next one tries again.
    depth.busy = reading.catch(() => undefined);
    await reading;
    this.#forget();
    return find(depth, upTo, comments);
  }

  #open(room: string): Depth {
    const depth = this.#rooms.get(room) ?? { batches: [], sums: [], usedAt: 0, busy: Promise.resolve() };
    depth.usedAt = this.#clock.now();
    this.#rooms.delete(room);
    this.#rooms.set(room, depth);
    return depth;
  }

  /** Reads what is newer than what is remembered, up to `upTo`. */
  async #extend(room: string, depth: Depth, upTo: number): Promise<void> {
    const newest = depth.batches.at(-1)?.seq ?? 0;
    if (newest >= upTo) return;
    const found: BatchOutline[] = [];
    let comments = 0;
    for (let from = upTo; comments < this.#most; ) {
      await this.#turns.next();
      const stretch = await this.#store.outline(room, from, this.#most - comments, newest, STRETCH);
      for (const batch of stretch) comments += batch.count;
      found.push(...stretch);
      if (stretch.length < STRETCH) break;
      from = (stretch.at(-1)?.seq ?? 1) - 1;
    }
    // Where more is new than anybody asks for, what was remembered is too old.
    if (comments >= this.#most) depth.batches.length = depth.sums.length = 0;
    for (const batch of found.reverse()) {
      depth.sums.push((depth.sums.at(-1) ?? 0) + batch.count);
      depth.batches.push(batch);
    }
    this.#trim(depth);
  }

  /** Keeps at most about twice what may be asked for. */
  #trim(depth: Depth): void {
    const { batches, sums } = depth;
    const excess = (sums.at(-1) ?? 0) - 2 * this.#most;
    if (excess <= 0) return;
    const keep = sums.findIndex((sum) => sum > excess + this.#most);
    const base = sums[keep - 1] ?? 0;
    batches.splice(0, keep);
    sums.splice(0, keep);
    for (const [i, sum] of sums.entries()) sums[i] = sum - base;
  }

  #forget(): void {
    const now = this.#clock.now();
    let remembered = 0;
    for (const { batches } of this.#rooms.values()) remembered += batches.length;
    for (const [room, { batches, usedAt }] of this.#rooms) {
      if (now - usedAt < IDLE_MS && remembered <= MOST_REMEMBERED) break;
      remembered -= batches.length;
      this.#rooms.delete(room);
    }
  }
}

function find({ batches, sums }: Depth, upTo: number, comments: number): number {
  const last = lastWithin(batches.length, (i) => (batches[i] as BatchOutline).seq <= upTo);
  const all = sums[last] ?? 0;
  if (all < comments || last === -1) return 0;
  const before = lastWithin(last + 1, (i) => all - (sums[i] as number) >= comments);
  return before === -1 ? (batches[0]?.prev ?? 0) : (batches[before]?.seq ?? 0);
}

/** The last place below `end` that `holds`, by halving; -1 where none does. It holds up to some place and then no more. */
function lastWithin(end: number, holds: (place: number) => boolean): number {
  let low = 0;
  let high = end;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
