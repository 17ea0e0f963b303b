import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished, vi } from 'vitest';
import { FakeClock } from '../testing/clock.ts';
import type { LevelStoreOptions } from './level-database.ts';
import { SeenEvents, type StartedStore } from './store-contract.fixture.ts';
import { LevelStore } from './store-level.ts';

/** A started store in a directory, on a clock that a test moves. */
export interface StartedLevelStore extends StartedStore {
  readonly store: LevelStore;
  readonly clock: FakeClock;
  readonly dir: string;
  /** What went wrong in the background. */
  readonly faults: unknown[];
  /** Sentences for the operator. */
  readonly notices: string[];
  /** Closes the store and starts another on its directory. */
  reopen(changed?: Partial<LevelStoreOptions>): Promise<StartedLevelStore>;
}

/** A directory that is gone after the test. */
export async function temporaryDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'volley-level-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** Starts a store without bounds unless `given` has some. It is closed after the test. */
export async function startLevelStore(given: Partial<LevelStoreOptions> = {}): Promise<StartedLevelStore> {
  const clock = given.clock instanceof FakeClock ? given.clock : new FakeClock();
  const dir = given.dir ?? join(await temporaryDir(), 'store');
  const faults: unknown[] = [];
  const notices: string[] = [];
  const onFault = (error: unknown): void => void faults.push(error);
  const onNotice = (sentence: string): void => void notices.push(sentence);
  const options: LevelStoreOptions = {
    durability: 'relaxed',
    retainAge: 0,
    retainBytes: 0,
    onFault,
    onNotice,
    ...given,
    dir,
    clock,
  };
  const store = new LevelStore(options);
  const seen = new SeenEvents();
  await store.start(seen);
  onTestFinished(() => store.close());
  const reopen = async (changed: Partial<LevelStoreOptions> = {}): Promise<StartedLevelStore> => {
    await store.close();
    return startLevelStore({ ...given, dir, clock, ...changed });
  };
  return { store, clock, dir, faults, notices, seen, reopen };
}

/** Lets time pass, `ms` between two looks, until `holds`. */
export async function passUntil(clock: FakeClock, holds: () => boolean | Promise<boolean>, ms = 1_000): Promise<void> {
  await vi.waitFor(
    async () => {
      if (await holds()) return;
      await clock.advance(ms);
      throw new Error('not yet');
    },
    { timeout: 15_000, interval: 1 },
  );
}
