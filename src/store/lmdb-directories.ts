import { closeSync, constants, fsyncSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { foreignFault } from './lmdb-faults.ts';

/**
 * Makes `dir` and those above it where they are missing; gives the ones that it made. Node's own `recursive` says
 * ENOENT for a read-only file system.
 * @throws VolleyError STORE_FOREIGN; errors of the file system
 */
export function makeDirectories(dir: string): string[] {
  const made: string[] = [];
  makeMissing(dir, resolve(dir), made);
  return made;
}

function makeMissing(dir: string, path: string, made: string[]): void {
  if (isDirectory(dir, path)) return;
  makeMissing(dir, dirname(path), made);
  try {
    mkdirSync(path);
    made.push(path);
  } catch (error) {
    // Another server may have made it in the meantime.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !isDirectory(dir, path)) throw error;
  }
}

function isDirectory(dir: string, path: string): boolean {
  try {
    if (statSync(path).isDirectory()) return true;
  } catch (error) {
    // ENOTDIR: one above it is a file, which comes out when that is looked at.
    if (!['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    return false;
  }
  throw foreignFault(dir, `${path} is not a directory`);
}

/** Brings the entries of `dir`, and those of the directories that were `made` for it, to the disk. */
export function syncDirectories(dir: string, made: readonly string[]): void {
  for (const path of new Set([resolve(dir), ...made.map((each) => dirname(each))])) {
    try {
      syncDirectory(path);
    } catch (error) {
      // One that this user may write but not read cannot be synced; the file system does it within seconds.
      if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error;
    }
  }
}

function syncDirectory(path: string): void {
  const fd = openSync(path, constants.O_RDONLY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
