import { closeSync, constants, fstatSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { tryLock } from 'fs-native-extensions';
import { foreignFault, lockedFault } from './lmdb-faults.ts';

/** The name of the lock file in the directory of a store. */
export const LOCK_FILE = 'volley.lock';

const MARK = 'volley\n';

/** The directory of a store, held for this process until `release`, or until the process ends in any way. */
export interface DirectoryLock {
  /**
   * True when a store was completed here once. While false, nobody was ever told that something is stored here, so
   * whatever a killed first start left may be made anew.
   */
  readonly marked: boolean;
  /** Marks the directory as that of a completed store, for good. */
  mark(): void;
  release(): void;
}

/**
 * Takes the lock of `dir`, undefined when no lock file is there. The lock is the kernel's, on the open file (OFD): another
 * container on the same directory sees it, and nothing is left of it when the process is killed. The file stays.
 * @throws VolleyError STORE_LOCKED, STORE_FOREIGN; errors of the file system
 */
export function takeLock(dir: string): DirectoryLock | undefined {
  try {
    return lockFile(dir, openSync(join(dir, LOCK_FILE), constants.O_RDWR));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Like {@link takeLock}, and makes the lock file where it is missing. */
export function createLock(dir: string): DirectoryLock {
  return lockFile(dir, openSync(join(dir, LOCK_FILE), constants.O_RDWR | constants.O_CREAT, 0o664));
}

function lockFile(dir: string, fd: number): DirectoryLock {
  try {
    if (!fstatSync(fd).isFile()) throw foreignFault(dir, `${LOCK_FILE} in it is not a file`);
    if (!tryLock(fd)) throw lockedFault(dir);
    return { marked: readMark(dir, fd), mark: () => writeMark(fd), release: () => closeSync(fd) };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** A mark that was cut short is none: it is written last. */
function readMark(dir: string, fd: number): boolean {
  const bytes = Buffer.alloc(MARK.length + 1);
  const text = bytes.toString('latin1', 0, readSync(fd, bytes, 0, bytes.length, 0));
  if (!MARK.startsWith(text)) throw foreignFault(dir, `${LOCK_FILE} in it is somebody else's`);
  return text === MARK;
}

function writeMark(fd: number): void {
  writeSync(fd, MARK, 0, 'latin1');
  fsyncSync(fd);
}
