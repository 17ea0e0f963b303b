/** Rooms in which nothing happens: heartbeats, forgetting, lost shards, and the end of the server. */
import { describe, expect, it } from 'vitest';
import { FakeClock, settle } from '../clock.fixture.ts';
import { FakeStore } from '../store/store-fake.fixture.ts';
import { MemoryStore } from '../store/store-memory.ts';
import { createRooms, draftOf, Receipts, type RigOptions } from './rooms.fixture.ts';

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
