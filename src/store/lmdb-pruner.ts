import type { Clock } from '../clock.ts';
import { encodeRoom, encodeSeq } from './lmdb-keys.ts';
import type { LmdbTables, OrderEntry } from './lmdb-tables.ts';
import type { LmdbWriter, Writes } from './lmdb-writer.ts';

/** Most batches that go in one transaction: half a millisecond of the main thread. */
const STEP = 32;

/** ms between two steps while there is more to do, between two looks when there is not, and after a fault. */
const PAUSE = 5;
const IDLE = 1_000;
const FAULT_PAUSE = 10_000;

export interface LmdbPrunerOptions {
  readonly tables: LmdbTables;
  readonly writer: LmdbWriter;
  readonly clock: Clock;
  /** ms that a batch is kept, 0 for ever. */
  readonly retainAge: number;
  /** Most bytes of pages in use, 0 for no bound. */
  readonly retainBytes: number;
  /** The newest batch of `room` goes, in the transaction that is being made: its last seq, which must be kept. */
  readonly onEmptied: (room: string) => number;
  readonly onFault: (error: unknown) => void;
}

/** A batch that goes. */
interface Dropped {
  readonly entry: OrderEntry;
  /** Null where it is gone already. */
  readonly key: Uint8Array | null;
}

/**
 * Drops the oldest batches of all rooms, those that are too old and those that are too much, a few at a time.
 * A room's last seq stays when its newest batch goes: no number is used twice.
 */
export class LmdbPruner {
  readonly #options: LmdbPrunerOptions;
  #cancel: () => void = () => undefined;
  #step: Promise<void> = Promise.resolve();
  #stopped = false;
  #pruned = 0;

  constructor(options: LmdbPrunerOptions) {
    this.#options = options;
  }

  /** Batches dropped since the start. */
  get pruned(): number {
    return this.#pruned;
  }

  start(): void {
    if (this.#options.retainAge > 0 || this.#options.retainBytes > 0) this.#schedule(PAUSE);
  }

  /** Resolves when no step runs and none will. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await this.#step;
  }

  #schedule(ms: number): void {
    if (this.#stopped) return;
    this.#cancel = this.#options.clock.after(ms, () => {
      this.#step = this.#run();
    });
  }

  async #run(): Promise<void> {
    try {
      this.#schedule((await this.#drop()) ? PAUSE : IDLE);
    } catch (error) {
      this.#options.onFault(error);
      this.#schedule(FAULT_PAUSE);
    }
  }

  /** One step; true when there was something to drop. */
  async #drop(): Promise<boolean> {
    const { tables, writer } = this.#options;
    const due = this.#due();
    if (due.length === 0) return false;
    // What is old is seldom in memory: another thread reads it from disk, so that the loop need not wait for that.
    await tables.batches.prefetch(due.map(({ place }) => place));
    let dropped = 0;
    const done = await writer.write(() => {
      const found = due.map((entry) => ({ entry, key: tables.keyOf(entry) }));
      dropped = found.filter(({ key }) => key !== null).length;
      return this.#writes(found);
    });
    if (done) this.#pruned += dropped;
    return done;
  }

  /** The oldest batches that are to go now. */
  #due(): OrderEntry[] {
    const { tables, retainAge, retainBytes, clock } = this.#options;
    const { bytes, batches } = tables.size();
    const excess = retainBytes > 0 ? bytes - retainBytes : 0;
    const tooMuch = excess > 0 && batches > 0 ? Math.ceil((excess * batches) / bytes) : 0;
    const tooOld = retainAge > 0 ? clock.unix() - retainAge : Number.NEGATIVE_INFINITY;
    return tables.oldest(STEP).filter(({ at }, i) => i < tooMuch || at <= tooOld);
  }

  #writes(dropped: readonly Dropped[]): Writes {
    const { tables, onEmptied } = this.#options;
    const newest = new Map<string, number>();
    for (const { entry } of dropped) newest.set(entry.room, Math.max(entry.seq, newest.get(entry.room) ?? 0));
    const emptied: { room: string; last: number }[] = [];
    for (const [room, seq] of newest) {
      if (tables.newestKept(room) <= seq) emptied.push({ room, last: onEmptied(room) });
    }
    const put = (): void => {
      for (const { entry, key } of dropped) {
        tables.order.remove(entry.key);
        if (key !== null) tables.batches.remove(key);
      }
      for (const { room, last } of emptied) tables.rooms.put(encodeRoom(room), encodeSeq(last));
    };
    return { put, bytes: 0, batches: dropped.length, frees: true };
  }
}
