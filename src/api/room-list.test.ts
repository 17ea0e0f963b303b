import { describe, expect, it } from 'vitest';
import { FakeClock } from '../clock.fixture.ts';
import { Room } from '../rooms/room.ts';
import { seeded } from '../seeded.ts';
import { RoomList } from './rooms.ts';

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
