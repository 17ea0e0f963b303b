import { describe, expect, it } from 'vitest';
import { FakeClock } from '../clock.fixture.ts';
import { draftOf } from '../rooms/rooms.fixture.ts';
import { MemoryStore } from '../store/store-memory.ts';
import { createApi, expectProblem } from './http-api.fixture.ts';

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
    const { get, rooms } = await createRoom();
    expect((await get('/rooms')).json()).toEqual({ rooms: [] });
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
