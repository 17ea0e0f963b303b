import { constants } from 'node:os';
import { VolleyError } from '../codes.ts';

/** What an errno means to the operator of a directory. */
const MEANINGS: Readonly<Record<string, string>> = {
  EACCES: 'this user may not read and write it: give it to this user or name another directory',
  EPERM: 'this user may not read and write it: give it to this user or name another directory',
  EROFS: 'its file system is read-only: mount it for writing or name another directory',
  ENOSPC: 'its disk is full: make room or name another directory',
  EDQUOT: 'its disk quota is used up: make room or name another directory',
  ENOLCK: 'its file system gives no locks: name a directory on a local disk',
};

/** Errors that say that something else stands where the directory should be. */
const NO_DIRECTORY: readonly string[] = ['ENOTDIR', 'EEXIST', 'EISDIR'];

/** The fault for a directory that is not a store: `why` ends the sentence. */
export function foreignFault(dir: string, why: string): VolleyError {
  return new VolleyError(
    'STORE_FOREIGN',
    `${dir} is not a store of volley: ${why}; name an empty directory or a new one`,
  );
}

/** The fault for a data file that cannot be read: `why` says what is wrong with it. */
export function damagedFault(dir: string, why: string): VolleyError {
  const remedy = 'put it back from a backup, or name another directory to begin anew';
  return new VolleyError('STORE_DAMAGED', `the store in ${dir} is damaged: data.mdb ${why}; ${remedy}`);
}

/** The fault for a store that a later volley wrote. `format` is what its data file says. */
export function versionFault(dir: string, format: string): VolleyError {
  const detail = `the store in ${dir} has the format "${format}", which this volley does not know: run the volley that wrote it`;
  return new VolleyError('STORE_VERSION', detail);
}

/** The fault for a directory that another server holds. */
export function lockedFault(dir: string): VolleyError {
  const detail = `another server runs on the store in ${dir}: stop it, or name another directory for this one`;
  return new VolleyError('STORE_LOCKED', detail);
}

/**
 * The fault that stands for anything thrown while the store in `dir` was opened: a fault as it is, an error of the
 * file system or of LMDB (its `code` is an errno's name or number) as STORE_DENIED or STORE_FOREIGN.
 */
export function openFault(dir: string, error: unknown): VolleyError {
  if (error instanceof VolleyError) return error;
  const { message } = error as Error;
  const name = nameErrno(error as NodeJS.ErrnoException);
  if (NO_DIRECTORY.includes(name)) return foreignFault(dir, 'something else stands in its place');
  const why = MEANINGS[name] ?? message;
  return new VolleyError('STORE_DENIED', `the store in ${dir} cannot be opened: ${why}`, { cause: error });
}

/** LMDB gives an errno as `code`, Node as a negative `errno`; Node has no name for EDQUOT. */
function nameErrno({ code, errno }: { code?: unknown; errno?: number | undefined }): string {
  const number = typeof code === 'number' ? code : -(errno ?? 0);
  const entry = Object.entries(constants.errno).find(([, value]) => value === number);
  return entry?.[0] ?? String(code);
}
