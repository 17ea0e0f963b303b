import { describe, expect, it } from 'vitest';
import { Room } from '../rooms/room.ts';
import { seeded } from '../seeded.ts';
import { MemoryStore } from '../store/store-memory.ts';
import { FakeClock } from '../testing/clock.ts';
import { draftOf } from '../testing/rooms.ts';
import { createApi, expectProblem } from './app.fixture.ts';
import { RoomList } from './rooms.ts';

/** The API over a room `lobby` with so many comments in its batches. */
async function createRoom(...sizes: number[]) {
  const api = await createApi(new MemoryStore({ comments: 150, bytes: 1e9, age: 1e9, clock: new FakeClock(0) }));
  for (const size of sizes) {
    for (let i = 0; i < size; i += 1) api.rooms.offer('lobby', draftOf(`text ${i}`), null, i);
    await api.clock.advance(1_010);
  }
  return api;
}

describe('GET /rooms', () => {
  it('lists the live rooms, the most watched first', async () => {
    const { get, rooms, clock } = await createRoom();
    expect((await get('/rooms')).json()).toEqual({ rooms: [] });
    await clock.advance(1_000);
    rooms.join('b', 0, 0, 1);
    rooms.join('a', 0, 0, 1);
    rooms.join('many', 1, 2, 5);
    rooms.offer('pending', draftOf('x'), null, 0);
    expect((await get('/rooms')).json()).toEqual({
      rooms: [
        { room: 'many', seq: 0, viewers: 5, pending: 0 },
        { room: 'a', seq: 0, viewers: 1, pending: 0 },
        { room: 'b', seq: 0, viewers: 1, pending: 0 },
        { room: 'pending', seq: 0, viewers: 0, pending: 1 },
      ],
    });
  });
});

/** The API over rooms with 3, 2, … viewers: `r0` to `r99` with 3, and so on. */
async function createMany(count: number) {
  const api = await createRoom();
  for (let i = 0; i < count; i += 1) api.rooms.join(`r${i}`, 0, 0, 3 - (Math.floor(i / 100) % 3));
  return api;
}

interface RoomPage {
  rooms: { room: string; viewers: number }[];
  next?: string;
}

describe('the pages of GET /rooms', () => {
  it.each([1, 7, 100, 1_000])('have each room once, in the order of the whole list, %i at a time', async (limit) => {
    const count = limit === 1 ? 50 : 2_500;
    const { get } = await createMany(count);
    const found: string[] = [];
    let after = '';
    for (;;) {
      const page: RoomPage = (await get(`/rooms?limit=${limit}${after}`)).json();
      found.push(...page.rooms.map(({ room, viewers }) => `${9 - viewers}:${room}`));
      if (page.next === undefined) break;
      expect(page.rooms).toHaveLength(limit);
      after = `&after=${page.next}`;
    }
    expect(found).toEqual([...found].sort());
    expect(new Set(found).size).toBe(count);
  });

  it('are of 1,000 rooms where no limit is given', async () => {
    const { get } = await createMany(1_001);
    const { rooms, next }: RoomPage = (await get('/rooms')).json();
    expect([rooms.length, next]).toEqual([1_000, `${rooms.at(-1)?.viewers}:${rooms.at(-1)?.room}`]);
  });

  it('go on behind a room that is gone', async () => {
    const { get } = await createMany(3);
    const page: RoomPage = (await get('/rooms?after=3:r0x')).json();
    expect(page.rooms.map(({ room }) => room)).toEqual(['r1', 'r2']);
    expect((await get('/rooms?after=0:z')).json()).toEqual({ rooms: [] });
  });

  it('are of one list, which is made at most once a second', async () => {
    const { get, rooms, clock } = await createMany(2);
    const names = async (): Promise<string[]> => {
      const page: RoomPage = (await get('/rooms')).json();
      return page.rooms.map(({ room }) => room);
    };
    expect(await names()).toEqual(['r0', 'r1']);
    rooms.join('fuller', 0, 0, 9);
    await clock.advance(999);
    expect(await names()).toEqual(['r0', 'r1']);
    await clock.advance(1);
    expect(await names()).toEqual(['fuller', 'r0', 'r1']);
  });

  it.each(['0', '1001', '-1', 'x', '', '1&limit=2'])('cannot have the limit %j', async (limit) => {
    const { get } = await createRoom();
    expectProblem(await get(`/rooms?limit=${limit}`), 'LIMIT_INVALID');
  });

  it.each(['', '1', 'lobby', ':lobby', '1:', '1:a+b', '-1:a', '1:a&after=1:b', '99999999999999999:a'])(
    'cannot come after %j',
    async (after) => {
      const { get } = await createRoom();
      expectProblem(await get(`/rooms?after=${after}`), 'AFTER_INVALID');
    },
  );
});

describe('GET /rooms/:room', () => {
  it('describes a room that is live, one that is not, and one that never was', async () => {
    const { get, rooms } = await createRoom(1, 1);
    expect((await get('/rooms/lobby')).json()).toEqual({ room: 'lobby', seq: 2, viewers: 0, pending: 0 });
    rooms.join('lobby', 0, 1, 3);
    rooms.offer('lobby', draftOf('x'), null, 0);
    expect((await get('/rooms/lobby')).json()).toEqual({ room: 'lobby', seq: 2, viewers: 3, pending: 1 });
    expect((await get('/rooms/other')).json()).toEqual({ room: 'other', seq: 0, viewers: 0, pending: 0 });
  });
});

describe('a room name', () => {
  it.each(['a', 'A-z_0.9:', 'x'.repeat(64), '%61'])('may be "%s"', async (name) => {
    const { get, post } = await createRoom();
    expect((await get(`/rooms/${name}`)).statusCode).toBe(200);
    expect((await get(`/rooms/${name}/comments`)).statusCode).toBe(200);
    expect((await post(`/rooms/${name}/comments`, { text: 'x' })).statusCode).toBe(202);
  });

  it.each([
    ['a slash', 'a%2Fb'],
    ['a space', 'a%20b'],
    ['a control character', 'a%00'],
    ['a line break at its end', 'lobby%0A'],
    ['65 characters', 'x'.repeat(65)],
    ['1,000 characters', 'x'.repeat(1_000)],
    ['letters that are not ASCII', '%E5%BC%B9%E5%B9%95'],
    ['a percent sign', '%25'],
    ['a plus sign', 'a+b'],
    ['percent-encoding that is no UTF-8', '%E5%BC'],
    ['percent-encoding that is none', '%zz'],
    ['a percent sign alone', 'a%'],
  ])('cannot hold %s', async (_, name) => {
    const { get, post, rooms } = await createRoom();
    expectProblem(await get(`/rooms/${name}`), 'ROOM_NAME_INVALID');
    expectProblem(await get(`/rooms/${name}/comments`), 'ROOM_NAME_INVALID');
    expectProblem(await post(`/rooms/${name}/comments`, { text: 'x' }), 'ROOM_NAME_INVALID');
    expect(rooms.size).toBe(0);
  });

  it('cannot be empty', async () => {
    const { get, post } = await createRoom();
    expectProblem(await get('/rooms//comments'), 'ROOM_NAME_INVALID');
    expectProblem(await post('/rooms//comments', { text: 'x' }), 'ROOM_NAME_INVALID');
  });
});

/** Rooms with a few viewers each. */
function createRooms(count: number): Map<string, Room> {
  const random = seeded(7);
  const rooms = new Map<string, Room>();
  for (let i = 0; i < count; i += 1) {
    const room = new Room(`room-${random()}`, 1);
    room.addViewers(0, 0, Math.floor(random() * 40));
    rooms.set(room.name, room);
  }
  return rooms;
}

describe('the list of rooms', () => {
  it.each([0, 1, 1_999, 2_000, 2_001, 30_000])('has %i rooms in the order of viewers and names', async (count) => {
    const rooms = createRooms(count);
    const list = new RoomList({ all: () => rooms.values() }, new FakeClock());
    const wanted = [...rooms.values()]
      .sort((one, other) => other.viewers - one.viewers || (one.name < other.name ? -1 : 1))
      .map(({ name, viewers, seq }) => ({ room: name, viewers, seq, pending: 0 }));
    expect(await list.page(null, 1_000_000)).toEqual(wanted);
    for (const i of [0, 1, Math.floor(count / 2), count - 1]) {
      const place = wanted[i];
      if (place !== undefined) expect(await list.page(place, 3)).toEqual(wanted.slice(i + 1, i + 4));
    }
  });

  it('is made once for all who ask meanwhile, by many turns of the loop', async () => {
    const rooms = createRooms(30_000);
    let reads = 0;
    const all = (): Iterable<Room> => {
      reads += 1;
      return rooms.values();
    };
    const list = new RoomList({ all }, new FakeClock());
    const pages = Promise.all(Array.from({ length: 50 }, () => list.page(null, 1)));
    let turns = 0;
    let isMade = false;
    void pages.then(() => {
      isMade = true;
    });
    while (!isMade) {
      await new Promise((resolve) => setImmediate(resolve));
      turns += 1;
    }
    expect(new Set((await pages).map(([row]) => row?.room)).size).toBe(1);
    expect(reads).toBe(1);
    // 15 to read, 15 to sort and 4 for each time that they are merged.
    expect(turns).toBeGreaterThan(40);
  });

  it('has the viewers that its order comes from, though others come while it is given out', async () => {
    const rooms = createRooms(3);
    const list = new RoomList({ all: () => rooms.values() }, new FakeClock());
    const before = await list.page(null, 3);
    for (const room of rooms.values()) room.addViewers(0, 0, 100);
    expect(await list.page(null, 3)).toEqual(before);
  });
});
