import { describe, expect, it } from 'vitest';
import { FakeClock } from '../clock.fixture.ts';
import type { StoredBatch } from '../store/store.ts';
import { MemoryStore } from '../store/store-memory.ts';
import { createRooms as createRoomsOn, draftOf, Receipts, type RigOptions, textsOf } from './rooms.fixture.ts';

/** A clock that begins 3 ms into a slot, so that the beginning of a slot is never now by chance. */
const START = 1_764_000_000_003;

function createRooms(options: RigOptions = {}) {
  const clock = options.clock ?? new FakeClock(START);
  const bounds = { comments: 100_000, bytes: 1e9, age: 1e9 };
  return createRoomsOn(new MemoryStore({ ...bounds, clock }), { ...options, clock });
}

/** A clock whose timers all fire a while late. */
class LateClock extends FakeClock {
  lateness = 0;

  override after(ms: number, run: () => void): () => void {
    return super.after(ms + this.lateness, run);
  }
}

describe('a room', () => {
  it('fires in the next slot after a quiet interval', async () => {
    const { rooms, clock, sink } = await createRooms();
    expect(rooms.offer('a', draftOf('first'), null, 0)).toBeUndefined();
    await clock.advance(6);
    expect(sink.pushes).toEqual([]);
    await clock.advance(1);
    expect(sink.pushes).toMatchObject([{ room: 'a', at: START + 7, seqs: [1], prevs: [0], texts: ['first'] }]);
    await clock.advance(1_500);
    rooms.offer('a', draftOf('second'), null, 1);
    await clock.advance(10);
    expect(sink.pushes[1]).toMatchObject({ at: START + 1_517, seqs: [2], prevs: [1], texts: ['second'] });
  });

  it('fires at most once an interval, and takes everything that came meanwhile, in order', async () => {
    const { rooms, clock, sink } = await createRooms();
    rooms.offer('a', draftOf('0'), null, 0);
    await clock.advance(7);
    for (let i = 1; i <= 9; i += 1) {
      rooms.offer('a', draftOf(String(i)), null, i);
      await clock.advance(100);
    }
    expect(sink.pushes).toHaveLength(1);
    await clock.advance(99);
    expect(sink.pushes).toHaveLength(1);
    await clock.advance(1);
    expect(sink.pushes[1]).toMatchObject({ at: START + 1_007, texts: ['1', '2', '3', '4', '5', '6', '7', '8', '9'] });
  });

  it('fires exactly every interval while it is busy, without drift', async () => {
    const { rooms, clock, sink } = await createRooms();
    for (let i = 0; i < 3_000; i += 1) {
      rooms.offer('a', draftOf(String(i)), null, i);
      await clock.advance(7 + (i % 23));
    }
    const times = sink.times('a');
    expect(times.length).toBeGreaterThan(50);
    expect(times).toEqual(times.map((_, i) => START + 7 + i * 1_000));
    expect(sink.texts('a')).toEqual(Array.from({ length: sink.texts('a').length }, (_, i) => String(i)));
  });

  it('keeps its beat when timers fire late within their slot', async () => {
    const clock = new LateClock(START);
    const { rooms, sink } = await createRooms({ clock });
    for (let i = 0; i < 200; i += 1) {
      clock.lateness = Math.floor(i / 20) % 10;
      rooms.offer('a', draftOf(String(i)), null, i);
      await clock.advance(50);
    }
    const beats = sink.times('a').map((at) => Math.floor(at / 10) * 10);
    expect(beats).toHaveLength(10);
    expect(beats).toEqual(beats.map((_, i) => START + 7 + i * 1_000));
    expect(sink.times('a').some((at) => at % 10 !== 0)).toBe(true);
  });

  it('waits for the next whole slot when the interval is not made of slots', async () => {
    const { rooms, clock, sink } = await createRooms({ interval: 1_005 });
    for (let i = 0; i < 100; i += 1) {
      rooms.offer('a', draftOf(String(i)), null, i);
      await clock.advance(50);
    }
    const [first = 0, ...later] = sink.times('a');
    expect(later.map((at) => at - first)).toEqual([1_010, 2_020, 3_030, 4_040]);
  });

  it('stamps a comment with its arrival', async () => {
    const { rooms, clock, store } = await createRooms();
    rooms.offer('a', draftOf('now'), null, 0);
    await clock.advance(1_007);
    rooms.offer('a', draftOf('later'), null, 1);
    await clock.advance(10);
    const [first, second] = (await store.read('a', 0, 2, 1e6)).batches;
    expect([first, second].map((batch) => batch && textsOf(batch))).toEqual([['now'], ['later']]);
    expect(first?.count).toBe(1);
  });
});

describe('rooms', () => {
  it('keep a beat each', async () => {
    const { rooms, clock, sink } = await createRooms();
    for (let i = 0; i < 60; i += 1) {
      rooms.offer('a', draftOf('a'), null, 0);
      if (i >= 7) rooms.offer('b', draftOf('b'), null, 0);
      await clock.advance(50);
    }
    expect(sink.times('a').map((at) => at - START)).toEqual([7, 1_007, 2_007]);
    expect(sink.times('b').map((at) => at - START)).toEqual([357, 1_357, 2_357]);
  });

  it('that are due in one slot share one transaction of the store', async () => {
    const { rooms, clock, store } = await createRooms();
    const tails: (readonly StoredBatch[])[] = [];
    await store.start({
      tail: (batches) => {
        tails.push(batches);
        rooms.tail(batches);
      },
      recalled: () => undefined,
      state: () => undefined,
    });
    for (const name of ['a', 'b', 'c']) rooms.offer(name, draftOf(name), null, 0);
    await clock.advance(1_000);
    expect(tails.map((batches) => batches.map(({ room }) => room))).toEqual([['a', 'b', 'c']]);
  });

  it('tell the sender of every comment its id', async () => {
    const { rooms, clock } = await createRooms({ maxBatch: 2 });
    const receipts = new Receipts();
    for (let i = 0; i < 5; i += 1) rooms.offer('a', draftOf(String(i)), receipts, 100 + i);
    await clock.advance(3_000);
    expect([...receipts.ids]).toEqual([
      [100, '1.0'],
      [101, '1.1'],
      [102, '2.0'],
      [103, '2.1'],
      [104, '3.0'],
    ]);
    expect(receipts.codes.size).toBe(0);
  });
});

describe('bounds', () => {
  it('let at most maxBatch comments into a push; the rest waits for the next', async () => {
    const { rooms, clock, sink, counters } = await createRooms({ maxBatch: 10 });
    for (let i = 0; i < 25; i += 1) rooms.offer('a', draftOf(String(i)), null, i);
    await clock.advance(7);
    expect(sink.pushes.map(({ texts }) => texts.length)).toEqual([10]);
    expect(rooms.pending).toBe(15);
    await clock.advance(1_000);
    rooms.offer('a', draftOf('25'), null, 25);
    await clock.advance(1_000);
    expect(sink.pushes.map(({ texts }) => texts.length)).toEqual([10, 10, 6]);
    expect(sink.times('a').map((at) => at - START)).toEqual([7, 1_007, 2_007]);
    expect(sink.texts('a')).toEqual(Array.from({ length: 26 }, (_, i) => String(i)));
    expect(rooms.pending).toBe(0);
    expect(counters.batches).toBe(3);
  });

  it('refuse ROOM_BUSY over maxPending, in that room only, until it fires', async () => {
    const { rooms, clock, sink } = await createRooms({ maxPending: 3, interval: 500 });
    for (let i = 0; i < 3; i += 1) expect(rooms.offer('a', draftOf(String(i)), null, i)).toBeUndefined();
    expect(rooms.offer('a', draftOf('over'), null, 3)).toEqual({ code: 'ROOM_BUSY', retryAfterMs: 500 });
    expect(rooms.offer('b', draftOf('other'), null, 4)).toBeUndefined();
    await clock.advance(7);
    expect(rooms.offer('a', draftOf('after'), null, 5)).toBeUndefined();
    await clock.advance(500);
    expect(sink.texts('a')).toEqual(['0', '1', '2', 'after']);
  });

  it('refuse BUSY over maxPendingAll, in every room, and open none for it', async () => {
    const { rooms, clock, sink } = await createRooms({ maxPendingAll: 4 });
    for (let i = 0; i < 4; i += 1) expect(rooms.offer(`r${i}`, draftOf('x'), null, i)).toBeUndefined();
    expect(rooms.pending).toBe(4);
    expect(rooms.offer('r0', draftOf('over'), null, 4)).toEqual({ code: 'BUSY', retryAfterMs: 1_000 });
    expect(rooms.offer('new', draftOf('over'), null, 5)).toEqual({ code: 'BUSY', retryAfterMs: 1_000 });
    expect(rooms.get('new')).toBeUndefined();
    await clock.advance(7);
    expect(rooms.pending).toBe(0);
    expect(rooms.offer('new', draftOf('now'), null, 6)).toBeUndefined();
    await clock.advance(10);
    expect(sink.texts('new')).toEqual(['now']);
  });

  it('leave room for others: however much several rooms take, one with nothing waiting is taken', async () => {
    const { rooms } = await createRooms({ maxPending: 50, maxPendingAll: 100 });
    const refused = new Set<string | undefined>();
    for (let i = 0; i < 300; i += 1) refused.add(rooms.offer(`hot${i % 3}`, draftOf('x'), null, i)?.code);
    expect(refused).toEqual(new Set([undefined, 'ROOM_BUSY']));
    // They share three quarters, and leave as much of it as each of them has.
    expect(rooms.pending).toBe(57);
    for (let i = 0; i < 10; i += 1) expect(rooms.offer(`quiet${i}`, draftOf('x'), null, i)).toBeUndefined();
  });
});
