import { describe, expect, it, vi } from 'vitest';
import { batchOf, seqsOf } from './store-contract.fixture.ts';
import { type StartedLmdbStore, startLmdbStore } from './store-lmdb.fixture.ts';

/** Lets time pass until the pruner has dropped `pruned` batches in all. */
async function pruneTo({ store, clock }: StartedLmdbStore, pruned: number): Promise<void> {
  await vi.waitFor(
    async () => {
      await clock.advance(50);
      expect(store.stats().pruned).toBe(pruned);
    },
    { timeout: 10_000, interval: 1 },
  );
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
