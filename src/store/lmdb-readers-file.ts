import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fill, READERS_FILE } from './lmdb-data-file.ts';

/** What LMDB needs for its 126 readers and its mutexes, and some more. */
const BYTES = 16_384;

/**
 * Makes LMDB's table of readers, or sees that it may be written and that every block of it is on the disk. LMDB writes
 * it through a map: a block that a full disk cannot give ends the process (SIGBUS). Call it before LMDB has the file
 * open: closing any descriptor of the file frees LMDB's own lock on it (POSIX locks belong to the process).
 */
export function prepareReadersFile(dir: string): void {
  const fd = openSync(join(dir, READERS_FILE), constants.O_RDWR | constants.O_CREAT, 0o664);
  try {
    const { size, blocks } = fstatSync(fd);
    if (size < BYTES) fill(fd, size, BYTES);
    if (blocks * 512 < Math.min(size, BYTES)) rewrite(fd, Math.min(size, BYTES));
  } finally {
    closeSync(fd);
  }
}

/** Gives holes in the file blocks, and changes no byte. */
function rewrite(fd: number, size: number): void {
  const bytes = Buffer.alloc(size);
  const got = readSync(fd, bytes, 0, size, 0);
  for (let at = 0; at < got; at += writeSync(fd, bytes, at, got - at, at));
}
