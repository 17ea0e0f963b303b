/** The LevelDB store on a disk that is full, and on files that are truncated or have flipped bits. */
import {
  closeSync,
  cpSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type Clock, systemClock } from '../clock.ts';
import { VolleyError } from '../codes.ts';
import { decodeBatch } from '../frames/batch.ts';
import type { LevelStoreOptions } from './level-database.ts';
import { append, batchOf, commentsOf, lastSeq, SeenEvents, seqsOf } from './store-contract.fixture.ts';
import { startLevelStore, temporaryDir } from './store-level.fixture.ts';
import { LevelStore } from './store-level.ts';
import { Tmpfs } from './tmpfs.fixture.ts';

const probe = Tmpfs.mount(1);
probe?.unmount();

const DEADLINE_MS = 20_000;

/** A directory on a disk of `megabytes`. Asked for before the store, so that it outlives it. */
function smallDisk(megabytes: number): string {
  const disk = Tmpfs.mount(megabytes);
  if (disk === null) throw new Error('no file system can be mounted');
  onTestFinished(() => disk.unmount());
  return disk.dir;
}

/** A store on the system's clock, as recovering from a full disk takes time. */
function openStore(dir: string, given: Partial<LevelStoreOptions> = {}) {
  const faults: unknown[] = [];
  const store = new LevelStore({
    dir,
    durability: 'relaxed',
    retainAge: 0,
    retainBytes: 0,
    clock: systemClock satisfies Clock,
    onFault: (error) => faults.push(error),
    onNotice: () => undefined,
    ...given,
  });
  return { store, faults };
}

async function startStore(dir: string, given: Partial<LevelStoreOptions> = {}) {
  const { store, faults } = openStore(dir, given);
  const seen = new SeenEvents();
  await store.start(seen);
  onTestFinished(() => store.close());
  return { store, seen, faults };
}

/** Takes all the space that is left. */
function fill(file: string): void {
  for (let size = 1_048_576; size >= 1; size = size >>> 1) {
    try {
      for (;;) writeFileSync(file, Buffer.alloc(size), { flag: 'a' });
    } catch (error) {
      if (!(error instanceof Error) || !('code' in error) || error.code !== 'ENOSPC') throw error;
    }
  }
}

/** Tries until it is no longer refused with `code`. */
async function untilNot<T>(code: string, attempt: () => Promise<T>): Promise<T> {
  const end = Date.now() + DEADLINE_MS;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof VolleyError) || error.code !== code || Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Real bytes, which no compression makes smaller. */
function noise(length: number) {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  return { bytes, count: 1 };
}

// Left out where this user may not mount a tmpfs.
describe.skipIf(probe === null).each(['relaxed', 'sync'] as const)('a full disk (%s)', (durability) => {
  it('refuses appends with STORE_FULL, stores nothing of them, is read all the while, and recovers', async () => {
    const disk = smallDisk(64);
    const { store, seen, faults } = await startStore(join(disk, 'store'), { durability });
    await append(store, 'other', commentsOf('one', 'two'));
    for (let i = 0; i < 20; i += 1) await append(store, 'a', noise(20_000));
    const filler = join(disk, 'filler');
    fill(filler);
    let stored = 20;
    for (let full = false; !full; stored += full ? 0 : 1) {
      full = await append(store, 'a', noise(200_000)).then(
        () => false,
        (error: unknown) => {
          expect(error).toMatchObject({ code: 'STORE_FULL' });
          return true;
        },
      );
    }
    for (let i = 0; i < 3; i += 1) {
      await expect(append(store, 'a', batchOf(1))).rejects.toMatchObject({ code: 'STORE_FULL' });
    }
    await expect(store.recall('other', 1, [0])).rejects.toMatchObject({ code: 'STORE_FULL' });
    expect([await lastSeq(store, 'a'), (await seqsOf(store, 'a')).length]).toEqual([stored, stored]);
    expect(seen.tails.flat()).toHaveLength(stored + 1);
    expect(faults).toHaveLength(1);
    rmSync(filler);
    expect(await untilNot('STORE_FULL', () => append(store, 'a', noise(1_000_000)))).toBe(stored + 1);
    expect(await store.recall('other', 1, [0])).toBe(1);
    await store.close();
    const again = await startStore(join(disk, 'store'), { durability });
    expect(await seqsOf(again.store, 'a')).toHaveLength(stored + 1);
    expect(await again.store.follow('a')).toMatchObject({ seq: stored + 1 });
  });

  it('does not keep close from ending, nor a store that is there from starting and being read', async () => {
    const disk = smallDisk(64);
    const first = await startStore(join(disk, 'store'), { durability });
    await append(first.store, 'a', batchOf(1));
    fill(join(disk, 'filler'));
    const appended = append(first.store, 'a', noise(5_000_000)).catch((error: unknown) => error);
    await first.store.close();
    expect(await appended).toMatchObject({ code: 'STORE_FULL' });
    fill(join(disk, 'filler'));
    const second = await startStore(join(disk, 'store'), { durability });
    expect(await seqsOf(second.store, 'a')).toEqual([1]);
    await expect(append(second.store, 'a', noise(5_000_000))).rejects.toMatchObject({ code: 'STORE_FULL' });
    rmSync(join(disk, 'filler'));
    expect(await untilNot('STORE_FULL', () => append(second.store, 'a', batchOf(1)))).toBe(2);
  });
});

const ROOMS = ['a', 'b', 'c'];
const BATCHES = 90;
const IN_TABLES = 80;

/** A store with some hundred batches, closed: most of them in table files, the last in the log. */
async function createStore(dir: string): Promise<void> {
  for (const [from, to] of [
    [0, IN_TABLES],
    [IN_TABLES, BATCHES],
  ] as const) {
    // What an earlier run left in the log goes into a table at the start.
    const { store } = openStore(dir);
    await store.start(new SeenEvents());
    for (const room of ROOMS) await store.follow(room);
    for (let i = from; i < to; i += 1) {
      const texts = Array.from({ length: 5 }, (_, k) => `${i} ${k} ${Buffer.from(noise(2_000).bytes).toString('hex')}`);
      await Promise.all(ROOMS.map((room) => store.append(room, commentsOf(...texts))));
    }
    await store.close();
  }
}

/** Starts on a copy that `spoil` was given, reads everything, and appends: the fault of the start, or what was read. */
async function readSpoiled(
  dir: string,
  spoil: (level: string) => void,
): Promise<string | { kept: number; told: number }> {
  const copy = join(await temporaryDir(), 'copy');
  cpSync(dir, copy, { recursive: true });
  spoil(join(copy, 'level'));
  let started: Awaited<ReturnType<typeof startLevelStore>>;
  try {
    started = await startLevelStore({ dir: copy });
  } catch (error) {
    expect(error).toMatchObject({ name: 'VolleyError', message: expect.stringContaining(copy) });
    expect((error as Error).message).toMatch(/backup/);
    return (error as VolleyError).code;
  }
  let kept = 0;
  for (const room of ROOMS) {
    let before = 0;
    for (let after = 0; after < BATCHES; ) {
      const { batches, lost } = await started.store.read(room, after, BATCHES, 100_000);
      for (const batch of batches) {
        // What is read is what was written, and a hole is seen.
        expect(decodeBatch(batch).comments).toHaveLength(5);
        expect(decodeBatch(batch).comments[0]?.text).toMatch(new RegExp(`^${batch.seq - 1} 0 `));
        expect(batch.prev).toBe(batch.seq - 1);
        expect(batch.prev === before || batch.prev <= lost).toBe(true);
        before = batch.seq;
        kept += 1;
      }
      after = batches.at(-1)?.seq ?? BATCHES;
    }
    await append(started.store, room, batchOf(1));
  }
  await started.store.close();
  return { kept, told: started.faults.length };
}

/** A third of them each in tables, the log and the manifest. */
const FLIPS = 9;

function filesOf(level: string, pattern: RegExp): string[] {
  return readdirSync(level)
    .filter((name) => pattern.test(name))
    .map((name) => join(level, name));
}

function flip(file: string, at: number): void {
  const bytes = readFileSync(file);
  const fd = openSync(file, 'r+');
  writeSync(fd, Buffer.from([(bytes[at] ?? 0) ^ 0x10]), 0, 1, at);
  closeSync(fd);
}

describe('a store whose files are', () => {
  let dir: string;

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'volley-faults-'));
    await createStore(dir);
  });

  afterAll(() => rmSync(dir, { recursive: true }));

  it('truncated or gone is refused at the start, in one sentence with the way out', async () => {
    const level = join(dir, 'level');
    const tables = filesOf(level, /\.ldb$/).length;
    expect(tables).toBeGreaterThan(0);
    for (const pattern of [/\.ldb$/, /^MANIFEST/, /^CURRENT$/]) {
      for (const part of [0, 0.5, 0.99]) {
        // All of them: a table alone may be one that a compaction has replaced and not yet removed.
        const found = await readSpoiled(dir, (copy) => {
          for (const file of filesOf(copy, pattern)) truncateSync(file, Math.floor(statSync(file).size * part));
        });
        // A manifest that was cut short is what a kill may leave behind: then what is missing is told of.
        if (String(pattern) === '/^MANIFEST/' && typeof found !== 'string') expect(found.told).toBeGreaterThan(0);
        else expect([pattern, part, found]).toEqual([pattern, part, 'STORE_DAMAGED']);
      }
      const gone = await readSpoiled(dir, (copy) => {
        for (const file of filesOf(copy, pattern)) rmSync(file);
      });
      expect([pattern, gone]).toEqual([pattern, 'STORE_DAMAGED']);
    }
  });

  it('altered by single bits gives what was written or nothing, says so, and goes on', async () => {
    const results: unknown[] = [];
    for (let i = 0; i < FLIPS; i += 1) {
      const pattern = [/\.ldb$/, /\.log$/, /^MANIFEST/][i % 3] as RegExp;
      const found = await readSpoiled(dir, (copy) => {
        const file = filesOf(copy, pattern).find((name) => statSync(name).size > 0) ?? '';
        flip(file, Math.floor(statSync(file).size * ((i + 0.5) / FLIPS)));
      });
      results.push(found);
      if (typeof found === 'string') expect(found).toBe('STORE_DAMAGED');
      // Every loss was told.
      else if (found.kept < ROOMS.length * BATCHES) expect(found.told).toBeGreaterThan(0);
    }
    // Most flips are in values, of which all others are read.
    const kept = results.flatMap((found) => (typeof found === 'string' ? [] : [(found as { kept: number }).kept]));
    expect(kept.filter((count) => count >= ROOMS.length * BATCHES - 3).length).toBeGreaterThan(2);
  }, 120_000);
});
