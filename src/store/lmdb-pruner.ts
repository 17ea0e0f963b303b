import type { Clock } from '../clock.ts';
import { VolleyError } from '../codes.ts';
import { encodeRoom, encodeSeq } from './lmdb-keys.ts';
import type { LmdbRecallLog } from './lmdb-recall-log.ts';
import type { LmdbTables, OrderEntry } from './lmdb-tables.ts';
import { BATCHES_ON_FULL_DISK, type LmdbWriter, type Writes } from './lmdb-writer.ts';

/** Batches that go in one transaction: the least, which a full disk allows too, and the most. */
const LEAST_STEP = BATCHES_ON_FULL_DISK;
const MOST_STEP = 1_024;

/** ms of the main thread that one step may take: a step that takes more is followed by one of half its size. */
const MOST_WORK = 4;

/** ms between two steps while there is more to do, between two looks when there is not, and after a fault. */
const PAUSE = 5;
const IDLE = 1_000;
const FAULT_PAUSE = 10_000;

export interface LmdbPrunerOptions {
  readonly tables: LmdbTables;
  readonly log: LmdbRecallLog;
  readonly writer: LmdbWriter;
  readonly clock: Clock;
  /** ms that a batch is kept, 0 for ever. */
  readonly retainAge: number;
  /** Most bytes of pages that hold batches, 0 for no bound. */
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
 * Drops the oldest batches of all rooms, those that are too old and those that are too much, a few at a time:
 * more of them in each step while it is behind, as every step waits for a flush, and fewer where that would take the
 * main thread for long.
 *
 * A room's last seq stays when its newest batch goes: no number is used twice. Of what is remembered of recalls it drops
 * what is too old, and no batch for it: recalls that are younger would cost all comments, and still be too much.
 */
export class LmdbPruner {
  readonly #options: LmdbPrunerOptions;
  #cancel: () => void = () => undefined;
  #step: Promise<void> = Promise.resolve();
  #stopped = false;
  #pruned = 0;
  /** Most batches of the next step, and of any. */
  #size = LEAST_STEP;
  #mostSize = MOST_STEP;
  /** ms that the step has taken of the main thread so far. */
  #work = 0;

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
      if (this.#size > LEAST_STEP && error instanceof VolleyError && error.code === 'STORE_FULL') {
        this.#mostSize = LEAST_STEP;
        this.#size = LEAST_STEP;
        this.#schedule(PAUSE);
        return;
      }
      this.#options.onFault(error);
      this.#schedule(FAULT_PAUSE);
    }
  }

  /** One step; true when there was something to drop. */
  async #drop(): Promise<boolean> {
    const { tables, writer } = this.#options;
    this.#work = 0;
    const { due, recalls, behind } = this.#measure(() => this.#due());
    if (!behind) this.#mostSize = MOST_STEP;
    if (due.length + recalls.length === 0) {
      this.#size = LEAST_STEP;
      return false;
    }
    // What is old is seldom in memory: another thread reads it from disk, so that the loop need not wait for that.
    await this.#measure(() => tables.batches.prefetch(due.map(({ place }) => place)));
    let dropped = 0;
    const done = await writer.write(() =>
      this.#measure(() => {
        const found = due.map((entry) => ({ entry, key: tables.keyOf(entry) }));
        dropped = found.filter(({ key }) => key !== null).length;
        return this.#writes(found, recalls);
      }),
    );
    if (done) this.#pruned += dropped;
    this.#resize(behind);
    return done;
  }

  #resize(behind: boolean): void {
    if (!behind || this.#work > MOST_WORK) this.#size = Math.max(LEAST_STEP, this.#size / 2);
    // Twice as many take twice as long.
    else if (this.#work <= MOST_WORK / 2) this.#size = Math.min(this.#mostSize, this.#size * 2);
  }

  /** Adds the time that `run` takes of the main thread to the step's. */
  #measure<T>(run: () => T): T {
    const { clock } = this.#options;
    const began = clock.now();
    const result = run();
    this.#work += clock.now() - began;
    return result;
  }

  /** The oldest batches and entries of recalls that are to go now, and whether there may be more of either. */
  #due(): { due: OrderEntry[]; recalls: Uint8Array[]; behind: boolean } {
    const { tables, log, retainAge, retainBytes, clock } = this.#options;
    const { bytes, batches } = tables.batchesKept();
    const excess = retainBytes > 0 ? bytes - retainBytes : 0;
    const tooMuch = excess > 0 && batches > 0 ? Math.ceil((excess * batches) / bytes) : 0;
    const tooOld = retainAge > 0 ? clock.unix() - retainAge : Number.NEGATIVE_INFINITY;
    // Half of a step at most, so that neither waits for the other.
    const half = this.#size / 2;
    const recalls = log.old(half);
    const most = this.#size - recalls.length;
    const due = tables.oldest(most).filter(({ at }, i) => i < tooMuch || at <= tooOld);
    return { due, recalls, behind: due.length === most || recalls.length === half };
  }

  #writes(dropped: readonly Dropped[], recalls: readonly Uint8Array[]): Writes {
    const { tables, log, onEmptied } = this.#options;
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
      log.drop(recalls);
    };
    return { put: () => this.#measure(put), bytes: 0, batches: dropped.length + recalls.length, frees: true };
  }
}
