import { afterEach, describe, expect, it, vi } from 'vitest';
import { FakeClock } from '../clock.fixture.ts';
import { LmdbRecallLog } from './lmdb-recall-log.ts';
import { LmdbSpace } from './lmdb-space.ts';
import { LmdbTables } from './lmdb-tables.ts';
import { batchOf, commentsOf, seqsOf } from './store-contract.fixture.ts';
import { type StartedLmdbStore, startLmdbStore } from './store-lmdb.fixture.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

/** Lets time pass, `ms` between two looks, until the pruner has dropped `pruned` batches in all. */
async function pruneTo({ store, clock }: StartedLmdbStore, pruned: number, ms = 50): Promise<void> {
  await vi.waitFor(
    async () => {
      await clock.advance(ms);
      expect(store.stats().pruned).toBe(pruned);
    },
    { timeout: 10_000, interval: 1 },
  );
}

/** Stores so many batches in a few rooms, and lets so much time pass that all are too old. */
async function fillOld({ store, clock }: StartedLmdbStore, count: number): Promise<void> {
  for (let left = count; left > 0; left -= 500) {
    const some = Array.from({ length: Math.min(500, left) }, (_, i) => store.append(`room-${i % 7}`, batchOf(1)));
    await Promise.all(some);
  }
  clock.jump(10_000);
}

/** On which all that is measured takes `taken` ms. */
class TakingClock extends FakeClock {
  taken = 0;
  #sum = 0;

  override now(): number {
    this.#sum += this.taken;
    return super.now() + this.#sum;
  }
}

/** Lets time pass in which the pruner looks several times. */
async function look({ clock }: StartedLmdbStore): Promise<void> {
  for (let i = 0; i < 40; i += 1) await clock.advance(100);
}

describe('what is too old', () => {
  it('is dropped in the background, in all rooms, and nothing younger', async () => {
    const started = await startLmdbStore({ retainAge: 100_000 });
    const { store, clock } = started;
    await Promise.all([store.append('a', batchOf(1)), store.append('b', batchOf(1))]);
    await clock.advance(50_000);
    await store.append('a', batchOf(1));
    await look(started);
    expect(store.stats().pruned).toBe(0);
    await clock.advance(46_000);
    await pruneTo(started, 2);
    await look(started);
    expect(await seqsOf(store, 'a')).toEqual([2]);
    expect(await seqsOf(store, 'b')).toEqual([]);
    expect(await store.read('a', 0, 9, 1e9)).toMatchObject([{ seq: 2, prev: 1 }]);
    expect(await store.seqBefore('a', 2, 1)).toBe(1);
    expect([store.lastSeq('a'), store.lastSeq('b')]).toEqual([2, 1]);
  });

  it('is dropped a few at a time', async () => {
    const started = await startLmdbStore({ retainAge: 10_000 });
    const { store, clock } = started;
    await Promise.all(Array.from({ length: 1_000 }, (_, i) => store.append(`room-${i % 7}`, batchOf(1))));
    clock.jump(10_000);
    const seen = new Set<number>();
    await vi.waitFor(async () => {
      await clock.advance(5);
      seen.add(store.stats().pruned);
      expect(store.stats().pruned).toBe(1_000);
    }, 10_000);
    expect(seen.size).toBeGreaterThan(5);
    const emptied = store.stats().bytes;
    expect(emptied).toBeLessThan(20_000);
  });

  it('is dropped more at a time while there is more, and a few again when there is not', async () => {
    const started = await startLmdbStore({ retainAge: 10_000 });
    await fillOld(started, 3_500);
    const oldest = vi.spyOn(LmdbTables.prototype, 'oldest');
    await pruneTo(started, 3_500);
    await look(started);
    const sizes = oldest.mock.calls.map(([size]) => size);
    expect(sizes.slice(0, 8)).toEqual([32, 64, 128, 256, 512, 1_024, 1_024, 1_024]);
    expect(sizes.at(-1)).toBe(32);
  });

  it('is dropped fewer at a time where that takes the main thread for long', async () => {
    const clock = new TakingClock();
    const started = await startLmdbStore({ retainAge: 10_000, clock });
    await fillOld(started, 3_000);
    const oldest = vi.spyOn(LmdbTables.prototype, 'oldest');
    // By 1 ms, less than the pause between two steps: none is missed.
    await pruneTo(started, 32 + 64 + 128, 1);
    clock.taken = 0.75;
    await pruneTo(started, 32 + 64 + 128 + 2 * 256, 1);
    clock.taken = 1.5;
    await pruneTo(started, 3_000);
    const sizes = oldest.mock.calls.map(([size]) => size).slice(0, 10);
    expect(sizes).toEqual([32, 64, 128, 256, 256, 256, 128, 64, 32, 32]);
  });

  it('is dropped as many at a time as fit on a disk that is full', async () => {
    const started = await startLmdbStore({ retainAge: 10_000 });
    await fillOld(started, 200);
    const oldest = vi.spyOn(LmdbTables.prototype, 'oldest');
    vi.spyOn(LmdbSpace.prototype, 'reserve').mockImplementation(async (_used, bytes) => {
      if (bytes > 5 * 262_144) throw Object.assign(new Error('full'), { code: 'ENOSPC' });
    });
    await pruneTo(started, 200);
    expect(oldest.mock.calls.map(([size]) => size).slice(0, 6)).toEqual([32, 64, 32, 32, 32, 32]);
    expect(started.faults).toEqual([]);
  });

  it('is kept for ever where no bound is given', async () => {
    const started = await startLmdbStore({ retainAge: 0, retainBytes: 0 });
    await started.store.append('a', batchOf(1));
    await started.clock.advance(1e12);
    expect(started.clock.timers).toBe(0);
    expect(await seqsOf(started.store, 'a')).toEqual([1]);
  });
});

describe('what is too much', () => {
  it('is dropped, the oldest of any room first, and not more than needed', async () => {
    const started = await startLmdbStore({ retainBytes: 1_000_000 });
    const { store } = started;
    for (let i = 0; i < 60; i += 1) await store.append(i % 3 === 0 ? 'a' : 'b', batchOf(1, 40_000));
    await vi.waitFor(async () => {
      await started.clock.advance(50);
      expect(store.stats().bytes).toBeLessThanOrEqual(1_000_000);
    }, 10_000);
    const { bytes, pruned } = store.stats();
    expect(bytes).toBeGreaterThan(850_000);
    await look(started);
    expect(store.stats()).toEqual({ bytes, pruned });
    const kept = [...(await seqsOf(store, 'a')), ...(await seqsOf(store, 'b'))];
    expect(kept).toHaveLength(60 - pruned);
    expect(
      Math.abs(40 - (await seqsOf(store, 'b')).length - 2 * (20 - (await seqsOf(store, 'a')).length)),
    ).toBeLessThan(3);
  });
});

describe('what is remembered of recalls', () => {
  /** Stores and recalls so many comments. */
  async function recallSome({ store }: StartedLmdbStore, count: number): Promise<void> {
    const rooms = Array.from({ length: count }, (_, i) => `room-${i}`);
    await Promise.all(rooms.map((room) => store.append(room, commentsOf('x'))));
    await Promise.all(rooms.map((room) => store.recall(room, 1, 0)));
  }

  it('is dropped after five minutes, and until then costs no comments', async () => {
    const started = await startLmdbStore({ retainAge: 60_000 });
    const { store, clock } = started;
    await recallSome(started, 3_000);
    await clock.advance(60_000);
    await pruneTo(started, 3_000);
    expect(store.stats().bytes).toBeGreaterThan(150_000);
    // In `rooms` there are as many last seqs, which never go.
    const second = await started.reopen({ retainAge: 0, retainBytes: 100_000 });
    for (let i = 0; i < 20; i += 1) await second.store.append('a', batchOf(1));
    await look(second);
    expect([second.recalled.length, await seqsOf(second.store, 'a')]).toMatchObject([3_000, { length: 20 }]);
    const before = second.store.stats().bytes;
    clock.jump(300_000);
    await vi.waitFor(
      async () => {
        await clock.advance(50);
        expect(before - second.store.stats().bytes).toBeGreaterThan(100_000);
      },
      { timeout: 10_000, interval: 1 },
    );
    expect(await seqsOf(second.store, 'a')).toHaveLength(20);
    expect((await second.reopen()).recalled).toEqual([]);
  });

  it('is dropped beside batches, and in no larger steps', async () => {
    const started = await startLmdbStore({ retainAge: 300_000 });
    await recallSome(started, 500);
    const old = vi.spyOn(LmdbRecallLog.prototype, 'old');
    const oldest = vi.spyOn(LmdbTables.prototype, 'oldest');
    started.clock.jump(300_001);
    await pruneTo(started, 500);
    const recalls = old.mock.results.slice(0, 5).map(({ value }) => value.length);
    expect(recalls).toEqual([16, 32, 64, 128, 256]);
    expect(oldest.mock.calls.slice(0, 5)).toEqual(recalls.map((half) => [half]));
    expect((await started.reopen()).recalled).toEqual([]);
  });
});

describe.each(['relaxed', 'sync'] as const)('a store that was pruned to nothing (%s)', (durability) => {
  it('uses no number twice, also after it was opened again', async () => {
    const first = await startLmdbStore({ durability, retainAge: 1_000 });
    for (let i = 0; i < 3; i += 1) await first.store.append('a', batchOf(1));
    await first.clock.advance(2_000);
    await pruneTo(first, 3);
    const second = await first.reopen();
    await look(second);
    expect(second.store.lastSeq('a')).toBe(3);
    expect(await seqsOf(second.store, 'a')).toEqual([]);
    expect(await second.store.append('a', batchOf(1))).toBe(4);
    expect(second.tails.flat()).toMatchObject([{ seq: 4, prev: 3 }]);
    await second.clock.advance(2_000);
    await pruneTo(second, 1);
    expect(second.store.lastSeq('a')).toBe(4);
    const third = await second.reopen();
    expect(await third.store.append('a', batchOf(1))).toBe(5);
    const fourth = await third.reopen();
    expect(fourth.store.lastSeq('a')).toBe(5);
    expect(await seqsOf(fourth.store, 'a')).toEqual([5]);
  });

  it('keeps the last seq where the clock was set back and the newest batch is the oldest by time', async () => {
    const first = await startLmdbStore({ durability, retainAge: 100_000 });
    await first.store.append('a', batchOf(1));
    first.clock.jump(-90_000);
    await first.store.append('a', batchOf(1));
    first.clock.jump(100_000);
    await pruneTo(first, 1);
    expect(await seqsOf(first.store, 'a')).toEqual([1]);
    const second = await first.reopen();
    expect(second.store.lastSeq('a')).toBe(2);
    expect(await second.store.append('a', batchOf(1))).toBe(3);
  });
});
