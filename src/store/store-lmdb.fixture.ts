import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { FakeClock } from '../clock.fixture.ts';
import type { StoredBatch } from './store.ts';
import type { StartedStore } from './store-contract.fixture.ts';
import { LmdbStore, type LmdbStoreOptions } from './store-lmdb.ts';

/** A started store in a directory, on a clock that a test moves. */
export interface StartedLmdbStore extends StartedStore {
  readonly store: LmdbStore;
  readonly clock: FakeClock;
  readonly dir: string;
  /** What went wrong in the background. */
  readonly faults: unknown[];
  /** What it knew to be recalled when it was started: `room seq.place`. */
  readonly recalled: readonly string[];
  /** Closes the store and starts another on its directory. */
  reopen(changed?: Partial<LmdbStoreOptions>): Promise<StartedLmdbStore>;
}

/** A directory that is gone after the test. */
export async function temporaryDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'volley-lmdb-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** Starts a store without bounds unless `given` has some. It is closed after the test. */
export async function startLmdbStore(given: Partial<LmdbStoreOptions> = {}): Promise<StartedLmdbStore> {
  const clock = given.clock instanceof FakeClock ? given.clock : new FakeClock();
  const dir = given.dir ?? join(await temporaryDir(), 'store');
  const faults: unknown[] = [];
  const onFault = (error: unknown): void => void faults.push(error);
  const options = { durability: 'relaxed', retainAge: 0, retainBytes: 0, onFault, ...given, dir, clock } as const;
  const store = new LmdbStore(options);
  const tails: (readonly StoredBatch[])[] = [];
  const recalled = (await store.start((batches) => tails.push(batches))).map(({ room, id }) => `${room} ${id}`);
  onTestFinished(() => store.close());
  const reopen = async (changed: Partial<LmdbStoreOptions> = {}): Promise<StartedLmdbStore> => {
    await store.close();
    return startLmdbStore({ ...options, ...changed });
  };
  return { store, clock, dir, faults, recalled, tails, reopen };
}
