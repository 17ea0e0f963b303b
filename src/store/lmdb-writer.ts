import type { RootDatabase } from 'lmdb';
import type { Clock } from '../clock.ts';
import { VolleyError } from '../codes.ts';
import type { Durability } from '../settings/settings.ts';
import type { LmdbSpace } from './lmdb-space.ts';
import type { LmdbTables } from './lmdb-tables.ts';

/** How long until the next look whether a transaction is visible: ms, doubled each time. */
const FIRST_LOOK = 1;
const LAST_LOOK = 16;

/** Bytes of new pages that a transaction may need beside its values: of itself, and a batch (leaves, branches). */
const TRANSACTION_PAGES = 64 * 4_096;
const BATCH_PAGES = 8 * 4_096;

/** Batches that a transaction may drop on a full disk. */
export const BATCHES_ON_FULL_DISK = 32;

/** Kept back for such transactions: they write new pages before old ones are free. */
const RESERVE = BATCHES_ON_FULL_DISK * BATCH_PAGES + TRANSACTION_PAGES;

/** What one transaction writes. */
export interface Writes {
  /** Puts and removes, nothing else: what is written before it throws would be committed. */
  readonly put: () => void;
  /** Bytes of the values. */
  readonly bytes: number;
  /** Batches put or removed. */
  readonly batches: number;
  /** True for what makes room in the end: it may use the space kept back, enough for {@link BATCHES_ON_FULL_DISK}. */
  readonly frees?: boolean;
}

export interface LmdbWriterOptions {
  readonly root: RootDatabase;
  readonly dir: string;
  readonly tables: LmdbTables;
  readonly space: LmdbSpace;
  readonly durability: Durability;
  readonly clock: Clock;
  /** Something is committed, but could not be flushed to disk. */
  readonly onFault: (error: unknown) => void;
}

/**
 * Writes to LMDB, one transaction after the other. One at a time, so that each can be made from what is stored, and so
 * that a disk that stands still holds one thread of libuv's pool and not all of them.
 *
 * What lmdb 3.5 does, and what follows:
 * - A commit's promise waits for the flush, with overlappingSync too. `relaxed` is done before that, once other
 *   transactions see it: then it is in the operating system's hands. Nothing tells of this moment, so it is looked for.
 * - A flush that fails rejects a commit that is visible. So a rejection is checked: what is visible was stored.
 * - After a failed commit `close` waits for ever, unless an empty transaction comes after it.
 * - On a full disk it damages the process's memory: see LmdbSpace, which is asked for the space first.
 * - After a failed write of a meta page LMDB gives MDB_PANIC for everything, and the next write would never end.
 */
export class LmdbWriter {
  readonly #options: LmdbWriterOptions;
  /** Settles when nothing is in flight; never rejects. */
  #last: Promise<unknown> = Promise.resolve();
  /** The last transaction was not committed. */
  #failed = false;
  #broken: VolleyError | null = null;

  constructor(options: LmdbWriterOptions) {
    this.#options = options;
  }

  /** LMDB gives nothing any more; appends fail with the reason. */
  get broken(): boolean {
    return this.#broken !== null;
  }

  /**
   * Runs `prepare` once everything before is committed: it reads and gives what to write, or null for nothing. True
   * once that is as safe as `durability` asks, false for nothing to write.
   * @throws VolleyError STORE_FULL or STORE_FAILED, then nothing is stored; whatever `prepare` throws
   */
  write(prepare: () => Writes | null): Promise<boolean> {
    return this.writeThen(prepare, (done) => done);
  }

  /** The same, and the next `prepare` runs only after what `finish` makes of the outcome. */
  writeThen<T>(prepare: () => Writes | null, finish: (done: Promise<boolean>) => Promise<T>): Promise<T> {
    const turn = this.#last.then(() => this.#begin(prepare));
    const finished = finish(turn.then(({ done }) => done));
    this.#last = Promise.allSettled([finished, turn.then(({ ended }) => ended)]);
    return finished;
  }

  /** Waits for everything before and leaves LMDB so that it can be closed; false where its `close` would not end. */
  async finish(): Promise<boolean> {
    // What ends may ask for the next.
    for (let last: unknown; last !== this.#last; ) {
      last = this.#last;
      await last;
    }
    if (this.#broken !== null) return false;
    if (this.#failed) await this.#options.root.transaction(() => undefined).catch((error) => causeOf(error));
    return true;
  }

  /** `ended`: nothing of it runs any more. An object, as a promise in a promise would be waited for. */
  async #begin(prepare: () => Writes | null): Promise<{ done: Promise<boolean>; ended: Promise<unknown> }> {
    if (this.#broken !== null) throw this.#broken;
    const writes = prepare();
    if (writes === null) return { done: Promise.resolve(false), ended: Promise.resolve() };
    await this.#reserve(writes);
    const before = this.#lastTransaction();
    const committed = this.#options.root.batch(writes.put);
    // With lmdb's eventTurnBatching there is another promise of this commit, which nobody is given before now. Without
    // a listener its rejection would end the process.
    setImmediate(() => void this.#options.root.committed.then(ignore, ignore));
    const { done, flushed } = this.#options.durability === 'sync' ? wait(committed) : this.#look(before, committed);
    const checked = done.then(
      () => true,
      (error) => this.#check(before, error),
    );
    return { done: checked, ended: Promise.allSettled([flushed, checked]) };
  }

  /** `done` as `committed`, but as soon as other transactions see it; `flushed` settles when nothing of it is left. */
  #look(before: number, committed: Promise<boolean>): { done: Promise<unknown>; flushed: Promise<unknown> } {
    let seen = false;
    let stop = (): void => undefined;
    const visible = new Promise<void>((resolve) => {
      let pause = FIRST_LOOK;
      const look = (): void => {
        if (this.#panics()) return;
        seen = this.#lastTransaction() > before;
        if (seen) {
          this.#options.root.resetReadTxn();
          resolve();
        } else {
          pause = Math.min(LAST_LOOK, pause * 2);
          stop = this.#options.clock.after(pause, look);
        }
      };
      stop = this.#options.clock.after(pause, look);
    });
    const flushed = committed.then(
      () => {
        stop();
        this.#failed = false;
      },
      async (error) => {
        stop();
        if (!seen) return;
        this.#failed = true;
        this.#options.onFault(await causeOf(error));
        this.#panics();
      },
    );
    return { done: Promise.race([visible, committed]), flushed };
  }

  /** What a rejected commit means: true when it is stored nevertheless. */
  async #check(before: number, error: unknown): Promise<boolean> {
    this.#failed = true;
    const cause = await causeOf(error);
    const { root, durability, onFault } = this.#options;
    root.resetReadTxn();
    if (this.#panics()) throw this.#broken;
    if (this.#lastTransaction() > before && durability === 'relaxed') {
      onFault(cause);
      return true;
    }
    throw await this.#fault(cause);
  }

  async #reserve({ bytes, batches, frees }: Writes): Promise<void> {
    const { root, space, tables } = this.#options;
    const { lastPageNumber, pageSize } = root.getStats() as { lastPageNumber: number; pageSize: number };
    const used = (lastPageNumber + 1) * pageSize;
    const needed = bytes + batches * BATCH_PAGES + TRANSACTION_PAGES;
    try {
      await space.reserve(used, frees ? needed : needed + RESERVE);
    } catch (cause) {
      // Pages that were given free do as well. But a large value takes pages in a row, so that it may go to the end.
      const free = used - tables.bytesInUse();
      if (free < 2 * needed || !(frees || space.has(used, needed))) throw await this.#fault(cause);
    }
  }

  async #fault(cause: unknown): Promise<VolleyError> {
    const { dir, space } = this.#options;
    const full = await space.isFull(cause);
    if (full) return new VolleyError('STORE_FULL', `no space is left for ${dir}`, { cause });
    return new VolleyError('STORE_FAILED', `${dir} could not be written`, { cause });
  }

  /** True when LMDB cannot go on without being opened again. */
  #panics(): boolean {
    const { dir, root } = this.#options;
    try {
      root.doesExist(Buffer.from([0]));
    } catch (cause) {
      this.#broken ??= new VolleyError('STORE_FAILED', `${dir} must be opened again: start the server anew`, { cause });
    }
    return this.#broken !== null;
  }

  /** The number of the newest transaction that is visible. */
  #lastTransaction(): number {
    return (this.#options.root.getStats() as { lastTxnId: number }).lastTxnId;
  }
}

function ignore(): void {}

function wait(committed: Promise<boolean>): { done: Promise<unknown>; flushed: Promise<unknown> } {
  return { done: committed, flushed: committed };
}

/** Why a commit failed: lmdb rejects with an error that has it in a promise, which must not stay without a listener. */
async function causeOf(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !('commitError' in error)) return error;
  try {
    await error.commitError;
    return error;
  } catch (cause) {
    return cause;
  }
}
