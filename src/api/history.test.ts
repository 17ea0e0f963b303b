import { describe, expect, it } from 'vitest';
import { FakeClock } from '../clock.fixture.ts';
import { VolleyError } from '../codes.ts';
import type { Comment } from '../comment.ts';
import { draftOf } from '../rooms/rooms.fixture.ts';
import { MemoryStore } from '../store/store-memory.ts';
import { createApi, expectProblem } from './app.fixture.ts';

interface Page {
  readonly room: string;
  readonly seq: number;
  readonly comments: readonly Comment[];
  readonly next: string;
  readonly more: boolean;
}

/** The API over a room `lobby` with so many comments in its batches, of which a store keeps 150. */
async function createRoom(...sizes: number[]) {
  const store = new MemoryStore({ comments: 150, bytes: 1e9, age: 1e9, clock: new FakeClock(0) });
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
  return { ...api, store, page };
}

function idsOf({ comments }: Page): string[] {
  return comments.map(({ id }) => id);
}

describe('a page of comments', () => {
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

  it('of the longest comments ends before its limit, and the pages after it have the rest', async () => {
    const { page, rooms, clock, store } = await createRoom();
    const longest = { ...draftOf('😀'.repeat(200)), extra: '\u0001'.repeat(512) };
    for (let i = 0; i < 1_000; i += 1) rooms.offer('lobby', longest, null, i);
    await clock.advance(10);
    expect(await store.head('lobby')).toMatchObject({ seq: 1 });
    for (const order of ['asc', 'desc']) {
      const ids: string[] = [];
      let from = '';
      for (let more = true; more; ) {
        const got = await page(`?limit=1000&order=${order}${from}`);
        expect(JSON.stringify(got).length).toBeLessThan(1_100_000);
        expect(idsOf(got).length).toBeGreaterThan(200);
        ids.push(...idsOf(got));
        ({ more } = got);
        from = order === 'asc' ? `&since=${got.next}` : `&until=${got.next}`;
      }
      const places = Array.from({ length: 1_000 }, (_, place) => `1.${place}`);
      expect(ids).toEqual(order === 'asc' ? places : places.reverse());
    }
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

  it('ends before a batch, or before a comment in the middle of one', async () => {
    const { page } = await createRoom(2, 3, 1);
    expect(idsOf(await page('?until=2'))).toEqual(['1.0', '1.1']);
    expect(idsOf(await page('?until=2.1'))).toEqual(['1.0', '1.1', '2.0']);
    expect(idsOf(await page('?since=1.0&until=2.2'))).toEqual(['1.1', '2.0', '2.1']);
    expect(idsOf(await page('?until=2.999'))).toEqual(['1.0', '1.1', '2.0', '2.1', '2.2']);
    expect(await page('?until=999')).toMatchObject({ next: '3.0', more: false });
    expect(await page('?since=2&until=2')).toMatchObject({ comments: [], next: '2', more: false });
    expect(await page('?until=0')).toMatchObject({ comments: [], seq: 3, next: '0', more: false });
  });

  it('gives the newest first where that is asked for', async () => {
    const { page } = await createRoom(2, 3, 1);
    expect(await page('?order=desc&limit=2')).toMatchObject({ seq: 3, next: '2.2', more: true });
    expect(idsOf(await page('?order=desc'))).toEqual(['3.0', '2.2', '2.1', '2.0', '1.1', '1.0']);
    expect(idsOf(await page('?order=desc&since=1.0&until=2.2'))).toEqual(['2.1', '2.0', '1.1']);
    expect(await page('?order=desc&until=1')).toMatchObject({ comments: [], next: '1', more: false });
  });

  it.each([1, 2, 3, 5, 6, 7, 1_000])('gives every comment once in pages of %i, the newest first', async (limit) => {
    const { page } = await createRoom(2, 3, 1);
    const ids: string[] = [];
    let until = '';
    for (let more = true; more; ) {
      const found = await page(`?order=desc&limit=${limit}${until}`);
      expect(found.comments.length).toBe(Math.min(limit, 6 - ids.length));
      ids.push(...idsOf(found));
      until = `&until=${found.next}`;
      ({ more } = found);
    }
    expect(ids).toEqual(['3.0', '2.2', '2.1', '2.0', '1.1', '1.0']);
  });

  it.each(['asc', 'desc'])(
    'of a room without comments has none, and says where a next one begins (%s)',
    async (order) => {
      const { get } = await createRoom();
      const empty = { room: 'other', seq: 0, comments: [], more: false };
      expect((await get(`/rooms/other/comments?order=${order}`)).json()).toEqual({
        ...empty,
        next: order === 'asc' ? '0' : '1',
      });
    },
  );

  it('leaves out what was recalled; the others keep their ids', async () => {
    const { page, remove } = await createRoom(3);
    expect((await remove('/rooms/lobby/comments/1.1')).statusCode).toBe(204);
    expect(idsOf(await page(''))).toEqual(['1.0', '1.2']);
    expect(idsOf(await page('?order=desc&limit=1&until=1.2'))).toEqual(['1.0']);
    expect(await page('?limit=1')).toMatchObject({ next: '1.0', more: true });
  });

  it('is refused behind 500 others that wait, which get theirs, and given again after them', async () => {
    const { get, logged, counters } = await createRoom(1);
    const answers = await Promise.all(Array.from({ length: 600 }, () => get('/rooms/lobby/comments')));
    const statuses = answers.map(({ statusCode }) => statusCode);
    expect([new Set(statuses), statuses.filter((status) => status === 200).length]).toEqual([new Set([200, 503]), 500]);
    for (const answer of answers.filter(({ statusCode }) => statusCode === 503)) {
      expectProblem(answer, 'BUSY');
      expect(answer.headers['retry-after']).toBe('1');
    }
    expect(counters.refused.get('BUSY')).toBe(100);
    expect((await get('/rooms/lobby/comments')).statusCode).toBe(200);
    expect(logged).toEqual([]);
  });

  it('that the store cannot read is answered with the code of that fault, and logged', async () => {
    const { get, store, logged, counters } = await createRoom(1);
    store.read = () => Promise.reject(new VolleyError('STORE_FAILED', 'a page is unreadable'));
    expectProblem(await get('/rooms/lobby/comments'), 'STORE_FAILED');
    expect([logged.length, logged[0]]).toEqual([1, expect.stringContaining('a page is unreadable')]);
    expect(counters.refused.get('STORE_FAILED')).toBe(1);
  });

  it.each([new VolleyError('BATCH_CORRUPT', 'not a batch'), new Error('the disk is gone')])(
    'that fails in any other way is an unexpected fault: %s',
    async (fault) => {
      const { get, store, logged } = await createRoom(1);
      store.read = () => Promise.reject(fault);
      expectProblem(await get('/rooms/lobby/comments'), 'INTERNAL');
      expect(logged).toHaveLength(1);
    },
  );

  const BAD_PLACES = [
    'x',
    '',
    '-1',
    '1e3',
    '1.5.2',
    '01.5',
    '1.05',
    '1.',
    '.5',
    '1.x',
    '0x1',
    '+1',
    '9007199254740993',
    '1'.repeat(50),
    '1,2',
  ];

  it.each(BAD_PLACES)('cannot begin at since=%j nor end at it', async (place) => {
    const { get } = await createRoom(1);
    expectProblem(await get(`/rooms/lobby/comments?since=${place}`), 'SINCE_INVALID');
    expectProblem(await get(`/rooms/lobby/comments?until=${place}`), 'UNTIL_INVALID');
  });

  it.each([
    ['since=1&since=2', 'SINCE_INVALID'],
    ['until=1&until=2', 'UNTIL_INVALID'],
    ['limit=10&limit=20', 'LIMIT_INVALID'],
    ['order=asc&order=asc', 'ORDER_INVALID'],
    ['order=', 'ORDER_INVALID'],
    ['order=DESC', 'ORDER_INVALID'],
    ['format=xml&order=desc', 'ORDER_INVALID'],
    ['format=ass&order=desc', 'ORDER_INVALID'],
    ['format=', 'FORMAT_INVALID'],
    ['format=csv', 'FORMAT_INVALID'],
    ['format=xml&format=xml', 'FORMAT_INVALID'],
    ['format=toString', 'FORMAT_INVALID'],
    ['origin=', 'ORIGIN_INVALID'],
    ['origin=-1', 'ORIGIN_INVALID'],
    ['origin=1.5', 'ORIGIN_INVALID'],
    ['origin=2026-01-01', 'ORIGIN_INVALID'],
    ['origin=1&origin=2', 'ORIGIN_INVALID'],
    ['format=ndjson&limit=0', 'LIMIT_INVALID'],
    ['format=xml&limit=x', 'LIMIT_INVALID'],
  ] as const)('cannot be asked for with %s', async (query, code) => {
    const { get, logged } = await createRoom(1);
    expectProblem(await get(`/rooms/lobby/comments?${query}`), code);
    expect(logged).toEqual([]);
  });

  it.each(['0', '1001', '-1', '', 'x', '1.5', '1e2'])('cannot have limit=%s', async (limit) => {
    const { get } = await createRoom(1);
    expectProblem(await get(`/rooms/lobby/comments?limit=${limit}`), 'LIMIT_INVALID');
  });
});
