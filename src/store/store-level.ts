import PQueue from 'p-queue';
import { SteadyClock } from '../clock.ts';
import { VolleyError } from '../codes.ts';
import { blankComments, type EncodedBatch } from '../frames/batch.ts';
import { type BatchOutline, firstAbove, takeOutlines, takeRange } from '../frames/batch-lists.ts';
import { type Level, LevelDatabase, type LevelStoreOptions } from './level-database.ts';
import * as keys from './level-keys.ts';
import { LevelPruner } from './level-pruner.ts';
import { type Batch, LevelWriter } from './level-writer.ts';
import { headOf, type RoomLog, RoomLogs } from './room-logs.ts';
import type { Head, Reading, RecalledComment, Store, StoredBatch, StoreEvents, StoreStats } from './store.ts';
import { LARGEST_VALUE, RECALLS_REMEMBERED, RECALLS_REMEMBERED_MS, readingOf } from './store.ts';

/** Bytes of batches after which a write takes no more: LevelDB keeps a write in memory as a whole. */
const MOST_WRITE_BYTES = 8_388_608;

/** Batches in one entry of the order in which they were written, and so the fewest that are dropped at once. */
const MOST_ORDERED = 128;

/** What is remembered of recalls is read at once: 200,000 of them are 10 MB. */
const RECALLS_BYTES = 16_777_216;

/** Entries, and their bytes, that one reading takes where its caller bounds neither. */
const STRETCH = 1_000;
const STRETCH_BYTES = 1_048_576;

/**
 * What is in memory: the newest minute of each followed room that somebody asked for in the last minute. When all viewers of
 * a room come back at once, from different points, its log is read once. Rooms whose past nobody asks for cost nothing.
 */
const MINUTE = { age: 60_000, bytes: 67_108_864, comments: Number.POSITIVE_INFINITY, onForget: () => undefined };

/** What is read of a room's log at once when somebody asks for more than is in memory: a minute of a busy room. */
const MINUTE_BATCHES = 64;
const MINUTE_BYTES = 1_048_576;

interface Waiting {
  readonly log: RoomLog;
  readonly encoded: EncodedBatch;
  readonly resolve: (seq: number) => void;
  readonly reject: (error: unknown) => void;
}

/** What there is between `start` and `close`. */
interface Opened {
  readonly database: LevelDatabase;
  readonly writer: LevelWriter;
  readonly pruner: LevelPruner;
  readonly time: SteadyClock;
}

/**
 * The log in a LevelDB database on disk. Reading and writing happen on libuv's threads, never on the loop.
 *
 * Seq has no holes, so a batch's `prev` is always `seq - 1`. All that is appended while a write is on its way makes the
 * next write, and is in the tail in one call, before it is answered.
 */
export class LevelStore implements Store {
  readonly name: string;
  readonly maxBatchBytes = LARGEST_VALUE;
  readonly #options: LevelStoreOptions;
  readonly #logs: RoomLogs;
  /** Rooms whose newest minute is being read. */
  readonly #reading = new Map<RoomLog, Promise<void>>();
  /** What writes batches again or drops them: one at a time, so that none of it comes between another's read and write. */
  readonly #alone = new PQueue({ concurrency: 1 });
  #events: StoreEvents | null = null;
  #opened: Opened | null = null;
  #closed: Promise<void> | null = null;
  /** Appends that are not on their way to the disk yet. */
  #waiting: Waiting[] = [];
  #isAppending = false;
  /** The newest counter of `o`. */
  #counter = 0;
  /** When the entries of `c` were written, those of the last five minutes, and the counter before them. */
  #recalledAt: number[] = [];
  #recalls = 0;
  /** A damaged batch was told of. */
  #isDamaged = false;

  constructor(options: LevelStoreOptions) {
    this.#options = options;
    this.name = `level:${options.dir}`;
    this.#logs = new RoomLogs({ ...MINUTE, clock: options.clock });
  }

  async start(events: StoreEvents): Promise<void> {
    const { clock, onNotice } = this.#options;
    this.#events = events;
    const database = await LevelDatabase.open(this.#options);
    const writer = new LevelWriter({ ...this.#options, database });
    await writer.start();
    const [order] = await database.read((db) => keys.readRange(db, newestFirst('o'), 1, STRETCH_BYTES));
    const [counter, written] =
      order === undefined ? [0, null] : [keys.numberOf(order[0]), keys.readPacked<keys.OrderValue>(...order)];
    this.#counter = counter;
    const time = new SteadyClock(clock, written?.[0] ?? 0, onNotice);
    const alone = (run: () => Promise<void>): Promise<void> => this.#alone.add(run);
    const onDrop = (room: string, seq: number): void => {
      const log = this.#logs.get(room);
      if (log === undefined) return;
      log.lost = seq;
      this.#logs.drop(log, seq);
    };
    const pruner = new LevelPruner({ ...this.#options, database, writer, time, counter, alone, onDrop });
    this.#opened = { database, writer, pruner, time };
    events.recalled(await this.#readRecalls());
    pruner.start();
  }

  async follow(room: string): Promise<Head> {
    let log = this.#logs.get(room);
    if (log === undefined) {
      const { seq, lost } = await this.#readHead(room);
      log = this.#logs.get(room) ?? this.#logs.open(room, seq, lost);
    }
    this.#logs.follow(log, true);
    return headOf(log);
  }

  unfollow(room: string): void {
    const log = this.#logs.get(room);
    if (log !== undefined) this.#logs.follow(log, false);
  }

  async head(room: string): Promise<Head> {
    const log = this.#logs.get(room);
    return log === undefined ? this.#readHead(room) : headOf(log);
  }

  append(room: string, encoded: EncodedBatch): Promise<number> {
    return new Promise((resolve, reject) => {
      const log = this.#logs.get(room);
      const refusal = this.#closed !== null || !log?.isFollowed ? this.#closedFault() : this.#opened?.writer.refusal;
      if (log === undefined || refusal) {
        reject(refusal);
        return;
      }
      this.#waiting.push({ log, encoded, resolve, reject });
      if (this.#isAppending) return;
      this.#isAppending = true;
      queueMicrotask(() => void this.#appendAll());
    });
  }

  /** Writes what waits, and then what came meanwhile. */
  async #appendAll(): Promise<void> {
    for (; this.#waiting.length > 0; ) {
      const group = this.#takeWaiting();
      let stored: StoredBatch[] = [];
      const put = (batch: Batch): number => {
        stored = group.map(({ log, encoded }) => this.#logs.number(log, encoded));
        return this.#put(batch, stored);
      };
      const onUnknown = (error: VolleyError): void => {
        for (const { reject } of [...group, ...this.#waiting.splice(0)]) reject(error);
      };
      try {
        await this.#open().writer.write(put, onUnknown);
        this.#deliver(group, stored);
      } catch (error) {
        for (const { log, reject } of group) {
          log.given = log.seq;
          reject(error);
        }
      }
    }
    this.#isAppending = false;
  }

  #takeWaiting(): Waiting[] {
    let bytes = 0;
    const end = this.#waiting.findIndex(({ encoded }) => {
      bytes += encoded.bytes.length;
      return bytes > MOST_WRITE_BYTES;
    });
    return this.#waiting.splice(0, end === -1 ? this.#waiting.length : Math.max(1, end));
  }

  /** Gives the bytes that they count for. */
  #put(batch: Batch, stored: readonly StoredBatch[]): number {
    const at = this.#open().time.now();
    let bytes = 0;
    for (let first = 0; first < stored.length; first += MOST_ORDERED) {
      const ordered: keys.OrderedBatch[] = [];
      for (const one of stored.slice(first, first + MOST_ORDERED)) {
        const [key, value] = keys.batchEntry(one.room, one.seq, one);
        batch.put(key, value);
        bytes += key.length + value.length;
        ordered.push([one.room, one.seq, key.length + value.length]);
      }
      this.#counter += 1;
      batch.put(...keys.packEntry(keys.counterKey('o', this.#counter), [at, ...ordered]));
    }
    return bytes;
  }

  #deliver(group: readonly Waiting[], stored: readonly StoredBatch[]): void {
    const unused = this.#options.clock.now() - MINUTE.age;
    for (const [i, { log }] of group.entries()) {
      if (log.usedAt > unused) this.#logs.add(log, stored[i] as StoredBatch);
      else this.#logs.pass(log, stored[i] as StoredBatch);
    }
    this.#logs.expire();
    try {
      this.#events?.tail(stored);
    } catch (error) {
      // They are stored, so they are answered.
      this.#options.onFault(error);
    }
    for (const [i, { resolve }] of group.entries()) resolve((stored[i] as StoredBatch).seq);
  }

  async read(room: string, after: number, upTo: number, maxBytes: number): Promise<Reading> {
    if (after >= upTo) return { batches: [], lost: 0 };
    const log = await this.#withMinute(room, after);
    if (log !== undefined && after >= log.from) {
      return readingOf(takeRange(log.batches, after, upTo, maxBytes), after, log.lost);
    }
    return this.#open().database.read(async (db) => {
      const lost = this.#logs.get(room)?.lost ?? (await this.#readLost(db, room));
      const range = { gt: keys.batchKey(room, Math.max(after, lost)), lte: keys.batchKey(room, upTo) };
      const found: StoredBatch[] = [];
      let end = Math.max(after, lost);
      let damaged = 0;
      for (const [key, value] of await keys.readRange(db, range, STRETCH, maxBytes)) {
        const isNext = keys.numberOf(key) === end + 1;
        const batch = this.#decode(room, key, value);
        // What is missing here is where the next reading begins.
        if (found.length > 0 && (batch === null || !isNext)) break;
        if (!isNext) damaged = keys.numberOf(key) - 1;
        end = keys.numberOf(key);
        if (batch === null) damaged = end;
        else found.push(batch);
      }
      // Or it was dropped while this was read.
      if (damaged > 0 && damaged > (await this.#readLost(db, room))) this.#tellDamage(room, damaged);
      return readingOf(takeRange(found, after, upTo, maxBytes), after, Math.max(lost, damaged));
    });
  }

  async outline(room: string, upTo: number, comments: number, notBelow: number, most: number): Promise<BatchOutline[]> {
    const log = await this.#withMinute(room, notBelow);
    const found: BatchOutline[] = [];
    let left = takeOutlines(found, log?.batches ?? [], upTo, comments, notBelow, most);
    for (let end = Math.min(upTo, log?.from ?? upTo); left > 0 && end > notBelow && found.length < most; ) {
      const older = await this.#readBackward(room, end, Math.min(most - found.length, left, STRETCH), STRETCH_BYTES);
      left = takeOutlines(found, older, end, left, notBelow, most);
      end = (older[0]?.seq ?? 1) - 1;
    }
    return found;
  }

  async recall(room: string, seq: number, indexes: readonly number[]): Promise<number> {
    const { database, writer, time } = this.#open();
    if (this.#closed !== null) throw this.#closedFault();
    return this.#alone.add(async () => {
      const key = keys.batchKey(room, seq);
      const value = await database.read((db) => db.get(key));
      const batch = value === undefined ? null : this.#decode(room, key, value);
      const blanked = batch === null ? null : blankComments(batch, new Set(indexes));
      if (blanked === null) return 0;
      const at = time.now();
      await writer.write((write) => {
        write.put(...keys.batchEntry(room, seq, blanked.batch));
        write.put(
          ...keys.packEntry(keys.counterKey('c', this.#recalls + this.#recalledAt.push(at)), [
            at,
            room,
            seq,
            blanked.indexes,
          ]),
        );
        for (; (this.#recalledAt[0] ?? at) <= at - RECALLS_REMEMBERED_MS; this.#recalledAt.shift()) {
          this.#recalls += 1;
          write.del(keys.counterKey('c', this.#recalls));
        }
        // It counts for as much as when it was appended, so that the same is taken off when it is dropped.
        return 0;
      });
      const log = this.#logs.get(room);
      if (log !== undefined) {
        // What is being read may be from before.
        await this.#reading.get(log);
        this.#logs.replace(log, seq, blanked.batch);
      }
      this.#events?.recalled(blanked.indexes.map((index) => ({ room, id: `${seq}.${index}`, at })));
      return blanked.indexes.length;
    });
  }

  stats(): StoreStats {
    return { bytes: this.#opened?.writer.bytes ?? 0, pruned: this.#opened?.pruner.pruned ?? 0 };
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    if (this.#opened === null) return;
    const { database, writer, pruner } = this.#opened;
    const stopped = pruner.stop();
    writer.giveUp();
    await stopped;
    await this.#alone.onIdle();
    await writer.close();
    await database.close();
  }

  /** The followed room, its newest minute read where what is in memory does not go back to `after`. */
  async #withMinute(room: string, after: number): Promise<RoomLog | undefined> {
    const log = this.#logs.get(room);
    if (!log?.isFollowed) return undefined;
    log.usedAt = this.#options.clock.now();
    if (after < log.from && log.batches.length < MINUTE_BATCHES) {
      const reading = this.#reading.get(log) ?? this.#readMinute(log).finally(() => this.#reading.delete(log));
      this.#reading.set(log, reading);
      await reading;
    }
    return log;
  }

  async #readMinute(log: RoomLog): Promise<void> {
    const { room, from, batches } = log;
    const older = await this.#readBackward(room, from, MINUTE_BATCHES - batches.length, MINUTE_BYTES);
    if (log.from === from) this.#logs.addOlder(log, older.slice(firstAbove(older, log.lost)));
  }

  /** The newest batch is looked for above what is dropped: below it, LevelDB would walk over all that was there. */
  #readHead(room: string): Promise<Head> {
    return this.#open().database.read(async (db) => {
      const before = await this.#readLost(db, room);
      const range = {
        gt: keys.batchKey(room, before),
        lte: keys.batchKey(room, Number.MAX_SAFE_INTEGER),
        reverse: true,
      };
      const [newest] = await keys.readRange(db, range, 1, STRETCH_BYTES);
      // Dropped between the two readings.
      const lost = newest === undefined ? await this.#readLost(db, room) : before;
      const seq = newest === undefined ? lost : keys.numberOf(newest[0]);
      return { seq, lost, ceiling: seq };
    }, true);
  }

  async #readLost(db: Level, room: string): Promise<number> {
    const key = keys.roomKey(room);
    return keys.readPacked<number>(key, await db.get(key)) ?? 0;
  }

  /** Batches up to `upTo`, oldest first: the newest `most`, and as many as fit in `maxBytes`. A damaged one ends it. */
  #readBackward(room: string, upTo: number, most: number, maxBytes: number): Promise<StoredBatch[]> {
    return this.#open().database.read(async (db) => {
      const lost = this.#logs.get(room)?.lost ?? (await this.#readLost(db, room));
      const range = { gt: keys.batchKey(room, lost), lte: keys.batchKey(room, upTo), reverse: true };
      const found: StoredBatch[] = [];
      for (const [key, value] of await keys.readRange(db, range, most, maxBytes)) {
        const batch = this.#decode(room, key, value);
        if (batch === null || (found.length > 0 && batch.seq !== (found.at(-1)?.seq ?? 0) - 1)) break;
        found.push(batch);
      }
      return found.reverse();
    });
  }

  #decode(room: string, key: Buffer, value: Buffer): StoredBatch | null {
    const seq = keys.numberOf(key);
    const batch = keys.readBatch(key, value);
    if (batch === null) {
      this.#tellDamage(room, seq);
      return null;
    }
    // Member by member, as RoomLogs makes them: one hidden class for all batches. Spread costs 13 µs a batch here.
    const { bytes, count, rest, private: secret } = batch;
    return { room, seq, prev: seq - 1, bytes, count, rest, private: secret };
  }

  /** Told once: where one batch is damaged or missing, others may be. */
  #tellDamage(room: string, seq: number): void {
    if (this.#isDamaged) return;
    this.#isDamaged = true;
    const detail = `batch ${seq} of room ${room} in ${this.#options.dir} is damaged or missing, and others may be: they are left out`;
    this.#options.onFault(new VolleyError('STORE_DAMAGED', detail));
  }

  /** What was recalled in the last five minutes, oldest first; what is older is forgotten. */
  async #readRecalls(): Promise<RecalledComment[]> {
    const { database, time } = this.#open();
    const found: RecalledComment[] = [];
    const over = time.now() - RECALLS_REMEMBERED_MS;
    const entries = await database.read((db) =>
      keys.readRange(db, newestFirst('c'), RECALLS_REMEMBERED, RECALLS_BYTES),
    );
    this.#recalls = entries[0] === undefined ? 0 : keys.numberOf(entries[0][0]);
    for (const [key, value] of entries) {
      const [at, room, seq, indexes] = keys.readPacked<keys.RecallValue>(key, value) ?? [0, '', 0, []];
      if (at <= over) break;
      this.#recalls -= 1;
      this.#recalledAt.unshift(at);
      for (const index of indexes.toReversed()) found.push({ room, id: `${seq}.${index}`, at });
    }
    await database.db.clear({ gte: keys.counterKey('c', 0), lte: keys.counterKey('c', this.#recalls) });
    return found.slice(0, RECALLS_REMEMBERED).reverse();
  }

  #open(): Opened {
    if (this.#opened === null) throw this.#closedFault();
    return this.#opened;
  }

  #closedFault(): VolleyError {
    return new VolleyError(
      'STORE_FAILED',
      `the store in ${this.#options.dir} is not open, or the room is not followed`,
    );
  }
}

/** All entries of a kind, the newest first. */
function newestFirst(kind: 'o' | 'c'): { gte: Buffer; lt: Buffer; reverse: true } {
  return { gte: keys.counterKey(kind, 0), lt: keys.counterKey(kind, Number.MAX_SAFE_INTEGER), reverse: true };
}
