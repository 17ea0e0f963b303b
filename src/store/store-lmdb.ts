import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../clock.ts';
import { VolleyError } from '../codes.ts';
import type { EncodedBatch } from '../frames/batch.ts';
import type { Durability } from '../settings/settings.ts';
import { LmdbAppends } from './lmdb-appends.ts';
import { type LmdbEnvironment, openEnvironment } from './lmdb-environment.ts';
import { damagedFault, openFault } from './lmdb-faults.ts';
import { LastSeqs } from './lmdb-last-seqs.ts';
import { LmdbPruner } from './lmdb-pruner.ts';
import { LmdbRecallLog } from './lmdb-recall-log.ts';
import { LmdbRecalls } from './lmdb-recalls.ts';
import { LmdbSpace } from './lmdb-space.ts';
import { LmdbTables } from './lmdb-tables.ts';
import { LmdbWriter } from './lmdb-writer.ts';
import type { BatchOutline, RecalledComment, Store, StoredBatch, StoreStats, TailListener } from './store.ts';

/** Batches without comments that one look for a seq walks over. */
const MOST_EMPTY = 20_000;

/** Keys that are looked at in one turn of the loop: 2 to 4 ms. */
const TURN_KEYS = 2_000;

export interface LmdbStoreOptions {
  /** The directory, made where it is missing. */
  readonly dir: string;
  readonly durability: Durability;
  /** ms that a batch is kept, 0 for ever. */
  readonly retainAge: number;
  /** Most bytes of pages that hold batches, 0 for no bound. */
  readonly retainBytes: number;
  readonly clock: Clock;
  /**
   * A step in the background failed: what is too old was not dropped, or what is committed was not flushed. Or appends
   * fail: told of the first transaction of them, and again of the first after one that succeeded.
   */
  readonly onFault: (error: unknown) => void;
}

/** What there is between `start` and `close`. */
interface Opened {
  readonly environment: LmdbEnvironment;
  readonly tables: LmdbTables;
  readonly space: LmdbSpace;
  readonly lasts: LastSeqs;
  readonly writer: LmdbWriter;
  readonly appends: LmdbAppends;
  readonly recalls: LmdbRecalls;
  readonly pruner: LmdbPruner;
}

/**
 * The log in an LMDB database on disk.
 *
 * Seq has no holes, except those that failed appends may leave. Recalls and what the pruner drops have transactions of
 * their own: before each of appends there is one of each at most.
 */
export class LmdbStore implements Store {
  readonly name: string;
  readonly #options: LmdbStoreOptions;
  #opened: Opened | null = null;
  #closed: Promise<void> | null = null;
  #stats: StoreStats = { bytes: 0, pruned: 0 };

  constructor(options: LmdbStoreOptions) {
    this.#options = options;
    this.name = `lmdb:${options.dir}`;
  }

  async start(listener: TailListener): Promise<readonly RecalledComment[]> {
    const { dir, durability, clock, onFault } = this.#options;
    const environment = await openEnvironment(dir, durability);
    let space: LmdbSpace | undefined;
    try {
      const { root } = environment;
      space = await LmdbSpace.open(dir);
      if (!LmdbTables.exist(root)) await space.reserve(...LmdbTables.needs(root));
      const tables = new LmdbTables(root);
      const lasts = new LastSeqs(tables);
      const writer = new LmdbWriter({ root, dir, tables, space, durability, clock, onFault });
      const appends = new LmdbAppends({ tables, lasts, writer, clock, listener, onFault });
      const log = new LmdbRecallLog(tables, clock);
      const recalls = new LmdbRecalls(tables, writer, log);
      const recent = await log.recent();
      await lasts.lookUpNewest(clock);
      const onEmptied = (room: string): number => {
        const last = lasts.of(room);
        last.listed = true;
        return last.given;
      };
      const pruner = new LmdbPruner({ ...this.#options, tables, log, writer, onEmptied });
      this.#opened = { environment, tables, space, lasts, writer, appends, recalls, pruner };
      pruner.start();
      return recent;
    } catch (error) {
      await space?.close();
      await environment.close();
      throw startFault(dir, error);
    }
  }

  append(room: string, batch: EncodedBatch): Promise<number> {
    const opened = this.#opened;
    if (opened === null || this.#closed !== null) return Promise.reject(this.#closedFault());
    return opened.appends.append(room, batch);
  }

  lastSeq(room: string): number {
    return this.#open().lasts.of(room).seq;
  }

  async read(room: string, after: number, upTo: number, maxBytes: number): Promise<StoredBatch[]> {
    const found: StoredBatch[] = [];
    if (after >= upTo) return found;
    let total = 0;
    for (const { seq, prev, count, bytes } of this.#open().tables.batchesOf(room, after, upTo)) {
      total += bytes.length;
      if (found.length > 0 && total > maxBytes) break;
      found.push({ room, seq, prev, bytes, count });
    }
    return found;
  }

  /**
   * As {@link Store.seqBefore}, but it walks over at most 20,000 batches that hold no comment any more, all recalled,
   * and so looks at no more than `comments` + 20,000 keys. Where more of them stand in a row, the answer is as far as it
   * got: the batches after it hold fewer than `comments`, or none. It is below `upTo` always, so that who asks again
   * from there gets on. The loop gets a turn after every 2,000 keys.
   */
  async seqBefore(room: string, upTo: number, comments: number, notBelow = 0): Promise<number> {
    let found = 0;
    let empty = 0;
    let oldest = 0;
    for (let from = upTo, more = true; more; ) {
      let looked = 0;
      more = false;
      for (const { seq, prev, count } of this.#open().tables.keysBefore(room, from)) {
        if (found >= comments || empty === MOST_EMPTY) return Math.max(seq, notBelow);
        if (seq <= notBelow) return notBelow;
        found += count;
        if (count === 0) empty += 1;
        oldest = prev;
        looked += 1;
        from = seq - 1;
        more = looked === TURN_KEYS;
        if (more) break;
      }
      if (more) await nextTurn();
    }
    return Math.max(notBelow, found >= comments ? oldest : 0);
  }

  async outline(room: string, upTo: number, comments: number, notBelow: number, most: number): Promise<BatchOutline[]> {
    const found: BatchOutline[] = [];
    if (comments <= 0 || most <= 0) return found;
    let left = comments;
    for (const { seq, prev, count } of this.#open().tables.keysBefore(room, upTo)) {
      if (seq <= notBelow) break;
      found.push({ seq, prev, count });
      left -= count;
      if (left <= 0 || found.length === most) break;
    }
    return found;
  }

  async recall(room: string, seq: number, place: number): Promise<boolean> {
    if (this.#closed !== null) throw this.#closedFault();
    return this.#open().recalls.recall(room, seq, place);
  }

  stats(): StoreStats {
    if (this.#opened !== null && this.#closed === null && !this.#opened.writer.broken) {
      const { tables, pruner } = this.#opened;
      this.#stats = { bytes: tables.bytesInUse(), pruned: pruner.pruned };
    }
    return this.#stats;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    if (this.#opened === null) return;
    const { environment, space, writer, pruner } = this.#opened;
    await pruner.stop();
    const ends = await writer.finish();
    await space.close();
    this.#opened = null;
    const closed = environment.close();
    if (ends) await closed;
    else closed.catch(this.#options.onFault);
  }

  #open(): Opened {
    if (this.#opened === null) throw this.#closedFault();
    return this.#opened;
  }

  #closedFault(): VolleyError {
    return new VolleyError('STORE_FAILED', `${this.name} is not open`);
  }
}

function startFault(dir: string, cause: unknown): VolleyError {
  if (cause instanceof VolleyError) return cause;
  // What comes from the file system or LMDB has a code; what is said of our own keys has none.
  if (cause instanceof Error && 'code' in cause) return openFault(dir, cause);
  return damagedFault(dir, cause instanceof Error ? cause.message : String(cause));
}
