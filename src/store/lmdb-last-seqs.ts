import type { Clock } from '../clock.ts';
import type { LmdbTables } from './lmdb-tables.ts';
import { LoopShare } from './loop-share.ts';

/** Rooms whose last seq is remembered. Another's is looked up, which takes some microseconds. */
const ROOMS = 100_000;

/** Batches whose rooms are looked up at the start, the newest of all. */
const NEWEST = 20_000;

/** Longest that this takes, in ms. */
const LONGEST_LOOK_MS = 2_000;

/** Where a room's log ends. */
export interface LastSeq {
  /** The newest seq that the tail has delivered or that was there at the start. */
  seq: number;
  /** The newest seq that was given out, to batches on their way to LMDB too. */
  given: number;
  /** It stands in `rooms`, as its newest batch was dropped. */
  listed: boolean;
}

/** Every room's last seq, the ones used lately in memory. */
export class LastSeqs {
  readonly #tables: LmdbTables;
  readonly #rooms = new Map<string, LastSeq>();
  /** Rooms with batches on their way: of these LMDB may show already what the tail has not delivered. */
  #held: ReadonlyMap<string, LastSeq> = new Map();

  constructor(tables: LmdbTables) {
    this.#tables = tables;
  }

  /**
   * Looks up the rooms that comments came to last. After the machine was started each lies on disk, and its viewers,
   * who all come back at once, would each hold the main thread up for it; before the start no push waits. The API's port
   * is open by then, so the loop gets its turns.
   */
  async lookUpNewest(clock: Clock): Promise<void> {
    const end = clock.now() + LONGEST_LOOK_MS;
    const share = new LoopShare(clock);
    for (const room of this.#tables.newestRooms(NEWEST)) {
      this.of(room);
      if (clock.now() > end) break;
      await share.give();
    }
  }

  of(room: string): LastSeq {
    const known = this.#rooms.get(room) ?? this.#held.get(room);
    if (known !== undefined) return known;
    const { seq, listed } = this.#tables.lastSeq(room);
    const last = { seq, given: seq, listed };
    // A room without a log costs nothing, however many of them are asked for.
    if (seq > 0) this.remember(room, last);
    return last;
  }

  remember(room: string, last: LastSeq): void {
    if (this.#rooms.size >= ROOMS && !this.#rooms.has(room)) {
      for (const longest of this.#rooms.keys()) {
        this.#rooms.delete(longest);
        break;
      }
    }
    this.#rooms.set(room, last);
  }

  /** These stay known until the next call. */
  hold(rooms: ReadonlyMap<string, LastSeq>): void {
    this.#held = rooms;
  }
}
