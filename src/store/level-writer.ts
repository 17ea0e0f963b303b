import PQueue from 'p-queue';
import { VolleyError } from '../codes.ts';
import type { Level, LevelDatabase, LevelStoreOptions } from './level-database.ts';
import { isFull } from './level-directory.ts';
import { packEntry, readPacked, TOTALS_KEY, type TotalsValue } from './level-keys.ts';

/** ms between two attempts to open the database again, or to get back the space that is kept for it. */
const RETRY_MS = 1_000;

export type Batch = ReturnType<Level['batch']>;

export interface LevelWriterOptions extends LevelStoreOptions {
  readonly database: LevelDatabase;
}

/**
 * Writes to LevelDB, one write at a time.
 *
 *   ready ──a write fails──▶ failing ──opened again──▶ full ──space for the reserve──▶ ready
 *
 * After a write that failed, LevelDB refuses all others until the database is opened again, and only then is it known
 * whether that one is stored: half of it may lie in a buffer that is written when the file is closed. So every write
 * has a number, which is stored with it. While it is not `ready`, writes are refused at once: dropping old batches would
 * need space first, too.
 */
export class LevelWriter {
  readonly #options: LevelWriterOptions;
  readonly #queue = new PQueue({ concurrency: 1 });
  #state: 'ready' | 'failing' | 'full' = 'ready';
  #refusal: VolleyError;
  #reopenedAt = Number.NEGATIVE_INFINITY;
  #recovery: Promise<void> = Promise.resolve();
  #totals: TotalsValue = [0, 0];
  #isClosed = false;
  #endPause: () => void = () => undefined;

  constructor(options: LevelWriterOptions) {
    this.#options = options;
    this.#refusal = new VolleyError('STORE_FULL', `no space is left for ${options.dir}`);
  }

  /** Bytes of all batches that are kept. */
  get bytes(): number {
    return this.#totals[0];
  }

  /** Why nothing can be written now; null when it can. */
  get refusal(): VolleyError | null {
    return this.#state === 'ready' ? null : this.#refusal;
  }

  /** Reads how far the last process came. */
  async start(): Promise<void> {
    this.#totals = await this.#readTotals();
    if (await this.#options.database.takeReserve()) return;
    this.#state = 'full';
    this.#recovery = this.#fillReserve();
  }

  /**
   * Writes what `put` puts when it is its turn; `put` gives by how many bytes what is kept grows. Resolves once it is stored.
   * `onUnknown` is told when it takes longer to find out whether it is.
   * @throws VolleyError STORE_FULL or STORE_FAILED: it is surely not stored
   */
  write(put: (batch: Batch) => number, onUnknown?: (error: VolleyError) => void): Promise<void> {
    const run = async (): Promise<void> => {
      if (this.#state !== 'ready') throw this.#refusal;
      const batch = this.#options.database.db.batch();
      const totals: TotalsValue = [this.#totals[0] + put(batch), this.#totals[1] + 1];
      batch.put(...packEntry(TOTALS_KEY, totals));
      try {
        await batch.write({ sync: this.#options.durability === 'sync' });
        this.#totals = totals;
      } catch (error) {
        await this.#recover(totals, error, onUnknown);
      }
    };
    return this.#queue.add(run);
  }

  /** From now on a database that cannot be written is not waited for. */
  giveUp(): void {
    this.#isClosed = true;
    this.#endPause();
  }

  /** Finishes what was asked for. */
  async close(): Promise<void> {
    await this.#queue.onIdle();
    await this.#recovery;
  }

  /** Opens the database again, as often as it takes, and throws unless the write is found in it. */
  async #recover([, number]: TotalsValue, cause: unknown, onUnknown?: (error: VolleyError) => void): Promise<void> {
    const { dir, onFault, database, clock } = this.#options;
    const fault = isFull(cause)
      ? new VolleyError('STORE_FULL', `no space is left for ${dir}`, { cause })
      : new VolleyError('STORE_FAILED', `${dir} could not be written`, { cause });
    if (this.#state === 'ready') onFault(fault);
    this.#state = 'failing';
    this.#refusal = fault;
    for (;;) {
      if (clock.now() - this.#reopenedAt < RETRY_MS) await this.#pause();
      this.#reopenedAt = clock.now();
      try {
        await database.reopen();
        this.#totals = await this.#readTotals();
        break;
      } catch (again) {
        onUnknown?.(new VolleyError('STORE_UNKNOWN', `whether ${dir} was written is not known yet`, { cause: again }));
        if (this.#isClosed) throw fault;
      }
    }
    this.#recovery = this.#fillReserve();
    if (this.#totals[1] !== number) throw fault;
  }

  /** Goes on until there is space for the reserve again. */
  async #fillReserve(): Promise<void> {
    const { database, dir } = this.#options;
    for (; !this.#isClosed; await this.#pause()) {
      const hasReserve = await database.takeReserve();
      this.#state = hasReserve ? 'ready' : 'full';
      if (hasReserve) return;
      this.#refusal = new VolleyError('STORE_FULL', `no space is left for ${dir}`);
    }
  }

  async #readTotals(): Promise<TotalsValue> {
    const value = await this.#options.database.read((db) => db.get(TOTALS_KEY), true);
    return readPacked<TotalsValue>(TOTALS_KEY, value) ?? [0, 0];
  }

  async #pause(): Promise<void> {
    if (this.#isClosed) return;
    await new Promise<void>((resolve) => {
      const stop = this.#options.clock.after(RETRY_MS, resolve);
      this.#endPause = () => {
        stop();
        resolve();
      };
    });
  }
}
