import { closeSync, constants, fstatSync, ftruncateSync, openSync, readdirSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { damagedFault, foreignFault, versionFault } from './lmdb-faults.ts';
import { LOCK_FILE } from './lmdb-lock.ts';
import { type MetaPage, readMetaPage } from './lmdb-meta-page.ts';
import { LmdbTrees } from './lmdb-tree.ts';

/** LMDB's names for its two files. */
export const DATA_FILE = 'data.mdb';
export const READERS_FILE = 'lock.mdb';

/** Where the format's name and version stand: a database, a key in it, and the value. */
export const FORMAT_DATABASE = 'meta';
export const FORMAT_KEY = 'format';
export const FORMAT = 'volley 1';

const FORMAT_NAME = 'volley ';

/** What a file system puts into an empty directory by itself. */
const LITTER: readonly string[] = ['lost+found', LOCK_FILE];

/** More than LMDB and the first transactions of a new store write. */
const FIRST_BYTES = 131_072;

/**
 * What is known of a directory's past: `unknown` while it has no lock file of ours, `begun` when a store was begun
 * there and never completed, `completed` after that.
 */
export type Past = 'unknown' | 'begun' | 'completed';

/** What the data file is: none yet, or ours; then `unsynced` when its newest pages may not be on disk. */
export type DataFile = { readonly kind: 'new' } | { readonly kind: 'ours'; readonly unsynced: boolean };

/**
 * Looks at a directory with plain reads, so that nothing of somebody else's is touched and no broken file can end
 * the process, as it can inside LMDB.
 * @throws VolleyError STORE_FOREIGN, STORE_DAMAGED, STORE_VERSION; errors of the file system
 */
export function inspectDataFile(dir: string, past: Past): DataFile {
  const stats = statSync(join(dir, DATA_FILE), { throwIfNoEntry: false });
  if (stats !== undefined && !stats.isFile()) throw foreignFault(dir, `${DATA_FILE} in it is not a file`);
  if (stats === undefined) return expectEmpty(dir, past);
  const fd = openSync(join(dir, DATA_FILE), constants.O_RDONLY);
  try {
    const size = fstatSync(fd).size;
    const meta = readMetaPage(fd);
    if (meta === undefined) return expectBegun(dir, past, size);
    return inspectPages(dir, past, meta, new LmdbTrees(dir, fd, meta.pageSize, size));
  } finally {
    closeSync(fd);
  }
}

/** There is no data file. */
function expectEmpty(dir: string, past: Past): DataFile {
  if (past === 'completed') throw damagedFault(dir, 'is missing');
  const litter = past === 'begun' ? [...LITTER, READERS_FILE] : LITTER;
  const stranger = readdirSync(dir).find((name) => !litter.includes(name));
  if (stranger !== undefined) throw foreignFault(dir, `it holds other files (${JSON.stringify(stranger)})`);
  return { kind: 'new' };
}

/** The data file is no LMDB file: what a killed first start leaves is short. */
function expectBegun(dir: string, past: Past, size: number): DataFile {
  if (past === 'begun' && size <= FIRST_BYTES) return { kind: 'new' };
  if (past === 'unknown') throw foreignFault(dir, `${DATA_FILE} in it is not one that volley wrote`);
  throw damagedFault(dir, size === 0 ? 'is empty' : 'is truncated or overwritten');
}

function inspectPages(dir: string, past: Past, meta: MetaPage, trees: LmdbTrees): DataFile {
  const format = readFormat(meta, trees);
  if (format === undefined) {
    if (past === 'begun' && meta.mainRoot === undefined) return { kind: 'new' };
    throw foreignFault(dir, `${DATA_FILE} in it is a database of another program`);
  }
  if (format !== FORMAT) throw versionFault(dir, format);
  if (trees.endsBefore(meta.lastPage)) {
    for (const root of [meta.freeRoot, meta.mainRoot]) if (root !== undefined) trees.check(root);
  }
  return { kind: 'ours', unsynced: meta.unsynced };
}

/** The format's name and version; undefined when the file is not ours. */
function readFormat({ mainRoot }: MetaPage, trees: LmdbTrees): string | undefined {
  const root = mainRoot === undefined ? undefined : trees.findDatabase(mainRoot, FORMAT_DATABASE);
  const value = root === undefined ? undefined : trees.findValue(root, FORMAT_KEY)?.toString('latin1');
  return value?.startsWith(FORMAT_NAME) ? value : undefined;
}

/**
 * Empties the data file of a new store and sees that the disk has room for its first pages: LMDB ends the process
 * where it cannot write them.
 */
export function prepareDataFile(dir: string): void {
  const fd = openSync(join(dir, DATA_FILE), constants.O_RDWR | constants.O_CREAT, 0o664);
  try {
    ftruncateSync(fd, 0);
    fill(fd, 0, FIRST_BYTES);
  } finally {
    ftruncateSync(fd, 0);
    closeSync(fd);
  }
}

/** Writes zeros from `from` to `to`. A full disk can cut a write short before it fails one. */
export function fill(fd: number, from: number, to: number): void {
  const zeros = Buffer.alloc(to - from);
  for (let at = from; at < to; at += writeSync(fd, zeros, at - from, to - at, at));
}
