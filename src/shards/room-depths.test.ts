import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../clock.fixture.ts';
import { batchOf } from '../rooms/rooms.fixture.ts';
import { FakeStore } from '../store/store-fake.fixture.ts';
import { TurnQueue } from '../turn-queue.ts';
import { RoomDepths } from './room-depths.ts';

/** Appends a batch of so many comments, `hole` numbers after the one before. */
function append(store: FakeStore, room: string, count: number, hole = 0): number {
  const last = store.lastSeq(room);
  const batch = store.put(room, batchOf(...new Array<string>(count).fill('x')), last + 1 + hole);
  store.deliver(batch);
  return batch.seq;
}

/** Counts how often the store is asked. */
function countOutlines(store: FakeStore): { asked: number } {
  const counter = { asked: 0 };
  const outline = store.outline.bind(store);
  store.outline = (...args) => {
    counter.asked += 1;
    return outline(...args);
  };
  return counter;
}

describe('how far back comments reach', () => {
  it('is what the store says, whatever is asked for in whatever order while batches come', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('append' as const), count: fc.integer({ min: 1, max: 9 }), hole: fc.nat(3) }),
      fc.record({ kind: fc.constant('ask' as const), comments: fc.integer({ min: 1, max: 40 }), back: fc.nat(6) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
        const store = new FakeStore();
        const depths = new RoomDepths(store, new FakeClock(), 40, new TurnQueue());
        const seqs = [0];
        for (const one of steps) {
          if (one.kind === 'append') {
            seqs.push(append(store, 'a', one.count, one.hole));
          } else {
            const upTo = seqs.at(-1 - one.back) ?? seqs.at(-1) ?? 0;
            const said = await depths.seqBefore('a', upTo, one.comments);
            expect(said).toBe(await store.seqBefore('a', upTo, one.comments));
          }
        }
      }),
    );
  });

  it('is read once for all who ask, then only what is new', async () => {
    const store = new FakeStore();
    for (let i = 0; i < 3_000; i += 1) append(store, 'a', 1);
    const counter = countOutlines(store);
    const depths = new RoomDepths(store, new FakeClock(), 10_000, new TurnQueue());
    const asked = Array.from({ length: 300 }, (_, i) => depths.seqBefore('a', 3_000, 2_000 + i));
    expect(await Promise.all(asked)).toEqual(Array.from({ length: 300 }, (_, i) => 1_000 - i));
    expect(counter.asked).toBe(4);
    append(store, 'a', 5);
    expect(await depths.seqBefore('a', 3_001, 2_005)).toBe(1_000);
    expect(counter.asked).toBe(5);
  });

  it('is forgotten when nobody has asked for ten seconds', async () => {
    const store = new FakeStore();
    const clock = new FakeClock();
    for (const room of ['a', 'b']) append(store, room, 3);
    const counter = countOutlines(store);
    const depths = new RoomDepths(store, clock, 100, new TurnQueue());
    await depths.seqBefore('a', 1, 2);
    await depths.seqBefore('a', 1, 2);
    expect(counter.asked).toBe(1);
    clock.jump(10_000);
    await depths.seqBefore('b', 1, 2);
    await depths.seqBefore('a', 1, 2);
    expect(counter.asked).toBe(3);
  });

  it('is asked for again after a fault of the store', async () => {
    const store = new FakeStore();
    append(store, 'a', 3);
    const depths = new RoomDepths(store, new FakeClock(), 100, new TurnQueue());
    const outline = store.outline.bind(store);
    store.outline = () => Promise.reject(new Error('disk'));
    await expect(depths.seqBefore('a', 1, 2)).rejects.toThrow('disk');
    store.outline = outline;
    expect(await depths.seqBefore('a', 1, 2)).toBe(0);
  });

  it('is looked for in few rooms a turn of the loop, however many are asked for at once', async () => {
    const store = new FakeStore();
    const rooms = Array.from({ length: 20 }, (_, i) => `room-${i}`);
    for (const room of rooms) append(store, room, 1);
    const counter = countOutlines(store);
    const clock = new FakeClock();
    const depths = new RoomDepths(store, clock, 100, new TurnQueue(4, clock));
    const asked = Promise.all(rooms.map((room) => depths.seqBefore(room, 1, 50)));
    const most: number[] = [];
    while (counter.asked < rooms.length) {
      const before = counter.asked;
      await new Promise((resolve) => setImmediate(resolve));
      most.push(counter.asked - before);
    }
    expect(Math.max(...most)).toBe(4);
    expect(await asked).toEqual(new Array(20).fill(0));
  });
});
