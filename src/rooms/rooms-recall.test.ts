/** Recalls: when a room tells its viewers, and who is told later. */
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../clock.fixture.ts';
import { VolleyError } from '../codes.ts';
import { encodeMessage } from '../frames/messages.ts';
import { FakeStore } from '../store/store-fake.fixture.ts';
import { MemoryStore } from '../store/store-memory.ts';
import { createRooms, draftOf, recallOf } from './rooms.fixture.ts';

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
