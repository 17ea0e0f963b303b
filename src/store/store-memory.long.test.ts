import { describe, expect, it } from 'vitest';
import { FakeClock } from '../testing/clock.ts';
import { lastSeq, readBatches, SeenEvents } from './store-contract.fixture.ts';
import { MemoryStore } from './store-memory.ts';

describe('the memory store', () => {
  it('uses no seq twice for a room that 100,000 emptied rooms pushed out of its memory', async () => {
    const clock = new FakeClock(0);
    const store = new MemoryStore({ comments: 10, bytes: 1e9, age: 1_000, clock });
    const batch = { bytes: new Uint8Array(8), count: 1 };
    await store.start(new SeenEvents());
    for (let i = 0; i < 5; i += 1) await store.append('first', batch);
    await clock.advance(2_000);
    for (let i = 0; i < 100_001; i += 1) store.append(`room-${i}`, batch);
    await store.append('last', batch);
    await clock.advance(2_000);
    expect(await readBatches(store, 'last', 0, 10, 1e6)).toEqual([]);
    expect(await lastSeq(store, 'first')).toBeGreaterThanOrEqual(5);
    expect(await store.append('first', batch)).toBeGreaterThan(5);
    expect(await store.append('room-0', batch)).toBeGreaterThan(1);
    expect(await store.append('last', batch)).toBe(2);
  });

  it('does not count a room among the emptied ones that has batches again', async () => {
    const clock = new FakeClock(0);
    const store = new MemoryStore({ comments: 10, bytes: 1e9, age: 1_000, clock });
    const batch = { bytes: new Uint8Array(8), count: 1 };
    await store.start(new SeenEvents());
    await store.append('kept', batch);
    await clock.advance(2_000);
    expect(await readBatches(store, 'kept', 0, 10, 1e6)).toEqual([]);
    for (let i = 0; i < 100_001; i += 1) store.append(`room-${i}`, batch);
    await clock.advance(500);
    await store.append('kept', batch);
    await clock.advance(700);
    expect(await readBatches(store, 'room-0', 0, 10, 1e6)).toEqual([]);
    expect(await readBatches(store, 'kept', 0, 10, 1e6)).toMatchObject([{ seq: 2, prev: 1 }]);
  });
});
