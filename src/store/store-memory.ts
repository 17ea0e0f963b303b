import { blankComment, type EncodedBatch } from '../frames/batch.ts';
import type { BatchOutline, RecalledComment, Store, StoredBatch, StoreStats, TailListener } from './store.ts';

export interface MemoryStoreOptions {
  /** Most comments kept a room. */
  readonly comments: number;
  /** Most bytes kept in all rooms together; the oldest batches of any room go first. */
  readonly bytes: number;
  /** Milliseconds that a batch is kept. */
  readonly age: number;
  /** Milliseconds on a clock that only rises. */
  readonly now: () => number;
}

/** What a batch costs beside its bytes: objects, a buffer of its own, its place in two lists. 387 bytes measured. */
const OVERHEAD = 400;

/** What a room costs beside its batches: the log, its array, its entry in the map. 267 bytes measured. */
const ROOM_OVERHEAD = 300;

/** Rooms whose batches are all gone are remembered for their last seq, this many of them. */
const EMPTY_ROOMS = 100_000;

/** Appends remembered beyond twice the batches kept, before those that are gone are looked for. */
const SLACK = 1_024;

interface RoomLog {
  lastSeq: number;
  batches: StoredBatch[];
  comments: number;
}

interface Appended {
  readonly log: RoomLog;
  readonly room: string;
  readonly at: number;
  readonly seq: number;
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
 * pushed out by {@link EMPTY_ROOMS} others goes on above every seq of theirs and its own.
 */
export class MemoryStore implements Store {
  readonly name = 'memory';
  readonly #options: MemoryStoreOptions;
  readonly #logs = new Map<string, RoomLog>();
  /** Rooms without a batch, the longest empty first. */
  readonly #empty = new Set<string>();
  /** Appends in their order. Names batches, does not hold them: a room over its count has dropped them before. */
  #order: Appended[] = [];
  #orderStart = 0;
  #bytes = 0;
  /** Batches in all logs. */
  #kept = 0;
  /** At least the last seq of every room that is not in #logs. */
  #floor = 0;
  #pruned = 0;
  #waiting: Waiting[] = [];
  #listener: TailListener | undefined;

  constructor(options: MemoryStoreOptions) {
    this.#options = options;
  }

  async start(listener: TailListener): Promise<readonly RecalledComment[]> {
    this.#listener = listener;
    return [];
  }

  append(room: string, batch: EncodedBatch): Promise<number> {
    if (this.#waiting.length === 0) queueMicrotask(() => this.#commit());
    return new Promise((resolve) => {
      this.#waiting.push({ room, batch, resolve });
    });
  }

  lastSeq(room: string): number {
    return this.#logs.get(room)?.lastSeq ?? this.#floor;
  }

  async read(room: string, after: number, upTo: number, maxBytes: number): Promise<StoredBatch[]> {
    this.#expire();
    const log = this.#logs.get(room);
    const found: StoredBatch[] = [];
    if (log === undefined) return found;
    let bytes = 0;
    for (let i = firstAfter(log, after); i < log.batches.length; i += 1) {
      const batch = log.batches[i] as StoredBatch;
      bytes += batch.bytes.length;
      if (batch.seq > upTo || (found.length > 0 && bytes > maxBytes)) break;
      found.push(batch);
    }
    return found;
  }

  async seqBefore(room: string, upTo: number, comments: number, notBelow = 0): Promise<number> {
    this.#expire();
    const log = this.#logs.get(room);
    if (log === undefined) return notBelow;
    let count = 0;
    for (let i = log.batches.length - 1; i >= 0; i -= 1) {
      const batch = log.batches[i] as StoredBatch;
      if (batch.seq > upTo) continue;
      if (count >= comments) return Math.max(batch.seq, notBelow);
      if (batch.seq <= notBelow) return notBelow;
      count += batch.count;
    }
    return Math.max(notBelow, count >= comments ? (log.batches[0]?.prev ?? 0) : 0);
  }

  async outline(room: string, upTo: number, comments: number, notBelow: number, most: number): Promise<BatchOutline[]> {
    this.#expire();
    const log = this.#logs.get(room);
    const found: BatchOutline[] = [];
    if (log === undefined) return found;
    let left = comments;
    for (let i = firstAfter(log, upTo) - 1; i >= 0 && left > 0 && found.length < most; i -= 1) {
      const { seq, prev, count } = log.batches[i] as StoredBatch;
      if (seq <= notBelow) break;
      found.push({ seq, prev, count });
      left -= count;
    }
    return found;
  }

  async recall(room: string, seq: number, place: number): Promise<boolean> {
    this.#expire();
    const log = this.#logs.get(room);
    if (log === undefined) return false;
    const at = firstAfter(log, seq - 1);
    const batch = log.batches[at];
    if (batch === undefined || batch.seq !== seq) return false;
    const bytes = blankComment(batch, place);
    if (bytes === null) return false;
    // Another object: whoever read the old one still has what it read.
    log.batches[at] = { ...batch, bytes, count: batch.count - 1 };
    log.comments -= 1;
    this.#bytes += bytes.length - batch.bytes.length;
    return true;
  }

  stats(): StoreStats {
    return { bytes: this.#bytes, pruned: this.#pruned };
  }

  async close(): Promise<void> {
    this.#commit();
  }

  /** Numbers everything appended in this turn: one transaction, one call of the tail. */
  #commit(): void {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    const stored: StoredBatch[] = new Array(waiting.length);
    const at = this.#options.now();
    for (const [i, { room, batch }] of waiting.entries()) stored[i] = this.#add(room, batch, at);
    this.#listener?.(stored);
    for (const [i, { resolve }] of waiting.entries()) resolve((stored[i] as StoredBatch).seq);
    this.#expire();
  }

  #add(room: string, { bytes, count }: EncodedBatch, at: number): StoredBatch {
    let log = this.#logs.get(room);
    if (log === undefined) {
      log = { lastSeq: this.#floor, batches: [], comments: 0 };
      this.#logs.set(room, log);
      this.#bytes += ROOM_OVERHEAD;
    }
    this.#empty.delete(room);
    const batch: StoredBatch = { room, seq: log.lastSeq + 1, prev: log.lastSeq, bytes, count };
    log.lastSeq = batch.seq;
    log.batches.push(batch);
    log.comments += count;
    this.#order.push({ log, room, at, seq: batch.seq });
    this.#bytes += bytes.length + OVERHEAD;
    this.#kept += 1;
    while (log.comments > this.#options.comments && log.batches.length > 1) this.#dropFirst(log, room);
    return batch;
  }

  /** Drops what is too old or too much, the oldest first. */
  #expire(): void {
    const oldest = this.#options.now() - this.#options.age;
    for (; this.#orderStart < this.#order.length; this.#orderStart += 1) {
      const entry = this.#order[this.#orderStart] as Appended;
      const first = entry.log.batches[0];
      const dropped = first === undefined || first.seq > entry.seq;
      if (!dropped) {
        if (entry.at > oldest && this.#bytes <= this.#options.bytes) break;
        this.#dropFirst(entry.log, entry.room);
      }
    }
    if (this.#order.length > 2 * this.#kept + SLACK) this.#compact();
  }

  /** Forgets appends whose batches are gone, most of them of rooms over their count. */
  #compact(): void {
    const live = ({ log, seq }: Appended): boolean => (log.batches[0]?.seq ?? Number.POSITIVE_INFINITY) <= seq;
    this.#order = this.#order.slice(this.#orderStart).filter(live);
    this.#orderStart = 0;
  }

  #dropFirst(log: RoomLog, room: string): void {
    const batch = log.batches.shift() as StoredBatch;
    log.comments -= batch.count;
    this.#bytes -= batch.bytes.length + OVERHEAD;
    this.#kept -= 1;
    this.#pruned += 1;
    if (log.batches.length === 0) this.#retire(room);
  }

  #retire(room: string): void {
    this.#empty.add(room);
    if (this.#empty.size <= EMPTY_ROOMS) return;
    for (const longest of this.#empty) {
      this.#floor = Math.max(this.#floor, this.lastSeq(longest));
      this.#logs.delete(longest);
      this.#bytes -= ROOM_OVERHEAD;
      this.#empty.delete(longest);
      break;
    }
  }
}

/** The place of the first kept batch above `after`, by halving. */
function firstAfter(log: RoomLog, after: number): number {
  let low = 0;
  let high = log.batches.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((log.batches[middle] as StoredBatch).seq > after) high = middle;
    else low = middle + 1;
  }
  return low;
}
