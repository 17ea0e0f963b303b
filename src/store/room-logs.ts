import type { Clock } from '../clock.ts';
import { type EncodedBatch, envelopeLength } from '../frames/batch.ts';
import { firstAbove } from '../frames/batch-lists.ts';
import type { Head, StoredBatch } from './store.ts';

/** What a batch costs beside its bytes: objects, a buffer of its own, its place in two lists. 387 bytes measured. */
const OVERHEAD = 400;

/** What a room costs beside its batches: the log, its array, its entry in the map. 267 bytes measured. */
const ROOM_OVERHEAD = 300;

/** Rooms that nobody follows and that hold no batch are remembered for their last seq, this many of them. */
const MOST_IDLE = 100_000;

/** Entries of the order beyond twice the batches kept, before those that are gone are looked for. */
const SLACK = 1_024;

/** What is in memory of one room. */
export interface RoomLog {
  readonly room: string;
  isFollowed: boolean;
  /** The newest seq that the tail has delivered, and the newest that was given to a batch. */
  seq: number;
  given: number;
  /** Batches with this seq or a lower one may be gone from the store. */
  lost: number;
  /** Every batch that is kept with a seq above this is in `batches`, oldest first and without a hole. */
  from: number;
  batches: StoredBatch[];
  /** Comments in them. */
  comments: number;
  /** When somebody asked for them last, in ms on a clock that only rises. */
  usedAt: number;
}

interface Ordered {
  readonly log: RoomLog;
  readonly seq: number;
  readonly at: number;
}

export interface RoomLogsOptions {
  readonly clock: Clock;
  /** ms that a batch stays. */
  readonly age: number;
  /** Most bytes in all rooms together; the oldest batches of any room go first. */
  readonly bytes: number;
  /** Most comments a room; its newest batch stays, however many it has. */
  readonly comments: number;
  /** A room is forgotten. */
  readonly onForget: (log: RoomLog) => void;
}

/** Batches in memory, by room: the newest ones, bounded by age, by bytes and by comments a room. */
export class RoomLogs {
  readonly #options: RoomLogsOptions;
  readonly #logs = new Map<string, RoomLog>();
  /** Rooms that are not followed and hold no batch, the longest so first. */
  readonly #idle = new Set<RoomLog>();
  /** Batches in the order in which they came. Names them, does not hold them: some are gone before their time. */
  #order: Ordered[] = [];
  #orderStart = 0;
  #bytes = 0;
  #kept = 0;
  #dropped = 0;

  constructor(options: RoomLogsOptions) {
    this.#options = options;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Batches that went from here. */
  get dropped(): number {
    return this.#dropped;
  }

  get(room: string): RoomLog | undefined {
    return this.#logs.get(room);
  }

  /** A room whose newest batch is `seq`, of which nothing is here yet. */
  open(room: string, seq: number, lost: number): RoomLog {
    const log = {
      room,
      isFollowed: false,
      seq,
      given: seq,
      lost,
      from: seq,
      batches: [],
      comments: 0,
      usedAt: Number.NEGATIVE_INFINITY,
    };
    this.#logs.set(room, log);
    this.#bytes += ROOM_OVERHEAD;
    return log;
  }

  follow(log: RoomLog, isFollowed: boolean): void {
    log.isFollowed = isFollowed;
    this.#settle(log);
  }

  /** Gives a batch the next seq of its room. */
  number(log: RoomLog, { bytes, count, rest, private: secret }: EncodedBatch): StoredBatch {
    log.given += 1;
    return { room: log.room, seq: log.given, prev: log.given - 1, bytes, count, rest, private: secret };
  }

  /** Takes in the room's next batch. */
  add(log: RoomLog, batch: StoredBatch): void {
    log.seq = batch.seq;
    log.batches.push(batch);
    this.#idle.delete(log);
    this.#count(log, batch);
    while (log.comments > this.#options.comments && log.batches.length > 1) this.#dropOldest(log);
  }

  /** The room's next batch is not to be here, nor what was before it. */
  pass(log: RoomLog, { seq }: StoredBatch): void {
    log.seq = seq;
    while (log.batches.length > 0) this.#dropOldest(log);
    log.from = seq;
  }

  /** Takes in batches that stand right before those that are here, oldest first. */
  addOlder(log: RoomLog, batches: readonly StoredBatch[]): void {
    const [oldest] = batches;
    if (oldest === undefined) return;
    log.batches.unshift(...batches);
    log.from = oldest.seq - 1;
    for (const batch of batches) this.#count(log, batch);
  }

  /** A batch was written again, without some of its comments. Another object: readers of the old one keep what they read. */
  replace(log: RoomLog, seq: number, encoded: EncodedBatch): void {
    const at = firstAbove(log.batches, seq - 1);
    const before = log.batches[at];
    if (before?.seq !== seq) return;
    log.batches[at] = { ...before, ...encoded };
    log.comments += encoded.count - before.count;
    this.#bytes += envelopeLength(encoded) - envelopeLength(before);
  }

  /** Drops batches up to `seq`. */
  drop(log: RoomLog, seq: number): void {
    while (log.batches[0] !== undefined && log.batches[0].seq <= seq) this.#dropOldest(log);
  }

  /** Drops what is too old or too much. */
  expire(): void {
    const { clock, age, bytes } = this.#options;
    const tooOld = clock.now() - age;
    for (; this.#orderStart < this.#order.length; this.#orderStart += 1) {
      const { log, seq, at } = this.#order[this.#orderStart] as Ordered;
      if (seq <= log.from) continue;
      if (at > tooOld && this.#bytes <= bytes) break;
      this.drop(log, seq);
    }
    if (this.#order.length - this.#orderStart > 2 * this.#kept + SLACK || this.#orderStart > this.#kept + SLACK) {
      this.#order = this.#order.slice(this.#orderStart).filter(({ log, seq }) => seq > log.from);
      this.#orderStart = 0;
    }
  }

  #count(log: RoomLog, batch: StoredBatch): void {
    log.comments += batch.count;
    this.#bytes += envelopeLength(batch) + OVERHEAD;
    this.#kept += 1;
    this.#order.push({ log, seq: batch.seq, at: this.#options.clock.now() });
  }

  #dropOldest(log: RoomLog): void {
    const batch = log.batches.shift();
    if (batch === undefined) return;
    log.from = batch.seq;
    log.comments -= batch.count;
    this.#bytes -= envelopeLength(batch) + OVERHEAD;
    this.#kept -= 1;
    this.#dropped += 1;
    this.#settle(log);
  }

  #settle(log: RoomLog): void {
    this.#idle.delete(log);
    if (log.isFollowed || log.batches.length > 0) return;
    this.#idle.add(log);
    if (this.#idle.size <= MOST_IDLE) return;
    const [longest = log] = this.#idle;
    this.#idle.delete(longest);
    this.#logs.delete(longest.room);
    this.#bytes -= ROOM_OVERHEAD;
    this.#options.onForget(longest);
  }
}

/** The head of a room that is here. */
export function headOf({ seq, lost, given }: RoomLog): Head {
  return { seq, lost, ceiling: given };
}
