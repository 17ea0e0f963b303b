import type { Clock } from '../clock.ts';
import { blankComments, type EncodedBatch } from '../frames/batch.ts';
import { type BatchOutline, firstAbove, takeOutlines, takeRange } from '../frames/batch-lists.ts';
import { type RoomLog, RoomLogs } from './room-logs.ts';
import type { Head, Reading, Store, StoredBatch, StoreEvents, StoreStats } from './store.ts';
import { LARGEST_VALUE, readingOf } from './store.ts';

export interface MemoryStoreOptions {
  /** Most comments kept a room. */
  readonly comments: number;
  /** Most bytes kept in all rooms together; the oldest batches of any room go first. */
  readonly bytes: number;
  /** Milliseconds that a batch is kept. */
  readonly age: number;
  readonly clock: Clock;
}

interface Waiting {
  readonly room: string;
  readonly batch: EncodedBatch;
  readonly resolve: (seq: number) => void;
}

/**
 * The log in this process's memory: bounded by count a room, by age and by bytes in all, gone with the process.
 *
 * A batch is in the tail before its append is answered. Seq has no holes, except that a room which was empty and
 * forgotten for 100,000 others goes on above every seq of theirs and its own.
 */
export class MemoryStore implements Store {
  readonly name = 'memory';
  readonly maxBatchBytes = LARGEST_VALUE;
  readonly #clock: Clock;
  readonly #logs: RoomLogs;
  /** At least the last seq of every room that is forgotten. */
  #floor = 0;
  #waiting: Waiting[] = [];
  #events: StoreEvents | null = null;

  constructor(options: MemoryStoreOptions) {
    this.#clock = options.clock;
    const onForget = ({ seq }: RoomLog): void => {
      this.#floor = Math.max(this.#floor, seq);
    };
    this.#logs = new RoomLogs({ ...options, onForget });
  }

  async start(events: StoreEvents): Promise<void> {
    this.#events = events;
  }

  async follow(room: string): Promise<Head> {
    this.#logs.follow(this.#open(room), true);
    return this.head(room);
  }

  unfollow(room: string): void {
    const log = this.#logs.get(room);
    if (log !== undefined) this.#logs.follow(log, false);
  }

  async head(room: string): Promise<Head> {
    this.#logs.expire();
    const { seq, from } = this.#logs.get(room) ?? { seq: this.#floor, from: this.#floor };
    return { seq, lost: from, ceiling: seq };
  }

  append(room: string, batch: EncodedBatch): Promise<number> {
    if (this.#waiting.length === 0) queueMicrotask(() => this.#commit());
    return new Promise((resolve) => {
      this.#waiting.push({ room, batch, resolve });
    });
  }

  async read(room: string, after: number, upTo: number, maxBytes: number): Promise<Reading> {
    this.#logs.expire();
    const { batches, from } = this.#logs.get(room) ?? { batches: [], from: this.#floor };
    return readingOf(takeRange(batches, after, upTo, maxBytes), after, from);
  }

  async outline(room: string, upTo: number, comments: number, notBelow: number, most: number): Promise<BatchOutline[]> {
    this.#logs.expire();
    const found: BatchOutline[] = [];
    takeOutlines(found, this.#logs.get(room)?.batches ?? [], upTo, comments, notBelow, most);
    return found;
  }

  async recall(room: string, seq: number, indexes: readonly number[]): Promise<number> {
    this.#logs.expire();
    const log = this.#logs.get(room);
    const batch = log?.batches[firstAbove(log.batches, seq - 1)];
    const blanked = batch?.seq === seq ? blankComments(batch, new Set(indexes)) : null;
    if (log === undefined || blanked === null) return 0;
    this.#logs.replace(log, seq, blanked.batch);
    const at = this.#clock.unix();
    this.#events?.recalled(blanked.indexes.map((index) => ({ room, id: `${seq}.${index}`, at })));
    return blanked.indexes.length;
  }

  stats(): StoreStats {
    return { bytes: this.#logs.bytes, pruned: this.#logs.dropped };
  }

  async close(): Promise<void> {
    this.#commit();
  }

  /** Numbers everything appended in this turn: one call of the tail. */
  #commit(): void {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    const tail: StoredBatch[] = [];
    const seqs = waiting.map(({ room, batch }) => {
      const log = this.#open(room);
      const stored = this.#logs.number(log, batch);
      this.#logs.add(log, stored);
      if (log.isFollowed) tail.push(stored);
      return stored.seq;
    });
    this.#events?.tail(tail);
    for (const [i, { resolve }] of waiting.entries()) resolve(seqs[i] as number);
    this.#logs.expire();
  }

  #open(room: string): RoomLog {
    return this.#logs.get(room) ?? this.#logs.open(room, this.#floor, this.#floor);
  }
}
