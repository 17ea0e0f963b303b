import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  cpSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type Clock, systemClock } from '../clock.ts';
import { VolleyError } from '../codes.ts';
import { decodeBatch } from '../frames/batch.ts';
import { runs } from '../testing/properties.ts';
import { LevelDatabase, type LevelStoreOptions } from './level-database.ts';
import { seqBefore } from './store.ts';
import {
  append,
  batchOf,
  commentsOf,
  describeStore,
  lastSeq,
  readBatches,
  SeenEvents,
  seqsOf,
} from './store-contract.fixture.ts';
import { passUntil, type StartedLevelStore, startLevelStore, temporaryDir } from './store-level.fixture.ts';
import { LevelStore } from './store-level.ts';

describeStore('the LevelDB store', startLevelStore);

/** Names that begin with each other. */
const ROOMS = ['a', 'a.b', 'ab'] as const;
const AGE = 1_000_000;

interface ModelBatch {
  readonly room: string;
  readonly seq: number;
  readonly at: number;
  readonly texts: string[];
}

/** The same log as one plain array. */
class Model {
  batches: ModelBatch[] = [];
  readonly #last = new Map<string, number>();

  append(room: string, texts: readonly string[], at: number): number {
    const seq = this.lastSeq(room) + 1;
    this.#last.set(room, seq);
    this.batches.push({ room, seq, at, texts: [...texts] });
    return seq;
  }

  recall(room: string, seq: number, index: number): number {
    const texts = this.batches.find((batch) => batch.room === room && batch.seq === seq)?.texts ?? [];
    const there = Boolean(texts[index]);
    if (there) texts[index] = '';
    return there ? 1 : 0;
  }

  prune(now: number): void {
    this.batches = this.batches.filter(({ at }) => at > now - AGE);
  }

  lastSeq(room: string): number {
    return this.#last.get(room) ?? 0;
  }

  of(room: string) {
    return this.batches
      .filter((batch) => batch.room === room)
      .map(({ seq, texts }) => {
        const kept = texts.flatMap((text, i) => (text === '' ? [] : [[`${seq}.${i}`, text]]));
        return { seq, count: kept.length, kept };
      });
  }
}

const room = fc.constantFrom(...ROOMS);
const texts = fc.array(fc.constantFrom('x', 'yy', 'z'.repeat(3_000)), { minLength: 1, maxLength: 4 });
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      batches: fc.array(fc.tuple(room, texts), { minLength: 1, maxLength: 5 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('recall' as const),
      comments: fc.array(fc.tuple(room, fc.nat(4), fc.nat(4)), { minLength: 1, maxLength: 8 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('prune' as const), ms: fc.integer({ min: 0, max: AGE }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
);

async function compare({ store }: StartedLevelStore, model: Model, upTo: number, comments: number): Promise<void> {
  for (const name of ROOMS) {
    const expected = model.of(name);
    const rows = (await readBatches(store, name)).map((batch) => ({
      seq: batch.seq,
      count: batch.count,
      kept: decodeBatch(batch).comments.map(({ id, text }) => [id, text]),
    }));
    expect(rows).toEqual(expected);
    const lost = model.lastSeq(name) - expected.length;
    expect(await store.head(name)).toEqual({ seq: model.lastSeq(name), lost, ceiling: model.lastSeq(name) });
    const part = await store.read(name, upTo - 3, upTo, 1e9);
    expect(part.batches.map(({ seq }) => seq)).toEqual(
      expected.map(({ seq }) => seq).filter((seq) => seq > upTo - 3 && seq <= upTo),
    );
    if (part.batches.length > 0) expect(part.batches[0]?.prev).toBe(Math.max(upTo - 3, lost));
    expect(await seqBefore(store, name, upTo, comments)).toBe(modelSeqBefore(expected, upTo, comments));
  }
}

function modelSeqBefore(batches: readonly { seq: number; count: number }[], upTo: number, comments: number): number {
  const kept = batches.filter(({ seq }) => seq <= upTo);
  const holds = (after: number): boolean =>
    kept.filter(({ seq }) => seq > after).reduce((sum, { count }) => sum + count, 0) >= comments;
  return (
    kept
      .map(({ seq }) => seq - 1)
      .reverse()
      .find(holds) ?? 0
  );
}

/** Waits until the store has dropped what the model has. */
async function settlePruner({ store, clock }: StartedLevelStore, model: Model): Promise<void> {
  await passUntil(clock, async () => {
    model.prune(clock.unix());
    const kept = await Promise.all(ROOMS.map(async (name) => (await seqsOf(store, name)).length));
    return kept.reduce((sum, count) => sum + count, 0) === model.batches.length;
  });
}

describe.each(['relaxed', 'sync'] as const)('the LevelDB store (%s)', (durability) => {
  it('keeps what a plain array would keep, under any appends, recalls, prunes and reopenings', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 25, size: 'max' }),
        fc.nat(20),
        fc.integer({ min: 1, max: 12 }),
        async (steps, upTo, comments) => {
          let started = await startLevelStore({ durability, retainAge: AGE });
          const model = new Model();
          for (const one of steps) {
            const { store, clock } = started;
            if (one.kind === 'append') {
              for (const [name, given] of one.batches) {
                const expected = model.append(name, given, clock.unix());
                expect(await append(store, name, commentsOf(...given))).toBe(expected);
              }
            } else if (one.kind === 'recall') {
              const ids = one.comments.map(([name, back, index]) => [name, model.lastSeq(name) - back, index] as const);
              const found = ids.map(([name, seq, index]) => store.recall(name, seq, [index]));
              expect(await Promise.all(found)).toEqual(ids.map((id) => model.recall(...id)));
            } else if (one.kind === 'prune') {
              clock.jump(one.ms);
            } else {
              started = await started.reopen();
            }
            await settlePruner(started, model);
          }
          await compare(started, model, upTo, comments);
          const again = await started.reopen();
          await settlePruner(again, model);
          await compare(again, model, upTo, comments);
          expect(again.faults).toEqual([]);
          await again.store.close();
        },
      ),
      { numRuns: runs(3) },
    );
  }, 120_000);
});

describe('many viewers that come back to a room after a restart', () => {
  it('read its newest minute once, from whatever points they ask', async () => {
    const first = await startLevelStore();
    for (let i = 0; i < 80; i += 1) await append(first.store, 'a', batchOf(1, 1_000));
    const { store } = await first.reopen();
    await store.follow('a');
    const read = vi.spyOn(LevelDatabase.prototype, 'read');
    const seqs = Array.from({ length: 50 }, (_, i) => 79 - i);
    const found = await Promise.all(seqs.map((seq) => store.read('a', seq, 80, 1e6)));
    expect(found.map(({ batches }) => batches.length)).toEqual(seqs.map((seq) => 80 - seq));
    await Promise.all(seqs.map((seq) => store.outline('a', 80, 1e6, seq, 100)));
    expect(read).toHaveBeenCalledTimes(1);
    read.mockRestore();
  });

  it('read nothing of what comes after that, and nothing that was recalled', async () => {
    const { store, clock } = await startLevelStore();
    await append(store, 'a', commentsOf('x', 'y'));
    await store.read('a', 0, 1, 1e6);
    const read = vi.spyOn(LevelDatabase.prototype, 'read');
    for (let i = 0; i < 4; i += 1) await append(store, 'a', commentsOf('x', 'y'));
    await store.recall('a', 3, [0]);
    read.mockClear();
    const batches = await readBatches(store, 'a', 1, 5);
    expect(batches.map(({ seq, prev, count }) => [seq, prev, count])).toEqual([
      [2, 1, 2],
      [3, 2, 1],
      [4, 3, 2],
      [5, 4, 2],
    ]);
    expect(read).not.toHaveBeenCalled();
    await clock.advance(61_000);
    await append(store, 'a', commentsOf('z'));
    expect(await seqsOf(store, 'a', 1, 5)).toEqual([2, 3, 4, 5]);
    expect(read).toHaveBeenCalled();
    read.mockRestore();
  });
});

describe('comments that were recalled', () => {
  it('are told of at the next start, the last five minutes’ of them, oldest first', async () => {
    const first = await startLevelStore();
    await append(first.store, 'a', commentsOf('one', 'two', 'three'));
    await append(first.store, 'b', commentsOf('four'));
    await first.store.recall('a', 1, [2]);
    await first.clock.advance(200_000);
    await first.store.recall('b', 1, [0]);
    await first.store.recall('a', 1, [0, 1]);
    const second = await first.reopen();
    expect(second.seen.recalls).toEqual(['a 1.2', 'b 1.0', 'a 1.0', 'a 1.1']);
    await first.clock.advance(150_000);
    const third = await second.reopen();
    expect(third.seen.recalls).toEqual(['b 1.0', 'a 1.0', 'a 1.1']);
  });
});

describe('what is too old', () => {
  it('is dropped in all rooms, nothing younger is, and no number is used twice', async () => {
    const started = await startLevelStore({ retainAge: 100_000 });
    const { store, clock } = started;
    await append(store, 'a', batchOf(1));
    await append(store, 'b', batchOf(1));
    await clock.advance(50_000);
    await append(store, 'a', batchOf(1));
    await clock.advance(48_000);
    expect(store.stats().pruned).toBe(0);
    await passUntil(clock, () => store.stats().pruned === 2);
    expect([await seqsOf(store, 'a'), await seqsOf(store, 'b')]).toEqual([[2], []]);
    expect(await store.head('b')).toEqual({ seq: 1, lost: 1, ceiling: 1 });
    const second = await started.reopen();
    expect(await second.store.follow('b')).toEqual({ seq: 1, lost: 1, ceiling: 1 });
    expect(await second.store.append('b', batchOf(1))).toBe(2);
    expect(second.seen.tails.flat()).toMatchObject([{ seq: 2, prev: 1 }]);
    expect((await second.store.read('b', 0, 9, 1e6)).batches).toMatchObject([{ seq: 2, prev: 1 }]);
  });

  it('is dropped to the last byte where all is too old', async () => {
    const { store, clock } = await startLevelStore({ retainAge: 10_000 });
    for (const name of ['a', 'b', 'c']) await store.follow(name);
    await Promise.all(Array.from({ length: 3_000 }, (_, i) => store.append(['a', 'b', 'c'][i % 3] ?? 'a', batchOf(1))));
    await clock.advance(11_000);
    await passUntil(clock, () => store.stats().pruned === 3_000, 10);
    expect(store.stats().bytes).toBe(0);
  });
});

describe('what is too much', () => {
  it('is dropped, the oldest of any room first, and not more than a write’s worth', async () => {
    const { store, clock } = await startLevelStore({ retainBytes: 1_000_000 });
    for (let i = 0; i < 60; i += 1) await append(store, i % 3 === 0 ? 'a' : 'b', batchOf(1, 40_000));
    await passUntil(clock, () => store.stats().bytes <= 1_000_000);
    const { bytes, pruned } = store.stats();
    expect(bytes).toBeGreaterThan(950_000);
    await clock.advance(5_000);
    expect(store.stats()).toEqual({ bytes, pruned });
    expect([...(await seqsOf(store, 'a')), ...(await seqsOf(store, 'b'))]).toHaveLength(60 - pruned);
    expect((await store.head('a')).lost).toBe(Math.ceil(pruned / 3));
  });
});

describe('a wall clock that is wrong', () => {
  const YEARS = 20 * 365 * 86_400_000;

  it('for seconds destroys nothing, and what it was is said', async () => {
    const { store, clock, notices } = await startLevelStore({ retainAge: AGE });
    await append(store, 'a', batchOf(1));
    await clock.advance(5_000);
    for (const [i, offset] of [YEARS, -clock.unix()].entries()) {
      clock.wallOffset = offset;
      await passUntil(clock, () => notices.length === 2 * i + 1);
      await append(store, 'a', batchOf(1));
      clock.wallOffset = 0;
      await passUntil(clock, () => notices.length === 2 * i + 2);
    }
    expect(await seqsOf(store, 'a')).toEqual([1, 2, 3]);
    expect(notices[0]).toMatch(/the clock is 63072\d{4} s ahead of the time that has passed: nothing is dropped/);
    await clock.advance(AGE - 60_000);
    await passUntil(clock, () => store.stats().pruned > 0);
    expect((await store.head('a')).lost).toBe(store.stats().pruned);
  });

  it('at the start destroys nothing, and what is written meanwhile is as old as it is', async () => {
    const first = await startLevelStore({ retainAge: AGE });
    await append(first.store, 'a', batchOf(1));
    for (const offset of [YEARS, -first.clock.unix()]) {
      first.clock.wallOffset = offset;
      const started = await first.reopen();
      await append(started.store, 'a', batchOf(1));
      await passUntil(first.clock, () => started.notices.length > 0);
      expect(started.notices[0]).toContain('the newest comments that are kept');
      first.clock.wallOffset = 0;
      await first.clock.advance(5_000);
      expect(started.store.stats().pruned).toBe(0);
      await started.store.close();
    }
    const last = await first.reopen();
    expect(await seqsOf(last.store, 'a')).toEqual([1, 2, 3]);
    await first.clock.advance(AGE);
    await passUntil(first.clock, () => last.store.stats().pruned === 3);
  });

  it('is believed once it has gone on evenly for an hour', async () => {
    const { store, clock, notices } = await startLevelStore({ retainAge: AGE });
    await append(store, 'a', batchOf(1));
    clock.wallOffset = 2 * AGE;
    await clock.advance(AGE - 1_000);
    expect(store.stats().pruned).toBe(0);
    await passUntil(clock, () => store.stats().pruned === 1, 600_000);
    expect(notices.at(-1)).toContain('is believed');
  });
});

describe('a directory', () => {
  it('of a server that runs is refused, and is free again when that stops', async () => {
    const first = await startLevelStore();
    await append(first.store, 'a', batchOf(1));
    await expect(startLevelStore({ dir: first.dir })).rejects.toMatchObject({ code: 'STORE_LOCKED' });
    expect(await append(first.store, 'a', batchOf(1))).toBe(2);
    expect(await lastSeq((await first.reopen()).store, 'a')).toBe(2);
  });

  it('of the old LMDB store is recognised and left alone', async () => {
    const dir = await temporaryDir();
    writeFileSync(join(dir, 'data.mdb'), 'x');
    await expect(startLevelStore({ dir })).rejects.toMatchObject({
      code: 'STORE_VERSION',
      message: expect.stringContaining('LMDB'),
    });
    expect(readdirSync(dir)).toEqual(['data.mdb']);
  });

  it('of somebody else, or of a later volley, is refused and left alone', async () => {
    const dir = await temporaryDir();
    await mkdir(join(dir, 'level'));
    await expect(startLevelStore({ dir })).rejects.toMatchObject({ code: 'STORE_FOREIGN' });
    writeFileSync(join(dir, 'volley.store'), 'volley level 2\n');
    await expect(startLevelStore({ dir })).rejects.toMatchObject({ code: 'STORE_VERSION' });
    writeFileSync(join(dir, 'volley.store'), 'something else');
    await expect(startLevelStore({ dir })).rejects.toMatchObject({ code: 'STORE_FOREIGN' });
    await expect(startLevelStore({ dir: join(dir, 'volley.store') })).rejects.toMatchObject({ code: 'STORE_FOREIGN' });
    await expect(startLevelStore({ dir: join(dir, 'volley.store', 'x') })).rejects.toMatchObject({
      code: 'STORE_FOREIGN',
    });
    expect(readdirSync(dir).sort()).toEqual(['level', 'volley.store']);
  });

  it('that a first start which was killed has left is a new one', async () => {
    const dir = await temporaryDir();
    writeFileSync(join(dir, 'volley.store'), 'volley lev');
    const { store } = await startLevelStore({ dir });
    expect(await append(store, 'a', batchOf(1))).toBe(1);
    expect(await readFile(join(dir, 'volley.store'), 'latin1')).toBe('volley level 1\n');
  });

  it('whose database is gone is damaged, and not begun anew', async () => {
    const { store, dir } = await startLevelStore();
    await store.close();
    rmSync(join(dir, 'level', 'CURRENT'));
    await expect(startLevelStore({ dir })).rejects.toMatchObject({ code: 'STORE_DAMAGED' });
    rmSync(join(dir, 'level'), { recursive: true });
    await expect(startLevelStore({ dir })).rejects.toMatchObject({ code: 'STORE_DAMAGED' });
  });
});

/** A file system in memory of a few megabytes, to be filled. */
class Tmpfs {
  readonly dir: string;

  private constructor(dir: string) {
    this.dir = dir;
  }

  /** Mounts one; null where this user or this sandbox may not. */
  static mount(megabytes: number): Tmpfs | null {
    const dir = mkdtempSync(join(tmpdir(), 'volley-tmpfs-'));
    const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', dir], {
      stdio: 'ignore',
    });
    if (status === 0) return new Tmpfs(dir);
    rmdirSync(dir);
    return null;
  }

  unmount(): void {
    execFileSync('umount', [this.dir]);
    rmdirSync(this.dir);
  }
}

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

const DAMAGED_ROOMS = ['a', 'b', 'c'];
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
    for (const room of DAMAGED_ROOMS) await store.follow(room);
    for (let i = from; i < to; i += 1) {
      const texts = Array.from({ length: 5 }, (_, k) => `${i} ${k} ${Buffer.from(noise(2_000).bytes).toString('hex')}`);
      await Promise.all(DAMAGED_ROOMS.map((room) => store.append(room, commentsOf(...texts))));
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
  for (const room of DAMAGED_ROOMS) {
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
      else if (found.kept < DAMAGED_ROOMS.length * BATCHES) expect(found.told).toBeGreaterThan(0);
    }
    // Most flips are in values, of which all others are read.
    const kept = results.flatMap((found) => (typeof found === 'string' ? [] : [(found as { kept: number }).kept]));
    expect(kept.filter((count) => count >= DAMAGED_ROOMS.length * BATCHES - 3).length).toBeGreaterThan(2);
  }, 120_000);
});
