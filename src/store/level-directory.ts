/**
 * The directory of a LevelDB store, and what is told of one that cannot be used.
 *
 *   volley.store   one line: that this is a store of volley, its format, and `begun` until its database was there once
 *   level/         the database
 *   reserve        zeros, space for opening a database again on a full disk
 */
import { access, constants, mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type FaultCode, VolleyError } from '../codes.ts';

const MARK = 'volley level 1';

/** What an error means to the operator, by its name or by how LevelDB words it: another fault than STORE_DENIED, and why. */
const MEANINGS: readonly (readonly [pattern: RegExp, code: FaultCode, why: string | null])[] = [
  [/No locks available|ENOLCK/, 'STORE_DENIED', 'its file system gives no locks: name a directory on a local disk'],
  [
    /IO error: lock/,
    'STORE_LOCKED',
    'another server runs on it: stop that one, or name another directory for this one',
  ],
  [/Permission denied|EACCES|EPERM/, 'STORE_DENIED', 'this user may not read and write it: give it to this user'],
  [/Read-only|EROFS/, 'STORE_DENIED', 'its file system is read-only: mount it for writing or name another directory'],
  [/No space left|quota exceeded|ENOSPC|EDQUOT/, 'STORE_DENIED', 'its disk is full: make room'],
  [/ENOTDIR|EEXIST|EISDIR/, 'STORE_FOREIGN', 'something else stands in its place: name another directory'],
  [/Corruption|No such file|does not exist|CURRENT file/, 'STORE_DAMAGED', null],
];

/** The fault for anything thrown while the store in `dir` was opened; a fault as it is. */
export function openFault(dir: string, error: unknown): VolleyError {
  if (error instanceof VolleyError) return error;
  const { message } = ((error as Error).cause ?? error) as Error;
  const [, code = 'STORE_DENIED', why = message] = MEANINGS.find(([pattern]) => pattern.test(message)) ?? [];
  return code === 'STORE_DAMAGED' ? damagedFault(dir, message) : storeFault(code, dir, why ?? message, error);
}

/** The fault for a store whose files cannot be read. `why` says what is wrong with them. */
export function damagedFault(dir: string, why: string): VolleyError {
  const remedy = 'put the directory back from a backup, or name another one to begin anew';
  return storeFault('STORE_DAMAGED', dir, `it is damaged: ${why}; ${remedy}`);
}

function storeFault(code: FaultCode, dir: string, why: string, cause?: unknown): VolleyError {
  return new VolleyError(code, `the store in ${dir} cannot be opened: ${why}`, { cause });
}

/** True when a write failed for want of space. */
export function isFull(error: unknown): boolean {
  return /ENOSPC|EDQUOT|EFBIG|No space left|quota exceeded|File too large/.test(String(error));
}

/**
 * Makes `dir` where it is missing and sees that it is a store of volley or may become one; nothing in a directory of
 * somebody else is changed. True when a database was there once, so that one that is missing now is lost.
 * @throws VolleyError STORE_FOREIGN, STORE_VERSION; errors of the file system
 */
export async function prepareDirectory(dir: string): Promise<boolean> {
  await mkdir(dir, { recursive: true });
  await access(dir, constants.R_OK | constants.W_OK | constants.X_OK);
  const names = await readdir(dir);
  if (names.includes('volley.store')) return readMark(dir, await readFile(join(dir, 'volley.store'), 'latin1'));
  if (names.includes('data.mdb')) {
    const why = 'it holds the LMDB database of an early volley, which this one does not read: move it away';
    throw storeFault('STORE_VERSION', dir, why);
  }
  if (names.includes('level')) throw foreignFault(dir, 'level');
  await writeFile(join(dir, 'volley.store'), `${MARK} begun\n`, { flag: 'wx' });
  return false;
}

function readMark(dir: string, text: string): boolean {
  if (text === `${MARK}\n`) return true;
  // Cut short when the first start was killed.
  if (`${MARK} begun\n`.startsWith(text)) return false;
  if (!text.startsWith('volley ')) throw foreignFault(dir, 'volley.store');
  const why = `its format is "${text.trim()}", which this volley does not know: run the volley that wrote it`;
  throw storeFault('STORE_VERSION', dir, why);
}

function foreignFault(dir: string, name: string): VolleyError {
  return storeFault('STORE_FOREIGN', dir, `"${name}" in it is not of volley: name an empty directory or a new one`);
}

/** Notes that the database is there. */
export async function completeDirectory(dir: string): Promise<void> {
  await writeFile(join(dir, 'volley.store.new'), `${MARK}\n`);
  await rename(join(dir, 'volley.store.new'), join(dir, 'volley.store'));
}

/**
 * Looks for table files that are shorter than the database thinks (`tables` gives what LevelDB says of them): it would
 * find them only when it reads them.
 * @throws VolleyError STORE_DAMAGED
 */
export async function checkTables(dir: string, tables: () => string): Promise<void> {
  for (const [line, number = '', size] of tables().matchAll(/^ (\d+):(\d+)\[/gm)) {
    const file = join(dir, 'level', `${number.padStart(6, '0')}.ldb`);
    const found = await stat(file).then(
      (stats) => stats.size,
      () => 0,
    );
    // LevelDB compacts in the background from the start: it may have replaced the table meanwhile.
    if (found !== Number(size) && tables().includes(line)) {
      throw damagedFault(dir, `${file} has ${found} bytes and had ${size}`);
    }
  }
}

/** What LevelDB left out of its log when it opened the database, as its own sentence; null for nothing. */
export async function findDropped(dir: string): Promise<string | null> {
  const text = await readFile(join(dir, 'level', 'LOG'), 'latin1');
  return /\d+\.log: dropping \d+ bytes.*/.exec(text)?.[0] ?? null;
}
