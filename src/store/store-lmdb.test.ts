import { statSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { FakeClock } from '../clock.fixture.ts';
import { LmdbSpace } from './lmdb-space.ts';
import { LmdbTables } from './lmdb-tables.ts';
import { batchOf, commentsOf, describeStore, seqsOf } from './store-contract.fixture.ts';
import { startLmdbStore } from './store-lmdb.fixture.ts';
import { LmdbStore } from './store-lmdb.ts';

/** On which every look at it takes 2 ms. */
class SteppingClock extends FakeClock {
  override now(): number {
    this.jump(2);
    return super.now();
  }
}

describeStore('the LMDB store, relaxed', () => startLmdbStore({ durability: 'relaxed' }));
describeStore('the LMDB store, sync', () => startLmdbStore({ durability: 'sync' }));

describe.each(['relaxed', 'sync'] as const)('the LMDB store, %s', (durability) => {
  it('goes on after it was closed and opened again', async () => {
    const first = await startLmdbStore({ durability });
    for (let i = 1; i <= 5; i += 1) await first.store.append('a', batchOf(i, i * 3_000));
    await first.store.append('b', commentsOf('one', 'two'));
    await first.store.recall('b', 1, 0);
    const kept = await first.store.read('a', 0, 9, 1e9);
    const { store, tails } = await first.reopen();
    expect([store.lastSeq('a'), store.lastSeq('b'), store.lastSeq('c')]).toEqual([5, 1, 0]);
    expect(await store.read('a', 0, 9, 1e9)).toEqual(kept);
    expect(await store.read('b', 0, 9, 1e9)).toMatchObject([{ count: 1 }]);
    expect(await store.recall('b', 1, 0)).toBe(false);
    expect(await store.recall('b', 1, 1)).toBe(true);
    expect(await store.seqBefore('a', 5, 9)).toBe(3);
    expect(tails).toEqual([]);
    expect(await store.append('a', batchOf(1))).toBe(6);
    expect(tails).toMatchObject([[{ seq: 6, prev: 5 }]]);
  });

  it('gives what was recalled in the last five minutes when it is opened again', async () => {
    const first = await startLmdbStore({ durability });
    await first.store.append('b', commentsOf('one', 'two', 'three'));
    await first.store.append('a', commentsOf('one', 'two'));
    await first.store.recall('b', 1, 2);
    first.clock.jump(200_000);
    await Promise.all([first.store.recall('a', 1, 1), first.store.recall('b', 1, 0), first.store.recall('a', 1, 0)]);
    expect(await first.store.recall('a', 1, 0)).toBe(false);
    const second = await first.reopen();
    expect([first.recalled, second.recalled]).toEqual([[], ['b 1.2', 'a 1.1', 'a 1.0', 'b 1.0']]);
    second.clock.jump(100_000);
    const third = await second.reopen();
    expect(third.recalled).toEqual(['b 1.2', 'a 1.1', 'a 1.0', 'b 1.0']);
    third.clock.jump(1);
    const fourth = await third.reopen();
    expect(fourth.recalled).toEqual(['a 1.1', 'a 1.0', 'b 1.0']);
    fourth.clock.jump(200_000);
    expect((await fourth.reopen()).recalled).toEqual([]);
  });

  it('looks up at its start where the logs of lately busy rooms end, so that nobody waits for the disk later', async () => {
    const first = await startLmdbStore({ durability });
    for (const room of ['a', 'b', 'a', 'c']) await first.store.append(room, batchOf(1));
    const look = vi.spyOn(LmdbTables.prototype, 'lastSeq');
    onTestFinished(() => look.mockRestore());
    const { store } = await first.reopen();
    expect(look.mock.calls.map(([room]) => room)).toEqual(['c', 'a', 'b']);
    expect(['a', 'b', 'c'].map((room) => store.lastSeq(room))).toEqual([2, 1, 1]);
    expect(look).toHaveBeenCalledTimes(3);
  });

  it('leaves the loop its turns while it looks so, and takes nothing before it has started', async () => {
    const first = await startLmdbStore({ durability });
    await Promise.all(Array.from({ length: 40 }, (_, i) => first.store.append(`room-${i}`, batchOf(1))));
    await first.store.close();
    const { dir, faults } = first;
    const options = { dir, durability, retainAge: 0, retainBytes: 0, onFault: (error: unknown) => faults.push(error) };
    const store = new LmdbStore({ ...options, clock: new SteppingClock() });
    onTestFinished(() => store.close());
    const lookedIn: number[] = [];
    const look = vi.spyOn(LmdbTables.prototype, 'lastSeq');
    onTestFinished(() => look.mockRestore());
    let starting = true;
    const counting = (async () => {
      while (starting) {
        lookedIn.push(look.mock.calls.length);
        expect(() => store.lastSeq('a')).toThrow('not open');
        await expect(store.append('a', batchOf(1))).rejects.toMatchObject({ code: 'STORE_FAILED' });
        await nextTurn();
      }
    })();
    await store.start(() => undefined);
    starting = false;
    await counting;
    expect(new Set(lookedIn).size).toBeGreaterThan(5);
    expect(look).toHaveBeenCalledTimes(40);
  });

  it('is opened by the other durability too', async () => {
    const first = await startLmdbStore({ durability });
    await first.store.append('a', batchOf(1));
    const { store } = await first.reopen({ durability: durability === 'sync' ? 'relaxed' : 'sync' });
    expect(await store.append('a', batchOf(1))).toBe(2);
    expect(await seqsOf(store, 'a')).toEqual([1, 2]);
  });

  it('gathers what is appended while a transaction is on its way, and keeps prev right', async () => {
    const { store, tails } = await startLmdbStore({ durability });
    const answers = [store.append('a', batchOf(1))];
    await Promise.resolve();
    for (let i = 0; i < 3; i += 1) {
      answers.push(store.append('a', batchOf(1)), store.append('b', batchOf(1)));
      await Promise.resolve();
    }
    expect(await Promise.all(answers)).toEqual([1, 2, 1, 3, 2, 4, 3]);
    expect(tails.flat().every(({ seq, prev }) => prev === seq - 1)).toBe(true);
    expect(tails.length).toBeLessThan(4);
  });

  it('answers an append before the many recalls that were asked for earlier', async () => {
    const { store } = await startLmdbStore({ durability });
    await Promise.all(Array.from({ length: 400 }, () => store.append('a', commentsOf('one'))));
    let answered = 0;
    const recalls = Array.from({ length: 400 }, (_, i) => store.recall('a', i + 1, 0));
    for (const recall of recalls) void recall.then(() => (answered += 1));
    await store.append('b', batchOf(1));
    expect(answered).toBeLessThanOrEqual(128);
    expect(new Set(await Promise.all(recalls))).toEqual(new Set([true]));
  });

  it('finishes all recalls that it was asked for before it was closed', async () => {
    const { store, reopen } = await startLmdbStore({ durability });
    await Promise.all(Array.from({ length: 400 }, () => store.append('a', commentsOf('one'))));
    const recalls = Array.from({ length: 400 }, (_, i) => store.recall('a', i + 1, 0));
    const closed = store.close();
    await expect(store.recall('a', 1, 0)).rejects.toMatchObject({ code: 'STORE_FAILED' });
    expect(new Set(await Promise.all(recalls))).toEqual(new Set([true]));
    await closed;
    const again = await reopen();
    const kept = await again.store.read('a', 0, 1_000, 1e9);
    expect(kept.map(({ count }) => count)).toEqual(new Array(400).fill(0));
  });

  it('refuses what is appended after it was closed', async () => {
    const { store, tails } = await startLmdbStore({ durability });
    await store.append('a', batchOf(1));
    const closed = store.close();
    await expect(store.append('a', batchOf(1))).rejects.toMatchObject({ code: 'STORE_FAILED' });
    await closed;
    await expect(store.append('a', batchOf(1))).rejects.toMatchObject({ code: 'STORE_FAILED' });
    await expect(store.read('a', 0, 1, 1)).rejects.toMatchObject({ code: 'STORE_FAILED' });
    expect(tails).toHaveLength(1);
    await store.close();
  });
});

describe('the LMDB store', () => {
  it('stores what is too much for one transaction in several, and answers all in their order', async () => {
    const { store, tails } = await startLmdbStore();
    const answered: string[] = [];
    const rooms = Array.from({ length: 2_500 }, (_, i) => `room-${i % 2_000}`);
    const seqs = await Promise.all(
      rooms.map(async (room) => {
        const seq = await store.append(room, batchOf(1));
        answered.push(room);
        return seq;
      }),
    );
    expect(seqs).toEqual(rooms.map((_, i) => (i < 2_000 ? 1 : 2)));
    expect(tails.map(({ length }) => length)).toEqual([1_024, 1_024, 452]);
    expect([tails.flat().map(({ room }) => room), answered]).toEqual([rooms, rooms]);
    expect(tails.flat().map(({ prev }) => prev)).toEqual(seqs.map((seq) => seq - 1));
    const large = Array.from({ length: 5 }, () => store.append('a', batchOf(1, 17 * 1_048_576)));
    expect(await Promise.all(large)).toEqual([1, 2, 3, 4, 5]);
    expect(tails.slice(3).map(({ length }) => length)).toEqual([2, 2, 1]);
  });

  it('finishes everything that was appended before it was closed, however much', async () => {
    const { store, tails } = await startLmdbStore();
    const appended = Array.from({ length: 2_500 }, () => store.append('a', batchOf(1)));
    await store.close();
    expect(await Promise.all(appended)).toEqual(Array.from({ length: 2_500 }, (_, i) => i + 1));
    expect(tails).toHaveLength(3);
  });

  it('takes little more space on disk for many rooms at once than for a few', async () => {
    const { store, dir } = await startLmdbStore();
    await Promise.all(Array.from({ length: 10_000 }, (_, i) => store.append(`room-${i}`, batchOf(1))));
    expect(statSync(join(dir, 'data.mdb')).size).toBeLessThan(48 * 1_048_576);
  });

  it('is named after its directory as given', async () => {
    const { store, dir } = await startLmdbStore();
    expect(store.name).toBe(`lmdb:${dir}`);
  });

  it('answers and reports when the tail throws: what is stored is stored', async () => {
    const { store, faults, tails } = await startLmdbStore();
    const fault = new Error('tail');
    tails.push = () => {
      throw fault;
    };
    expect(await store.append('a', batchOf(1))).toBe(1);
    expect(faults).toEqual([fault]);
    expect(store.lastSeq('a')).toBe(1);
  });

  it('reports the first of the appends that fail one after the other, and the first that fails once more', async () => {
    const { store, faults } = await startLmdbStore();
    const reserve = vi.spyOn(LmdbSpace.prototype, 'reserve');
    onTestFinished(() => reserve.mockRestore());
    const full = Object.assign(new Error('no space'), { code: 'ENOSPC' });
    const refused = { code: 'STORE_FULL', cause: full };
    for (let times = 1; times <= 2; times += 1) {
      reserve.mockRejectedValue(full);
      for (let i = 0; i < 3; i += 1) await expect(store.append('a', batchOf(1))).rejects.toMatchObject(refused);
      expect(faults).toMatchObject(new Array(times).fill(refused));
      reserve.mockResolvedValue();
      expect(await store.append('a', batchOf(1))).toBe(times);
    }
    expect(faults).toHaveLength(2);
  });

  it('looks over 20,000 batches without comments at most, and goes on from there when asked again', async () => {
    const { store } = await startLmdbStore();
    await store.append('a', batchOf(2));
    for (let left = 25_000; left > 0; left -= 500) {
      await Promise.all(Array.from({ length: 500 }, () => store.append('a', batchOf(0, 1))));
    }
    await store.append('a', batchOf(3));
    expect(await store.seqBefore('a', 25_002, 3)).toBe(25_001);
    expect(await store.seqBefore('a', 25_002, 4)).toBe(5_001);
    expect(await store.seqBefore('a', 25_002, 4, 6_000)).toBe(6_000);
    expect(await store.seqBefore('a', 5_001, 1)).toBe(0);
    expect(await store.seqBefore('a', 20_000, 1)).toBe(0);
    expect(await store.seqBefore('a', 20_001, 1)).toBe(1);
  });

  it('counts the bytes of pages in use', async () => {
    const { store } = await startLmdbStore();
    const before = store.stats();
    for (let i = 0; i < 10; i += 1) await store.append('a', batchOf(1, 40_000));
    expect(store.stats().bytes - before.bytes).toBeGreaterThan(400_000);
    expect(store.stats().bytes - before.bytes).toBeLessThan(500_000);
    expect(store.stats().pruned).toBe(0);
  });

  it('hands out bytes that LMDB does not write over later', async () => {
    const { store } = await startLmdbStore();
    for (let i = 1; i <= 4; i += 1) await store.append('a', batchOf(i, 20 ** i / 4));
    const found = await store.read('a', 0, 9, 1e9);
    for (let i = 1; i <= 50; i += 1) await store.append('b', batchOf(200, 20_000));
    await store.read('b', 0, 99, 1e9);
    for (const [i, { bytes }] of found.entries()) expect(bytes.every((byte) => byte === i + 1)).toBe(true);
    expect(found.map(({ bytes }) => bytes.length)).toEqual([5, 100, 2_000, 40_000]);
  });
});
