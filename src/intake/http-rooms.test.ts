import { describe, expect, it } from 'vitest';
import type { Comment } from '../comment.ts';
import { draftOf } from '../rooms/rooms.fixture.ts';
import { MemoryStore } from '../store/store-memory.ts';
import { createApi, expectProblem } from './http-api.fixture.ts';

interface Page {
  readonly room: string;
  readonly seq: number;
  readonly comments: readonly Comment[];
  readonly next: string;
  readonly more: boolean;
}

/** The API over a room `lobby` with so many comments in its batches, of which a store keeps 150. */
async function createRoom(...sizes: number[]) {
  const store = new MemoryStore({ comments: 150, bytes: 1e9, age: 1e9, now: () => 0 });
  const api = await createApi(store);
  for (const size of sizes) {
    for (let i = 0; i < size; i += 1) api.rooms.offer('lobby', draftOf(`text ${i}`), null, i);
    await api.clock.advance(1_010);
  }
  const page = async (query: string): Promise<Page> => {
    const answer = await api.get(`/rooms/lobby/comments${query}`);
    expect(answer.statusCode).toBe(200);
    return answer.json<Page>();
  };
  return { ...api, page };
}

function idsOf({ comments }: Page): string[] {
  return comments.map(({ id }) => id);
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

describe('GET /rooms/:room/comments', () => {
  it('gives what is kept, oldest first, with ids and times', async () => {
    const { page, clock } = await createRoom(2, 1);
    const first = clock.now() - 2_020;
    const { comments, ...rest } = await page('');
    expect(rest).toEqual({ room: 'lobby', seq: 2, next: '2.0', more: false });
    const fields = { user: '', name: '', mode: 'scroll', color: 0xffffff, size: 25 };
    expect(comments).toEqual([
      { id: '1.0', text: 'text 0', at: first, ...fields },
      { id: '1.1', text: 'text 1', at: first, ...fields },
      { id: '2.0', text: 'text 0', at: first + 1_010, ...fields },
    ]);
  });

  it('begins after a batch, or after a comment in the middle of one', async () => {
    const { page } = await createRoom(2, 3, 1);
    expect(idsOf(await page('?since=1'))).toEqual(['2.0', '2.1', '2.2', '3.0']);
    expect(idsOf(await page('?since=2.1'))).toEqual(['2.2', '3.0']);
    expect(idsOf(await page('?since=2.2'))).toEqual(['3.0']);
    expect(idsOf(await page('?since=2.999'))).toEqual(['3.0']);
    expect(await page('?since=3')).toMatchObject({ comments: [], next: '3', more: false });
    expect(await page('?since=999')).toMatchObject({ comments: [], seq: 3, next: '999', more: false });
  });

  it.each([1, 2, 3, 5, 6, 7, 1_000])('gives every comment once in pages of %i', async (limit) => {
    const { page } = await createRoom(2, 3, 1);
    const ids: string[] = [];
    let since = '0';
    for (let more = true; more; ) {
      const found = await page(`?since=${since}&limit=${limit}`);
      expect(found.comments.length).toBe(Math.min(limit, 6 - ids.length));
      ids.push(...idsOf(found));
      ({ next: since, more } = found);
    }
    expect(ids).toEqual(['1.0', '1.1', '2.0', '2.1', '2.2', '3.0']);
  });

  it('begins at the oldest that is kept where older ones are asked for', async () => {
    const { page } = await createRoom(100, 100, 40);
    expect(idsOf(await page('?since=0&limit=1'))).toEqual(['2.0']);
  });

  it('gives 100 where nobody says how many', async () => {
    const { page } = await createRoom(120);
    const { comments, next, more } = await page('');
    expect([comments.length, next, more]).toEqual([100, '1.99', true]);
  });

  it.each(['x', '', '-1', '1e3', '1.5.2', '1.', '.5', '1.x', '0x1', '+1', '9007199254740993', '1'.repeat(50), '1,2'])(
    'cannot begin at since=%j',
    async (since) => {
      const { get } = await createRoom(1);
      expectProblem(await get(`/rooms/lobby/comments?since=${since}`), 'SINCE_INVALID');
    },
  );

  it('cannot begin at two places', async () => {
    const { get, logged } = await createRoom(1);
    expectProblem(await get('/rooms/lobby/comments?since=1&since=2'), 'SINCE_INVALID');
    expect(logged).toEqual([]);
  });

  it.each(['0', '1001', '-1', '', 'x', '1.5', '1e2', '10&limit=20'])('cannot give limit=%s', async (limit) => {
    const { get } = await createRoom(1);
    expectProblem(await get(`/rooms/lobby/comments?limit=${limit}`), 'LIMIT_INVALID');
  });
});
