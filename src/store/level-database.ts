import { existsSync } from 'node:fs';
import { rm, stat, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import PQueue from 'p-queue';
import type { Clock } from '../clock.ts';
import { VolleyError } from '../codes.ts';
import type { Durability } from '../settings.ts';
import * as directory from './level-directory.ts';

/** More readings at a time gain nothing on a disk, and libuv's four threads are shared with writes and deflate. */
const READINGS = 2;

/**
 * Space that is kept for opening the database again on a full disk: LevelDB writes its log of at most 4 MiB as a table
 * first. A small file system gives a quarter of itself at most.
 */
const RESERVE = 8_388_608;

/** Fewer and larger files than LevelDB's own 2 MiB, each of which takes a reading to open: 16 GiB are 4,096 of them. */
const FILE_BYTES = 4_194_304;

export type Level = ClassicLevel<Buffer, Buffer>;

export interface LevelStoreOptions {
  /** The directory, made where it is missing. */
  readonly dir: string;
  readonly durability: Durability;
  /** ms that a batch is kept, 0 for ever. */
  readonly retainAge: number;
  /** Most bytes of batches that are kept, 0 for no bound. */
  readonly retainBytes: number;
  readonly clock: Clock;
  /** Something in the background failed, or writing begins to fail. */
  readonly onFault: (error: unknown) => void;
  /** What an operator should know and is no fault, as a sentence. */
  readonly onNotice: (sentence: string) => void;
}

/**
 * The LevelDB database in a directory. After a write that failed it must be opened again before the next one: LevelDB
 * leaves half a record in its log, behind which later ones would not be found. It can be read until then.
 */
export class LevelDatabase {
  readonly db: Level;
  readonly #dir: string;
  readonly #readings = new PQueue({ concurrency: READINGS });
  #reserve = RESERVE;

  private constructor(dir: string, db: Level) {
    this.#dir = dir;
    this.db = db;
  }

  /**
   * Opens the database, and makes it in a directory that is empty or missing.
   * @throws VolleyError STORE_LOCKED, STORE_FOREIGN, STORE_DENIED, STORE_DAMAGED, STORE_VERSION; then nothing is held
   */
  static async open({ dir, onFault }: LevelStoreOptions): Promise<LevelDatabase> {
    const isComplete = await directory.prepareDirectory(dir).catch((error: unknown) => {
      throw directory.openFault(dir, error);
    });
    const encodings = { keyEncoding: 'buffer', valueEncoding: 'buffer' };
    const options = { ...encodings, maxFileSize: FILE_BYTES, createIfMissing: !isComplete };
    const database = new LevelDatabase(dir, new ClassicLevel(join(dir, 'level'), options));
    try {
      await database.#open();
      if (!isComplete) await directory.completeDirectory(dir);
    } catch (error) {
      await database.db.close();
      throw directory.openFault(dir, error);
    }
    const dropped = await directory.findDropped(dir);
    if (dropped !== null) onFault(directory.damagedFault(dir, `LevelDB says "${dropped}", and goes on without it`));
    return database;
  }

  async #open(): Promise<void> {
    await this.db.open().catch((error: unknown) => this.#openWithReserve(error));
    await directory.checkTables(this.#dir, () => this.db.getProperty('leveldb.sstables'));
    const { blocks, bsize } = await statfs(this.#dir);
    this.#reserve = Math.min(RESERVE, Math.floor((blocks * bsize) / 4));
  }

  /** Opens without the reserve, unless `error` says that opening failed for another reason than want of space. */
  async #openWithReserve(error: unknown): Promise<void> {
    if (error !== null && !directory.isFull((error as Error).cause)) throw error;
    await rm(join(this.#dir, 'reserve'), { force: true });
    await this.db.open({ createIfMissing: false });
  }

  /**
   * Runs a reading when its turn comes, a short one (`isUrgent`) before the others. Two run at a time, and none while the
   * database is opened again.
   * @throws VolleyError STORE_FAILED
   */
  async read<T>(run: (db: Level) => Promise<T>, isUrgent = false): Promise<T> {
    try {
      const priority = isUrgent ? 1 : 0;
      // After `close`, it is the database that says so.
      return await this.#readings.add(() => run(this.db), { priority });
    } catch (cause) {
      if (cause instanceof VolleyError) throw cause;
      throw new VolleyError('STORE_FAILED', `${this.#dir} could not be read`, { cause });
    }
  }

  /**
   * Closes the database and opens it again, with the space that was kept for that.
   * @throws VolleyError when it cannot be opened; then readings fail until a later call succeeds
   */
  async reopen(): Promise<void> {
    this.#readings.pause();
    await this.#readings.onPendingZero();
    try {
      await this.db.close();
      await this.#openWithReserve(null);
    } catch (error) {
      throw directory.openFault(this.#dir, error);
    } finally {
      this.#readings.start();
    }
  }

  /** Takes the space that opening again may need; false when there is not so much. */
  async takeReserve(bytes = this.#reserve): Promise<boolean> {
    const file = join(this.#dir, 'reserve');
    try {
      if (!existsSync(file) || (await stat(file)).size !== bytes) await writeFile(file, Buffer.alloc(bytes));
      return true;
    } catch (error) {
      await rm(file, { force: true });
      if (directory.isFull(error)) return false;
      throw error;
    }
  }

  /** Waits for the readings that run; those that wait fail. */
  async close(): Promise<void> {
    this.#readings.pause();
    await this.#readings.onPendingZero();
    await this.db.close();
    this.#readings.start();
    // For the next start, which may find the disk as full: what is left of it, if not all.
    if (!(await this.takeReserve())) await this.takeReserve(this.#reserve / 2);
  }
}
