/** Rooms on a store that answers when and how it likes. */
import { describe, expect, it } from 'vitest';
import { settle } from '../clock.fixture.ts';
import { VolleyError } from '../codes.ts';
import { FakeStore } from '../store/store-fake.fixture.ts';
import { batchOf, createRooms, draftOf, Receipts, textsOf } from './rooms.fixture.ts';

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
