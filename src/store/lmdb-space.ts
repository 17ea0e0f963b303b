import { type FileHandle, open, statfs } from 'node:fs/promises';
import { join } from 'node:path';

/** Asked for beyond what is needed, so that not every transaction has to. */
const AHEAD = 4 * 1_048_576;

const ZEROS = Buffer.alloc(1_048_576);

/** ENOSPC, EDQUOT and EFBIG as Node and as LMDB (by number) name them. */
const FULL: readonly unknown[] = ['ENOSPC', 'EDQUOT', 'EFBIG', 28, 122, 27];

/** EIO as LMDB names it; a write that came back short too. */
const SHORT_WRITE = 5;

/**
 * Space on disk for LMDB's data file, taken before LMDB needs it.
 *
 * LMDB must not find the disk full: lmdb 3.5 then writes its error message beyond the end of its buffer (mdb.c,
 * `sprintf` into `malloc(100)`), which ends the process sooner or later. So zeros are written behind its last page
 * first; that they do not fit is an error of ours, and LMDB is not asked.
 */
export class LmdbSpace {
  readonly #dir: string;
  readonly #file: FileHandle;
  /** The file has its blocks up to here. */
  #end: number;

  private constructor(dir: string, file: FileHandle, end: number) {
    this.#dir = dir;
    this.#file = file;
    this.#end = end;
  }

  static async open(dir: string): Promise<LmdbSpace> {
    const file = await open(join(dir, 'data.mdb'), 'r+');
    return new LmdbSpace(dir, file, (await file.stat()).size);
  }

  /**
   * Resolves when the file has room for `bytes` behind `used`, where LMDB's last page ends. No transaction may be on
   * its way.
   * @throws the file system's error; {@link isFull} tells whether that is for want of space
   */
  async reserve(used: number, bytes: number): Promise<void> {
    const needed = used + bytes;
    if (needed <= this.#end) return;
    const start = Math.max(this.#end, used);
    try {
      await this.#extend(start, needed + AHEAD);
    } catch {
      await this.#extend(start, needed);
    }
  }

  /** True when there are `bytes` behind `used` already. */
  has(used: number, bytes: number): boolean {
    return used + bytes <= this.#end;
  }

  /** True when a write failed with `error` for want of space. */
  async isFull(error: unknown): Promise<boolean> {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code !== SHORT_WRITE) return FULL.includes(code);
    const { bavail } = await statfs(this.#dir);
    return bavail === 0;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #extend(start: number, end: number): Promise<void> {
    for (let at = start; at < end; ) {
      const { bytesWritten } = await this.#file.write(ZEROS, 0, Math.min(ZEROS.length, end - at), at);
      at += bytesWritten;
    }
    this.#end = end;
  }
}
