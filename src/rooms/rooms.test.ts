import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VolleyError } from '../codes.ts';
import { encodeMessage } from '../frames/messages.ts';
import type { StoredBatch } from '../store/store.ts';
import { MemoryStore } from '../store/store-memory.ts';
import { FakeClock, settle } from '../testing/clock.ts';
import { runs } from '../testing/properties.ts';
import {
  batchOf,
  createRooms,
  draftOf,
  Receipts,
  type RigOptions,
  type RoomsRig,
  recallOf,
  textsOf,
} from '../testing/rooms.ts';
import { FakeStore } from '../testing/store-fake.ts';

/** A clock that begins 3 ms into a slot, so that the beginning of a slot is never now by chance. */
const START = 1_764_000_000_003;

function createMemoryRooms(options: RigOptions = {}) {
  const clock = options.clock ?? new FakeClock(START);
  const bounds = { comments: 100_000, bytes: 1e9, age: 1e9 };
  return createRooms(new MemoryStore({ ...bounds, clock }), { ...options, clock });
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
    const { rooms, clock, sink } = await createMemoryRooms();
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
    const { rooms, clock, sink } = await createMemoryRooms();
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
    const { rooms, clock, sink } = await createMemoryRooms();
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
    const { rooms, sink } = await createMemoryRooms({ clock });
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
    const { rooms, clock, sink } = await createMemoryRooms({ interval: 1_005 });
    for (let i = 0; i < 100; i += 1) {
      rooms.offer('a', draftOf(String(i)), null, i);
      await clock.advance(50);
    }
    const [first = 0, ...later] = sink.times('a');
    expect(later.map((at) => at - first)).toEqual([1_010, 2_020, 3_030, 4_040]);
  });

  it('stamps a comment with its arrival', async () => {
    const { rooms, clock, store } = await createMemoryRooms();
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
    const { rooms, clock, sink } = await createMemoryRooms();
    for (let i = 0; i < 60; i += 1) {
      rooms.offer('a', draftOf('a'), null, 0);
      if (i >= 7) rooms.offer('b', draftOf('b'), null, 0);
      await clock.advance(50);
    }
    expect(sink.times('a').map((at) => at - START)).toEqual([7, 1_007, 2_007]);
    expect(sink.times('b').map((at) => at - START)).toEqual([357, 1_357, 2_357]);
  });

  it('that are due in one slot share one transaction of the store', async () => {
    const { rooms, clock, store } = await createMemoryRooms();
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
    const { rooms, clock } = await createMemoryRooms({ maxBatch: 2 });
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
    const { rooms, clock, sink, counters } = await createMemoryRooms({ maxBatch: 10 });
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
    const { rooms, clock, sink } = await createMemoryRooms({ maxPending: 3, interval: 500 });
    for (let i = 0; i < 3; i += 1) expect(rooms.offer('a', draftOf(String(i)), null, i)).toBeUndefined();
    expect(rooms.offer('a', draftOf('over'), null, 3)).toEqual({ code: 'ROOM_BUSY', retryAfterMs: 500 });
    expect(rooms.offer('b', draftOf('other'), null, 4)).toBeUndefined();
    await clock.advance(7);
    expect(rooms.offer('a', draftOf('after'), null, 5)).toBeUndefined();
    await clock.advance(500);
    expect(sink.texts('a')).toEqual(['0', '1', '2', 'after']);
  });

  it('refuse BUSY over maxPendingAll, in every room, and open none for it', async () => {
    const { rooms, clock, sink } = await createMemoryRooms({ maxPendingAll: 4 });
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
    const { rooms } = await createMemoryRooms({ maxPending: 50, maxPendingAll: 100 });
    const refused = new Set<string | undefined>();
    for (let i = 0; i < 300; i += 1) refused.add(rooms.offer(`hot${i % 3}`, draftOf('x'), null, i)?.code);
    expect(refused).toEqual(new Set([undefined, 'ROOM_BUSY']));
    // They share three quarters, and leave as much of it as each of them has.
    expect(rooms.pending).toBe(57);
    for (let i = 0; i < 10; i += 1) expect(rooms.offer(`quiet${i}`, draftOf('x'), null, i)).toBeUndefined();
  });
});

function createQuietRooms(options: RigOptions = {}) {
  const clock = new FakeClock(0);
  const store = new MemoryStore({ comments: 100_000, bytes: 1e9, age: 1e9, clock });
  return createRooms(store, { heartbeat: 15_000, ...options, clock });
}

describe('a heartbeat', () => {
  it('goes to a room with viewers that heard nothing for as long, again and again', async () => {
    const { rooms, clock, sink } = await createQuietRooms();
    rooms.join('a', 0, 0, 1);
    await clock.advance(14_999);
    expect(sink.presences).toEqual([]);
    await clock.advance(31_001);
    expect(sink.presences.map(({ at }) => at)).toEqual([15_000, 30_000, 45_000]);
  });

  it('is put off by every push, and by nothing else', async () => {
    const { rooms, clock, sink } = await createQuietRooms();
    rooms.join('busy', 0, 0, 1);
    rooms.join('quiet', 0, 0, 1);
    for (let i = 0; i < 40; i += 1) {
      if (i === 10) rooms.join('quiet', 1, 0, 5);
      rooms.offer('busy', draftOf('x'), null, 0);
      await clock.advance(1_000);
    }
    expect(sink.presences).toEqual([
      { room: 'quiet', at: 15_000 },
      { room: 'quiet', at: 30_000 },
    ]);
    await clock.advance(20_000);
    expect(sink.presences.filter(({ room }) => room === 'busy')).toHaveLength(1);
    const last = sink.times('busy').at(-1) ?? 0;
    const beat = sink.presences.find(({ room }) => room === 'busy')?.at ?? 0;
    expect(beat - last).toBeGreaterThanOrEqual(15_000);
    expect(beat - last).toBeLessThanOrEqual(16_000);
  });

  it('goes to the rooms that have been quiet long enough, and not to those that have not', async () => {
    const { rooms, clock, sink } = await createQuietRooms();
    for (const [i, name] of ['a', 'b', 'c'].entries()) {
      await clock.advance(i === 0 ? 0 : 4_000);
      rooms.join(name, 0, 0, 1);
    }
    await clock.advance(7_000);
    expect(sink.presences.map(({ room }) => room)).toEqual(['a']);
    await clock.advance(8_000);
    expect(sink.presences.map(({ room }) => room)).toEqual(['a', 'b', 'c']);
  });

  it('never goes to a room without viewers, and no timer is left for it', async () => {
    const { rooms, clock, sink } = await createQuietRooms();
    rooms.join('a', 0, 0, 1);
    rooms.join('b', 1, 1, 1);
    await clock.advance(10_000);
    rooms.leave('a', 0, 0, 1);
    rooms.dropShard(1);
    rooms.offer('c', draftOf('nobody watches'), null, 0);
    await clock.advance(60_000);
    expect(sink.presences).toEqual([]);
    expect(clock.timers).toBe(0);
  });

  it('comes back with the viewers', async () => {
    const { rooms, clock, sink } = await createQuietRooms();
    rooms.join('a', 0, 0, 1);
    await clock.advance(14_000);
    rooms.leave('a', 0, 0, 1);
    rooms.join('a', 0, 1, 1);
    await clock.advance(14_000);
    expect(sink.presences).toEqual([]);
    await clock.advance(2_000);
    expect(sink.presences).toHaveLength(1);
  });
});

describe('a room that nobody watches', () => {
  it('is forgotten once its comments are out, and keeps its seq', async () => {
    const { rooms, clock, sink } = await createQuietRooms();
    rooms.offer('a', draftOf('1'), null, 0);
    expect(rooms.size).toBe(1);
    await clock.advance(2_000);
    expect(rooms.size).toBe(0);
    expect(rooms.get('a')).toBeUndefined();
    rooms.offer('a', draftOf('2'), null, 0);
    await clock.advance(2_000);
    expect(sink.pushes).toMatchObject([
      { seqs: [1], prevs: [0] },
      { seqs: [2], prevs: [1] },
    ]);
    expect(rooms.size).toBe(0);
    const room = rooms.join('a', 0, 0, 1);
    await settle();
    expect(room.seq).toBe(2);
  });

  it('does not fire sooner than the interval for having been left', async () => {
    const { rooms, clock, sink } = await createQuietRooms();
    rooms.join('a', 0, 0, 1);
    rooms.offer('a', draftOf('1'), null, 0);
    await clock.advance(10);
    rooms.leave('a', 0, 0, 1);
    await clock.advance(400);
    rooms.offer('a', draftOf('2'), null, 0);
    await clock.advance(2_000);
    expect(sink.times('a')).toEqual([10, 1_010]);
  });

  it('stays while its batch is on the way, and goes when that has failed', async () => {
    const { rooms, clock, store } = await createRooms(new FakeStore());
    rooms.join('a', 0, 0, 1);
    rooms.offer('a', draftOf('1'), null, 0);
    await clock.advance(10);
    rooms.leave('a', 0, 0, 1);
    await clock.advance(10_000);
    expect(rooms.get('a')?.phase).toBe('appending');
    store.fail('a');
    await clock.advance(1_000);
    expect(rooms.size).toBe(0);
  });

  it('is forgotten when its last viewer leaves, but not when one of two does', async () => {
    const { rooms, clock } = await createQuietRooms();
    rooms.join('a', 0, 2, 2);
    rooms.leave('a', 0, 2, 1);
    await clock.advance(2_000);
    expect(rooms.get('a')?.viewers).toBe(1);
    rooms.leave('a', 0, 2, 1);
    rooms.leave('never there', 0, 0, 1);
    await clock.advance(2_000);
    expect(rooms.size).toBe(0);
  });

  it('is not kept by a question of a viewer that has left meanwhile', async () => {
    const { rooms, clock } = await createQuietRooms();
    rooms.join('a', 0, 0, 0);
    await clock.advance(2_000);
    expect(rooms.size).toBe(0);
    expect(clock.timers).toBe(0);
  });

  it('is kept when somebody joins before it is forgotten', async () => {
    const { rooms, clock } = await createQuietRooms();
    const room = rooms.join('a', 0, 0, 1);
    rooms.leave('a', 0, 0, 1);
    expect(rooms.join('a', 1, 1, 3)).toBe(room);
    await clock.advance(5_000);
    expect(rooms.get('a')).toBe(room);
    expect(room.viewersByCodec).toEqual([0, 3, 0]);
  });
});

describe('a shard that is lost', () => {
  it('takes its viewers along, in every room, and rooms that nobody else watches', async () => {
    const { rooms, clock, sink } = await createQuietRooms();
    rooms.join('both', 0, 0, 2);
    rooms.join('both', 1, 0, 3);
    rooms.join('only here', 1, 1, 4);
    rooms.offer('both', draftOf('x'), null, 0);
    rooms.dropShard(1);
    await clock.advance(5_000);
    expect([...rooms.all()].map(({ name, viewers }) => [name, viewers])).toEqual([['both', 2]]);
    expect(sink.texts('both')).toEqual(['x']);
  });
});

describe('the end', () => {
  it('keeps what was taken and takes no more', async () => {
    const { rooms, clock, sink } = await createQuietRooms();
    rooms.offer('a', draftOf('taken'), null, 0);
    rooms.refuse();
    expect(rooms.offer('a', draftOf('late'), null, 1)).toEqual({ code: 'SHUTTING_DOWN', retryAfterMs: 1_000 });
    expect(rooms.offer('new', draftOf('late'), null, 2)?.code).toBe('SHUTTING_DOWN');
    await clock.advance(2_000);
    expect(sink.texts('a')).toEqual(['taken']);
    expect(rooms.get('new')).toBeUndefined();
  });

  it('fires everything pending at once, batch by batch, and resolves when all is committed', async () => {
    const { rooms, clock, store, sink } = await createRooms(new FakeStore(), { maxBatch: 2 });
    sink.holds = true;
    const receipts = new Receipts();
    for (let i = 0; i < 5; i += 1) rooms.offer('a', draftOf(`a${i}`), receipts, i);
    rooms.offer('b', draftOf('b'), receipts, 5);
    let drained = false;
    rooms.drain().then(() => {
      drained = true;
    });
    await settle();
    expect(store.waiting.map(({ room }) => room)).toEqual(['a', 'b']);
    expect(rooms.offer('a', draftOf('late'), receipts, 6)?.code).toBe('SHUTTING_DOWN');
    for (const name of ['a', 'b', 'a', 'a']) {
      const { stored, answer } = store.store(name);
      answer();
      store.deliver(stored);
      await settle();
      expect(drained).toBe(false);
      sink.commit();
      await settle();
    }
    expect(drained).toBe(true);
    expect(sink.pushes.map(({ texts }) => texts)).toEqual([['a0', 'a1'], ['b'], ['a2', 'a3'], ['a4']]);
    expect(receipts.ids.size).toBe(6);
    expect(clock.now()).toBe(new FakeClock().now());
  });

  it('does not wait for what was refused by the store', async () => {
    const { rooms, store } = await createRooms(new FakeStore());
    const receipts = new Receipts();
    rooms.offer('a', draftOf('lost'), receipts, 0);
    const drained = rooms.drain();
    await settle();
    store.fail('a');
    await drained;
    expect(receipts.codes.get(0)).toBe('STORE_FULL');
  });

  it('waits for a batch that was in flight before', async () => {
    const { rooms, clock, store, sink } = await createRooms(new FakeStore());
    rooms.offer('a', draftOf('in flight'), null, 0);
    await clock.advance(10);
    rooms.offer('a', draftOf('pending'), null, 1);
    const drained = rooms.drain();
    for (let i = 0; i < 2; i += 1) {
      const { stored, answer } = store.store('a');
      store.deliver(stored);
      answer();
      await settle();
    }
    await drained;
    expect(sink.texts('a')).toEqual(['in flight', 'pending']);
  });

  it('comes at once where nothing is pending, and leaves no timer after stop', async () => {
    const { rooms, clock, sink } = await createQuietRooms();
    rooms.join('a', 0, 0, 1);
    await rooms.drain();
    rooms.stop();
    expect(clock.timers).toBe(0);
    await clock.advance(60_000);
    expect(sink.presences).toEqual([]);
  });
});

function memory(): MemoryStore {
  return new MemoryStore({ comments: 1_000, bytes: 1e9, age: 1e9, clock: new FakeClock(0) });
}

describe('a recall', () => {
  it('goes out at once in a room that was quiet', async () => {
    const { rooms, clock, sink } = await createRooms(memory());
    rooms.join('a', 0, 0, 1);
    await clock.advance(5_000);
    const now = clock.now();
    rooms.recalled([recallOf('a', '3.1')]);
    rooms.recalled([recallOf('a', '3.2')]);
    await clock.advance(10);
    expect(sink.pushes).toMatchObject([{ room: 'a', at: now + 10, seqs: [], recalled: ['3.1', '3.2'] }]);
  });

  it('waits for the room’s next push in a busy one, and stands in it with the comments', async () => {
    const { rooms, clock, sink } = await createRooms(memory());
    rooms.join('a', 0, 0, 1);
    rooms.offer('a', draftOf('one'), null, 1);
    await clock.advance(10);
    rooms.offer('a', draftOf('two'), null, 2);
    rooms.recalled([recallOf('a', '1.0')]);
    await clock.advance(900);
    expect(sink.pushes).toHaveLength(1);
    await clock.advance(200);
    expect(sink.pushes.at(-1)).toMatchObject({ seqs: [2], texts: ['two'], recalled: ['1.0'] });
    const [first = 0, second] = sink.times('a');
    expect(second).toBe(first + 1_000);
    await clock.advance(5_000);
    expect(sink.pushes).toHaveLength(2);
  });

  it('goes out although the append of the comments with it fails', async () => {
    const { rooms, clock, store, sink } = await createRooms(new FakeStore());
    rooms.join('a', 0, 0, 1);
    rooms.offer('a', draftOf('x'), null, 1);
    rooms.recalled([recallOf('a', '1.0')]);
    await clock.advance(10);
    expect(sink.pushes).toEqual([]);
    store.fail('a', new VolleyError('STORE_FULL', 'full'));
    await clock.advance(10);
    expect(sink.pushes).toMatchObject([{ seqs: [], recalled: ['1.0'] }]);
  });

  it('goes out in parts, a push each, where there are more than 200', async () => {
    const { rooms, clock, sink } = await createRooms(memory());
    rooms.join('a', 0, 0, 1);
    const ids = Array.from({ length: 450 }, (_, i) => `1.${i}`);
    for (const id of ids) rooms.recalled([recallOf('a', id)]);
    await clock.advance(3_000);
    expect(sink.pushes.map(({ recalled }) => recalled.length)).toEqual([200, 200, 50]);
    expect(sink.pushes.flatMap(({ recalled }) => recalled)).toEqual(ids);
    const [first = 0, ...later] = sink.times('a');
    expect(later).toEqual([first + 1_000, first + 2_000]);
  });

  it('costs a room that nobody watches nothing', async () => {
    const { rooms, clock, sink } = await createRooms(memory());
    rooms.recalled([recallOf('nobody', '1.0')]);
    await clock.advance(2_000);
    expect(rooms.size).toBe(0);
    expect(sink.pushes).toEqual([]);
  });

  it('is remembered, watched or not, for those who were away', async () => {
    const { rooms, clock } = await createRooms(memory());
    rooms.join('a', 0, 0, 1);
    rooms.recalled([recallOf('a', '1.0')]);
    rooms.recalled([recallOf('b', '7.0')]);
    expect(rooms.recalls.messageOf('a', clock.now())).toBe(encodeMessage({ type: 'recall', ids: ['1.0'] }));
    expect(rooms.recalls.messageOf('b', clock.now())).toBe(encodeMessage({ type: 'recall', ids: ['7.0'] }));
  });

  it('that a store remembered counts from its own time, and from now where the clock was set back', async () => {
    const { rooms, clock } = await createRooms(memory());
    const [now, at] = [clock.now(), clock.unix()];
    rooms.recalled([
      recallOf('a', '1.0', at - 299_999),
      recallOf('b', '1.0', at - 100_000),
      recallOf('a', '2.0', at + 900_000),
    ]);
    const idsAt = (time: number): unknown[] =>
      ['a', 'b'].map((room) => JSON.parse(rooms.recalls.messageOf(room, now + time) ?? '{"ids":[]}').ids);
    expect(idsAt(0)).toEqual([['1.0', '2.0'], ['1.0']]);
    expect(idsAt(1)).toEqual([['2.0'], ['1.0']]);
    expect(idsAt(199_999)).toEqual([['2.0'], ['1.0']]);
    expect(idsAt(200_000)).toEqual([['2.0'], []]);
    expect(idsAt(300_000)).toEqual([[], []]);
  });
});

describe('a room that the store opens late', () => {
  it('has its comments wait, and begins where the store says', async () => {
    const { rooms, clock, store, sink } = await createRooms(new FakeStore());
    store.deliver(store.put('a', batchOf('before'), 5));
    store.holdReads = true;
    rooms.join('a', 0, 0, 1);
    rooms.offer('a', draftOf('x'), null, 0);
    await clock.advance(2_000);
    expect([rooms.get('a')?.phase, rooms.pending, store.appended]).toEqual(['opening', 1, []]);
    store.answerReads();
    await clock.advance(10);
    const { stored, answer } = store.store('a');
    store.deliver(stored);
    answer();
    await clock.advance(10);
    expect(sink.pushes).toMatchObject([{ seqs: [6], prevs: [5], texts: ['x'] }]);
  });

  it('refuses them when it cannot be opened, and is tried again as long as somebody watches', async () => {
    const faults: string[] = [];
    const { rooms, clock, store } = await createRooms(new FakeStore(), { onFault: (room) => faults.push(room) });
    const receipts = new Receipts();
    store.followFault = new VolleyError('STORE_FAILED', 'gone');
    rooms.join('a', 0, 0, 1);
    rooms.offer('a', draftOf('x'), receipts, 7);
    await clock.advance(2_500);
    expect(receipts.codes.get(7)).toBe('STORE_FAILED');
    expect(faults).toEqual(['a', 'a', 'a']);
    store.followFault = null;
    await clock.advance(1_000);
    expect(rooms.get('a')?.phase).toBe('idle');
    expect(store.followed.has('a')).toBe(true);
  });

  it('is forgotten when it cannot be opened and nobody watches', async () => {
    const { rooms, clock, store } = await createRooms(new FakeStore());
    store.followFault = new Error('gone');
    rooms.offer('a', draftOf('x'), null, 0);
    await clock.advance(10);
    expect([rooms.size, rooms.pending]).toEqual([0, 0]);
    await rooms.drain();
  });
});

describe('a store that stalls', () => {
  it('has comments refused until it is ready again, and keeps those it has', async () => {
    const { rooms, clock, store } = await createRooms(new FakeStore());
    rooms.offer('a', draftOf('x'), null, 0);
    store.events?.state('stalled', 'no answer');
    expect(rooms.offer('a', draftOf('y'), null, 1)).toEqual({ code: 'STORE_STALLED', retryAfterMs: 1_000 });
    await clock.advance(10);
    expect(store.appended).toHaveLength(1);
    store.events?.state('ready', 'it answers');
    expect(rooms.offer('a', draftOf('y'), null, 1)).toBeUndefined();
  });
});

describe('what fires', () => {
  it('fits into the largest value that the store takes, and the rest goes with the next batches', async () => {
    const store = new FakeStore();
    store.maxBatchBytes = 300_000;
    const { rooms, clock } = await createRooms(store);
    rooms.join('a', 0, 0, 1);
    for (let i = 0; i < 1_000; i += 1) rooms.offer('a', draftOf('\u{1f44d}'.repeat(200)), null, i);
    for (let i = 0; i < 3; i += 1) {
      await clock.advance(1_000);
      const { stored, answer } = store.store('a');
      store.deliver(stored);
      answer();
    }
    const counts = store.appended.map(({ batch }) => batch.count);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(1_000);
    expect(Math.min(...counts.slice(0, -1))).toBeGreaterThan(300);
    for (const { batch } of store.appended) expect(batch.bytes.length).toBeLessThan(300_000);
  });
});

describe('a batch in flight', () => {
  it('is the only one of its room between fire and commit', async () => {
    const { rooms, clock, store, sink } = await createRooms(new FakeStore());
    sink.holds = true;
    rooms.offer('a', draftOf('1'), null, 1);
    await clock.advance(10);
    rooms.offer('a', draftOf('2'), null, 2);
    await clock.advance(5_000);
    expect(store.appended).toHaveLength(1);
    const { stored, answer } = store.store('a');
    answer();
    store.deliver(stored);
    await clock.advance(5_000);
    expect(sink.pushes).toHaveLength(1);
    expect(store.appended).toHaveLength(1);
    expect(rooms.get('a')).toMatchObject({ phase: 'pushing', seq: 0 });
    sink.commit();
    expect(rooms.get('a')).toMatchObject({ phase: 'idle', seq: 1 });
    await clock.advance(10);
    expect(store.appended.map(({ batch }) => textsOf(batch))).toEqual([['1'], ['2']]);
  });

  it('is pushed when the append is answered before the tail delivers, and its acks do not wait for that', async () => {
    const { rooms, clock, store, sink } = await createRooms(new FakeStore());
    const receipts = new Receipts();
    rooms.offer('a', draftOf('x'), receipts, 7);
    rooms.offer('a', draftOf('y'), receipts, 8);
    await clock.advance(10);
    const { stored, answer } = store.store('a', 42);
    answer();
    await clock.advance(2_000);
    expect([...receipts.ids]).toEqual([
      [7, '42.0'],
      [8, '42.1'],
    ]);
    expect(sink.pushes).toEqual([]);
    store.deliver(stored);
    expect(sink.pushes).toMatchObject([{ seqs: [42], texts: ['x', 'y'] }]);
  });

  it('is pushed when the tail delivers before the append is answered, and not before the answer', async () => {
    const { rooms, clock, store, sink } = await createRooms(new FakeStore());
    const receipts = new Receipts();
    rooms.offer('a', draftOf('x'), receipts, 7);
    await clock.advance(10);
    const { stored, answer } = store.store('a');
    store.deliver(stored);
    await clock.advance(2_000);
    expect(sink.pushes).toEqual([]);
    expect(receipts.ids.size).toBe(0);
    answer();
    await settle();
    expect(sink.pushes).toMatchObject([{ seqs: [1], texts: ['x'] }]);
    expect(receipts.ids.get(7)).toBe('1.0');
  });

  it('does not wait for those of other rooms, which are answered in any order', async () => {
    const { rooms, clock, store, sink } = await createRooms(new FakeStore());
    for (const name of ['a', 'b', 'c']) rooms.offer(name, draftOf(name), null, 0);
    await clock.advance(10);
    for (const name of ['c', 'a', 'b']) {
      const { stored, answer } = store.store(name);
      answer();
      store.deliver(stored);
      await settle();
    }
    expect(sink.pushes.map(({ room }) => room)).toEqual(['c', 'a', 'b']);
  });
});

describe("other nodes' batches", () => {
  it('go into the same push, in the order of the log, with the log’s prev', async () => {
    const { rooms, clock, store, sink } = await createRooms(new FakeStore());
    rooms.offer('a', draftOf('ours'), null, 0);
    await clock.advance(10);
    const before = store.put('a', batchOf('theirs 1', 'theirs 2'), 3);
    const { stored, answer } = store.store('a', 7);
    const after = store.put('a', batchOf('theirs 3'), 9);
    store.deliver(before);
    store.deliver(stored, after);
    expect(sink.pushes).toEqual([]);
    answer();
    await settle();
    expect(sink.pushes).toMatchObject([
      { seqs: [3, 7, 9], prevs: [0, 3, 7], texts: ['theirs 1', 'theirs 2', 'ours', 'theirs 3'] },
    ]);
    expect(rooms.get('a')?.seq).toBe(9);
  });

  it('do not set off a push of their own while ours is on its way', async () => {
    const { rooms, clock, store, sink } = await createRooms(new FakeStore());
    rooms.offer('a', draftOf('ours'), null, 0);
    await clock.advance(10);
    store.deliver(store.put('a', batchOf('theirs')));
    const { stored, answer } = store.store('a');
    answer();
    await clock.advance(500);
    expect(sink.pushes).toEqual([]);
    store.deliver(stored);
    expect(sink.pushes).toMatchObject([{ seqs: [1, 2], prevs: [0, 1] }]);
  });

  it('fire a watched room at once after a quiet interval, then at most once an interval', async () => {
    const { rooms, clock, store, sink } = await createRooms(new FakeStore());
    rooms.join('a', 0, 0, 1);
    await settle();
    const start = clock.now();
    for (let i = 1; i <= 25; i += 1) {
      store.deliver(store.put('a', batchOf(`theirs ${i}`)));
      await clock.advance(100);
    }
    expect(sink.times('a').map((at) => at - start)).toEqual([10, 1_010, 2_010]);
    expect(sink.pushes.map(({ prevs }) => prevs[0])).toEqual([0, 1, 11]);
    expect(sink.pushes.map(({ seqs }) => seqs.at(-1))).toEqual([1, 11, 21]);
    expect(store.appended).toEqual([]);
  });

  it('are left alone in rooms that nobody watches', async () => {
    const { rooms, clock, store, sink } = await createRooms(new FakeStore());
    store.deliver(store.put('a', batchOf('theirs'), 5));
    await clock.advance(2_000);
    expect(sink.pushes).toEqual([]);
    expect(rooms.size).toBe(0);
    const room = rooms.join('a', 0, 0, 1);
    await settle();
    expect(room.seq).toBe(5);
    store.deliver(store.put('a', batchOf('more'), 6));
    await clock.advance(2_000);
    expect(sink.pushes).toMatchObject([{ seqs: [6], prevs: [5] }]);
  });

  it('are pushed once, though the tail should begin anew and hand them out again', async () => {
    const { rooms, clock, store, sink } = await createRooms(new FakeStore());
    rooms.join('a', 0, 0, 1);
    await settle();
    const batches = [1, 2].map((n) => store.put('a', batchOf(`theirs ${n}`)));
    store.deliver(...batches);
    await clock.advance(2_000);
    store.deliver(...batches, store.put('a', batchOf('theirs 3')));
    await clock.advance(2_000);
    expect(sink.pushes.map(({ seqs }) => seqs)).toEqual([[1, 2], [3]]);
  });

  it('that do not fit into one push go into the next ones, and nothing is fired before they are out', async () => {
    const one = batchOf('x'.repeat(100));
    const { rooms, clock, store, sink } = await createRooms(new FakeStore(), { maxPushBytes: one.bytes.length * 2 });
    rooms.offer('a', draftOf('ours'), null, 0);
    await clock.advance(10);
    for (let i = 0; i < 4; i += 1) store.deliver(store.put('a', batchOf('x'.repeat(100))));
    const { stored, answer } = store.store('a');
    store.deliver(stored);
    answer();
    rooms.offer('a', draftOf('next'), null, 1);
    await clock.advance(2_000);
    expect(sink.pushes.map(({ seqs }) => seqs)).toEqual([[1, 2], [3, 4], [5]]);
    expect(store.appended).toHaveLength(1);
    await clock.advance(1_000);
    expect(store.appended.map(({ batch }) => textsOf(batch))).toEqual([['ours'], ['next']]);
  });

  it('are merged up to maxBatch comments a push', async () => {
    const { rooms, clock, store, sink } = await createRooms(new FakeStore(), { maxBatch: 5 });
    rooms.join('a', 0, 0, 1);
    await settle();
    store.deliver(...[1, 2, 3, 4].map((n) => store.put('a', batchOf(`${n}.0`, `${n}.1`))));
    store.deliver(store.put('a', batchOf('0', '1', '2', '3', '4', '5', '6')), store.put('a', batchOf('last')));
    await clock.advance(5_000);
    expect(sink.pushes.map(({ seqs }) => seqs)).toEqual([[1, 2], [3, 4], [5], [6]]);
  });

  it('are pushed one at a time where each is larger than a push', async () => {
    const { rooms, clock, store, sink } = await createRooms(new FakeStore(), { maxPushBytes: 10 });
    rooms.join('a', 0, 0, 1);
    await settle();
    store.deliver(...[1, 2, 3].map((n) => store.put('a', batchOf(`long enough ${n}`))));
    await clock.advance(3_000);
    expect(sink.pushes.map(({ seqs }) => seqs)).toEqual([[1], [2], [3]]);
  });
});

describe('an append that fails', () => {
  it.each([
    ['its own code', new VolleyError('STORE_FULL', 'full'), 'STORE_FULL'],
    ['STORE_FAILED for any other error', new Error('disk on fire'), 'STORE_FAILED'],
    ['STORE_FAILED for a fault that is no refusal', new VolleyError('BATCH_CORRUPT', 'bad'), 'STORE_FAILED'],
  ])('refuses every comment in it with %s', async (_, error, code) => {
    const { rooms, clock, store, sink, counters } = await createRooms(new FakeStore());
    const receipts = new Receipts();
    for (let i = 0; i < 3; i += 1) rooms.offer('a', draftOf(String(i)), receipts, i);
    rooms.offer('a', draftOf('of nobody'), null, 3);
    await clock.advance(10);
    store.fail('a', error);
    await clock.advance(5_000);
    expect([...receipts.codes]).toEqual([
      [0, code],
      [1, code],
      [2, code],
    ]);
    expect(receipts.ids.size).toBe(0);
    expect(counters.refused).toEqual(new Map([[code, 4]]));
    expect(sink.pushes).toEqual([]);
    expect(store.appended).toHaveLength(1);
  });

  it('leaves the room as it was: the next batch goes its way an interval after', async () => {
    const { rooms, clock, store, sink } = await createRooms(new FakeStore());
    const start = clock.now();
    const receipts = new Receipts();
    rooms.offer('a', draftOf('lost'), receipts, 0);
    await clock.advance(10);
    rooms.offer('a', draftOf('kept'), receipts, 1);
    store.fail('a');
    await clock.advance(999);
    expect(store.appended).toHaveLength(1);
    await clock.advance(1);
    const { stored, answer } = store.store('a');
    answer();
    store.deliver(stored);
    await settle();
    expect(sink.pushes).toMatchObject([{ at: start + 1_010, texts: ['kept'], seqs: [1], prevs: [0] }]);
    expect([...receipts.ids]).toEqual([[1, '1.0']]);
    expect([...receipts.codes]).toEqual([[0, 'STORE_FULL']]);
  });

  it("does not hold back other nodes' batches, however often it fails", async () => {
    const { rooms, clock, store, sink } = await createRooms(new FakeStore());
    rooms.join('a', 0, 0, 1);
    for (let i = 1; i <= 5; i += 1) {
      rooms.offer('a', draftOf('never taken'), null, i);
      await clock.advance(20);
      store.deliver(store.put('a', batchOf(`theirs ${i}`)));
      store.fail('a');
      await clock.advance(980);
      expect(sink.texts('a').length).toBeGreaterThanOrEqual(i - 1);
    }
    await clock.advance(1_000);
    expect(sink.texts('a')).toEqual(['theirs 1', 'theirs 2', 'theirs 3', 'theirs 4', 'theirs 5']);
  });
});

/** Somebody watches the first; the second is opened for each of its comments and forgotten after them. */
const NAMES = ['watched', 'left'] as const;
const INTERVAL = 100;

const FAILURES = [
  new VolleyError('STORE_FULL', 'full'),
  new VolleyError('STORE_FAILED', 'failed'),
  new VolleyError('BATCH_CORRUPT', 'no refusal'),
  new Error('no code'),
];

const room = fc.constantFrom(...NAMES);
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('offer'), room }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('advance'), ms: fc.integer({ min: 1, max: 150 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('store', 'fail', 'unknown'), room, which: fc.nat(3) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('answer'), which: fc.nat(3) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('deliver'), room }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('other'), room, hole: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'commit' }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('hold', 'open', 'open', 'openFails') }) },
);

interface Step {
  readonly kind: string;
  readonly room?: string;
  readonly ms?: number;
  readonly which?: number;
  readonly hole?: number;
}

/**
 * A model of the world round the rooms, walked at random: comments, a store that opens rooms late or not at all, answers
 * late, in any order, with each kind of failure, or with what it does not know; other nodes' batches; late commits. It
 * knows what the store has and has not yet told, and what senders were told.
 */
class World {
  readonly receipts = new Receipts();
  readonly offered: { room: string; text: string }[] = [];
  readonly logs = new Map<string, StoredBatch[]>(NAMES.map((name) => [name, []]));
  /** Texts of batches that may or may not be stored, as their senders heard. */
  readonly unknown = new Set<string>();
  readonly #rig: RoomsRig<FakeStore>;
  readonly #answers: (() => void)[] = [];
  readonly #untold = new Map<string, StoredBatch[]>(NAMES.map((name) => [name, []]));
  readonly #newest = new Map<string, number>();

  constructor(rig: RoomsRig<FakeStore>) {
    this.#rig = rig;
  }

  async run({ kind, room = NAMES[0], ms = 0, which = 0, hole = 0 }: Step): Promise<void> {
    const { store, sink, clock } = this.#rig;
    const waits = store.waiting.some((waiting) => waiting.room === room);
    if (kind === 'offer') this.#offer(room);
    if (kind === 'advance') await clock.advance(ms);
    if (kind === 'store' && waits) {
      const { stored, answer } = store.store(room, this.#next(room, hole));
      this.#keep(stored);
      this.#answers.push(answer);
    }
    if (kind === 'fail' && waits) store.fail(room, FAILURES[which]);
    if (kind === 'unknown' && waits) this.#storeUnknown(room, which);
    if (kind === 'answer') this.#answers.splice(which % Math.max(1, this.#answers.length), 1)[0]?.();
    if (kind === 'deliver') store.deliver(...(this.#untold.get(room)?.splice(0, 2) ?? []));
    if (kind === 'other') this.#keep(store.put(room, batchOf('theirs'), this.#next(room, hole)));
    if (kind === 'commit') sink.commit();
    if (kind === 'hold') store.holdReads = true;
    if (kind === 'open' || kind === 'openFails') {
      store.followFault = kind === 'open' ? null : FAILURES[which];
      store.holdReads = false;
      store.answerReads();
    }
    await clock.advance(0);
    expect(new Set(store.waiting.map((waiting) => waiting.room)).size).toBe(store.waiting.length);
  }

  /** Drains, and lets everything that is on its way arrive. */
  async finish(): Promise<void> {
    await this.run({ kind: 'open' });
    await this.run({ kind: 'advance', ms: 1_000 });
    const drained = this.#rig.rooms.drain();
    for (let i = 0; i < 1_000 && this.#busy(); i += 1) {
      for (const room of NAMES) {
        for (const kind of ['store', 'deliver', 'answer', 'commit']) await this.run({ kind, room });
      }
      await this.run({ kind: 'advance', ms: INTERVAL });
    }
    expect(this.#rig.store.waiting).toEqual([]);
    await drained;
  }

  #busy(): boolean {
    const { rooms, store } = this.#rig;
    const open = [...rooms.all()].some(({ phase, tail }) => phase !== 'idle' || tail.length > 0);
    const untold = [...this.#untold.values()].some((batches) => batches.length > 0);
    return open || untold || store.waiting.length > 0 || this.#answers.length > 0;
  }

  #offer(room: string): void {
    const number = this.offered.length;
    const text = `${room} ${number}`;
    const refused = this.#rig.rooms.offer(room, draftOf(text), this.receipts, number);
    expect(refused).toBeUndefined();
    this.offered.push({ room, text });
  }

  /** The append is answered STORE_UNKNOWN; in one of four cases its batch is not stored after all. */
  #storeUnknown(room: string, which: number): void {
    const { store } = this.#rig;
    const waiting = store.waiting.find((one) => one.room === room);
    for (const text of waiting === undefined ? [] : textsOf(waiting.batch)) this.unknown.add(text);
    if (which === 0) store.fail(room, new VolleyError('STORE_UNKNOWN', 'not known'));
    else this.#keep(store.storeUnknown(room, this.#next(room, 0)));
  }

  #next(room: string, hole: number): number {
    const seq = (this.#newest.get(room) ?? 0) + 1 + hole;
    this.#newest.set(room, seq);
    return seq;
  }

  #keep(batch: StoredBatch): void {
    this.logs.get(batch.room)?.push(batch);
    this.#untold.get(batch.room)?.push(batch);
  }
}

describe('rooms on any store', () => {
  it('store or refuse every comment once, and push every batch of a watched room once and in order', async () => {
    const happened = { unknown: 0, refusedOpening: 0, stored: 0 };
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 120, size: 'max' }), async (steps) => {
        const rig = await createRooms(new FakeStore(), { interval: INTERVAL, maxBatch: 3, maxPushBytes: 150 });
        rig.sink.holds = true;
        rig.rooms.join('watched', 0, 0, 1);
        const world = new World(rig);
        for (const one of steps) await world.run(one);
        await world.finish();
        checkSenders(world, rig);
        checkPushes(world, rig);
        happened.unknown += world.unknown.size;
        happened.stored += world.receipts.ids.size;
        happened.refusedOpening +=
          world.offered.length - rig.store.appended.flatMap(({ batch }) => textsOf(batch)).length;
      }),
      { numRuns: runs(150) },
    );
    for (const [what, count] of Object.entries(happened)) expect(count, what).toBeGreaterThan(10);
  });

  it('never append sooner than the interval', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 50, maxLength: 150, size: 'max' }), async (steps) => {
        const rig = await createRooms(new FakeStore(), { interval: INTERVAL, maxBatch: 3 });
        const world = new World(rig);
        const at = new Map<string, number>();
        let seen = 0;
        for (const one of steps) {
          for (const ms of one.kind === 'advance' ? new Array<number>((one as Step).ms ?? 0).fill(1) : [0]) {
            await world.run(ms === 0 ? one : { kind: 'advance', ms });
            for (const { room } of rig.store.appended.slice(seen)) {
              const since = rig.clock.now() - (at.get(room) ?? Number.NEGATIVE_INFINITY);
              expect(since).toBeGreaterThanOrEqual(INTERVAL);
              at.set(room, rig.clock.now());
            }
            seen = rig.store.appended.length;
          }
        }
      }),
      { numRuns: runs(5) },
    );
  });
});

/** Every sender hears one thing, and it is true. */
function checkSenders({ offered, receipts, logs, unknown }: World, { rooms }: RoomsRig<FakeStore>): void {
  const stored = new Map(
    [...logs].flatMap(([name, log]) =>
      log.flatMap((batch) =>
        textsOf(batch)
          .filter((text) => text !== 'theirs')
          .map((text, i) => [text, `${name} ${batch.seq}.${i}`] as const),
      ),
    ),
  );
  for (const [number, { room, text }] of offered.entries()) {
    const id = receipts.ids.get(number);
    const code = receipts.codes.get(number);
    expect(id === undefined).toBe(code !== undefined);
    if (id !== undefined) expect(stored.get(text)).toBe(`${room} ${id}`);
    else if (unknown.has(text)) expect(code).toBe('STORE_UNKNOWN');
    else expect(stored.has(text)).toBe(false);
  }
  expect(rooms.pending).toBe(0);
}

function checkPushes({ logs }: World, { sink, rooms }: RoomsRig<FakeStore>): void {
  for (const { seqs } of sink.pushes) expect(seqs.length).toBeGreaterThan(0);
  const watched = logs.get('watched') ?? [];
  const pushes = sink.pushes.filter(({ room }) => room === 'watched');
  const first = pushes[0]?.seqs[0] ?? 0;
  // What came before the room was open is where it begins.
  const heard = watched.filter(({ seq }) => seq >= first);
  expect(pushes.flatMap(({ seqs }) => seqs)).toEqual(pushes.length === 0 ? [] : heard.map(({ seq }) => seq));
  expect(pushes.flatMap(({ prevs }) => prevs)).toEqual(pushes.length === 0 ? [] : heard.map(({ prev }) => prev));
  expect(rooms.get('watched')?.seq ?? 0).toBe(watched.at(-1)?.seq ?? 0);
  const left = sink.pushes.filter(({ room }) => room === 'left').flatMap(({ seqs }) => seqs);
  expect(left).toEqual([...new Set(left)].sort((one, other) => one - other));
}
