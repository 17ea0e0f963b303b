import { closeSync, constants, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Database, open, type RootDatabase, type RootDatabaseOptionsWithPath } from 'lmdb';
import type { Durability } from '../settings/settings.ts';
import {
  DATA_FILE,
  type DataFile,
  FORMAT,
  FORMAT_DATABASE,
  FORMAT_KEY,
  inspectDataFile,
  prepareDataFile,
} from './lmdb-data-file.ts';
import { makeDirectories, syncDirectories } from './lmdb-directories.ts';
import { openFault } from './lmdb-faults.ts';
import { createLock, type DirectoryLock, takeLock } from './lmdb-lock.ts';
import { prepareReadersFile } from './lmdb-readers-file.ts';

/**
 * Address space for the map of the data file, in bytes. It costs nothing before it is used; one that is large from the
 * start never moves, where a small one is mapped again and again, and LMDB keeps every old map.
 */
const MAP_SIZE = 64 * 2 ** 30;

/** LMDB's directory, opened and held. */
export interface LmdbEnvironment {
  /** Closed by `close` only. */
  readonly root: RootDatabase;
  /** Waits for what was written, closes LMDB and gives the directory back. To be called once. */
  close(): Promise<void>;
}

/**
 * Opens the directory of an LMDB store, makes it where it is missing, and holds it until `close`. Nothing in a
 * directory that is somebody else's is changed, and nothing stays taken when this throws.
 * @throws VolleyError STORE_LOCKED, STORE_FOREIGN, STORE_DENIED, STORE_DAMAGED, STORE_VERSION
 */
export async function openEnvironment(dir: string, durability: Durability): Promise<LmdbEnvironment> {
  let lock: DirectoryLock | undefined;
  try {
    const made = makeDirectories(dir);
    lock = holdDirectory(dir);
    const held = lock;
    const data = inspectDataFile(dir, held.marked ? 'completed' : 'begun');
    prepareReadersFile(dir);
    if (data.kind === 'new') await createData(dir);
    if (!held.marked) {
      // LMDB syncs its files, never the directories that name them.
      syncDirectories(dir, made);
      held.mark();
    }
    const root = await openData(dir, data, durability);
    return {
      root,
      close: async () => {
        // Where LMDB could not close, the lock is kept as long as the process lives.
        await root.close();
        held.release();
      },
    };
  } catch (error) {
    lock?.release();
    throw openFault(dir, error);
  }
}

/** Takes the lock; a directory without our lock file is looked at first, so that none is made in somebody else's. */
function holdDirectory(dir: string): DirectoryLock {
  const held = takeLock(dir);
  if (held !== undefined) return held;
  let data: DataFile;
  try {
    data = inspectDataFile(dir, 'unknown');
  } catch (error) {
    // Another server may have begun here in the meantime: then what was seen is its work.
    const late = takeLock(dir);
    if (late === undefined) throw error;
    return late;
  }
  const lock = createLock(dir);
  // A data file of ours without our lock file came from a backup: it is complete.
  if (data.kind === 'ours') lock.mark();
  return lock;
}

/** Writes the format of a new store, to the disk. Synchronous calls: they throw, where promises would be left over. */
async function createData(dir: string): Promise<void> {
  prepareDataFile(dir);
  const root = open(optionsOf(dir, 'sync'));
  try {
    const meta: Database<Uint8Array, Uint8Array> = root.openDB(FORMAT_DATABASE, {
      encoding: 'binary',
      keyEncoding: 'binary',
    });
    meta.putSync(Buffer.from(FORMAT_KEY), Buffer.from(FORMAT));
  } finally {
    await root.close();
  }
}

async function openData(dir: string, data: DataFile, durability: Durability): Promise<RootDatabase> {
  // LMDB ends the process where it may not open its file.
  closeSync(openSync(join(dir, DATA_FILE), constants.O_RDWR));
  // Only with overlappingSync does LMDB go back to what was flushed before a power cut.
  if (durability === 'sync' && data.kind === 'ours' && data.unsynced) await open(optionsOf(dir, 'relaxed')).close();
  return open(optionsOf(dir, durability));
}

/** No `useWritemap`: a full disk would end the process (SIGBUS) and not fail the write. */
function optionsOf(dir: string, durability: Durability): RootDatabaseOptionsWithPath {
  return {
    path: dir,
    noSubdir: false,
    maxDbs: 8,
    overlappingSync: durability === 'relaxed',
    ...(mayMap() ? { mapSize: MAP_SIZE } : {}),
  };
}

/** False under a limit of address space (`ulimit -v`): LMDB ends the process where it cannot map. */
function mayMap(): boolean {
  try {
    return /^Max address space\s+unlimited/m.test(readFileSync('/proc/self/limits', 'latin1'));
  } catch {
    return false;
  }
}
