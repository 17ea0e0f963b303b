import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { VolleyError } from '../codes.ts';
import type { Comment } from '../comment.ts';
import { AT, fillRoom } from '../exports/comments.fixture.ts';
import { encodeBatch } from '../frames/batch.ts';
import type { Reading } from '../store/store.ts';
import { MemoryStore } from '../store/store-memory.ts';
import { FakeClock } from '../testing/clock.ts';
import { draftOf } from '../testing/rooms.ts';
import { FakeStore } from '../testing/store-fake.ts';
import { createApi, expectProblem, type HttpRig } from './app.fixture.ts';
import { MOST_LONG_ANSWERS } from './stream.ts';

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

/** A store whose reads fail from the one with this number on. */
class FailingStore extends FakeStore {
  failsFrom = Number.POSITIVE_INFINITY;
  fault = new Error('the disk is gone');

  override read(...args: Parameters<FakeStore['read']>): Promise<Reading> {
    if (this.reads.length >= this.failsFrom) return Promise.reject(this.fault);
    return super.read(...args);
  }
}

let api: HttpRig<FailingStore>;

async function createFailingRoom(...sizes: number[]): Promise<HttpRig<FailingStore>> {
  api = await createApi(new FailingStore());
  fillRoom(api.store, 'lobby', ...sizes);
  return api;
}

const FORMATS = ['ndjson', 'xml', 'ass'] as const;

describe('an export', () => {
  afterEach(() => api.app.close());

  it.each([
    ['..', '_.ndjson'],
    ['...hidden', '_hidden.ndjson'],
    ['C:a::b..', 'C_a__b...ndjson'],
    ['-x_Y.1', '-x_Y.1.ndjson'],
  ])('of the room %s is named %s, which is a plain file everywhere', async (room, file) => {
    const { app, store } = await createFailingRoom();
    fillRoom(store, room, 2);
    const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }));
    // Not as a URL, which has no part `..`.
    const sent = request({ port, path: `/rooms/${room}/comments?format=ndjson` }).end();
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    expect([answer.statusCode, answer.headers['content-disposition']]).toEqual([200, `attachment; filename="${file}"`]);
    expect((await text(answer)).match(/"id":"1\.[01]"/g)).toHaveLength(2);
  });

  it.each([
    ['ndjson', 'application/x-ndjson; charset=utf-8', /^\{"id":"1\.0",.*\}\n\{"id":"1\.1",.*\}\n$/],
    [
      'xml',
      'application/xml; charset=utf-8',
      /^<\?xml version="1\.0" encoding="UTF-8"\?><i>.*\n<d p="0\.000,.*<\/i>\n$/s,
    ],
    [
      'ass',
      'text/x-ssa; charset=utf-8',
      /^\ufeff?\[Script Info\]\nTitle: lobby\n.*\nDialogue: [^\n]*\nDialogue: [^\n]*\n$/s,
    ],
  ])('as %s has its type, a name for the file and every comment', async (format, type, text) => {
    const { get } = await createFailingRoom(2);
    const answer = await get(`/rooms/lobby/comments?format=${format}`);
    expect(answer.statusCode).toBe(200);
    expect(answer.headers).toMatchObject({
      'content-type': type,
      'content-disposition': `attachment; filename="lobby.${format}"`,
    });
    expect(answer.payload).toMatch(text);
  });

  it.each([
    ['ndjson', /^$/],
    ['xml', /^<\?xml [^\n]*\?><i>.*\n<\/i>\n$/],
    ['ass', /^\ufeff?\[Script Info\]\n.*\[Events\]\nFormat: [^\n]*\n$/s],
  ])('as %s of a room without comments is a document without any', async (format, text) => {
    const { get } = await createFailingRoom();
    const answer = await get(`/rooms/other/comments?format=${format}`);
    expect(answer.statusCode).toBe(200);
    expect(answer.payload).toMatch(text);
  });

  it('has as many comments as there are, or as are asked for, in either order', async () => {
    const { get } = await createFailingRoom(700, 1, 1_200);
    const idsOf = async (query: string): Promise<string[]> => {
      const { payload } = await get(`/rooms/lobby/comments?format=ndjson${query}`);
      return payload
        .split('\n')
        .slice(0, -1)
        .map((line) => (JSON.parse(line) as Comment).id);
    };
    const all = [700, 1, 1_200].flatMap((size, i) => Array.from({ length: size }, (_, place) => `${i + 1}.${place}`));
    expect(await idsOf('')).toEqual(all);
    expect(await idsOf('&order=desc')).toEqual(all.toReversed());
    expect(await idsOf('&limit=1500')).toEqual(all.slice(0, 1_500));
    expect(await idsOf('&limit=1&order=desc')).toEqual(['3.1199']);
    expect(await idsOf('&since=1.698&until=3.1')).toEqual(['1.699', '2.0', '3.0']);
  });

  it('as XML or subtitles begins at its origin and leaves out what came before', async () => {
    const { get } = await createFailingRoom(1, 1, 1);
    const xml = await get(`/rooms/lobby/comments?format=xml&origin=${AT + 500}&limit=1`);
    expect(xml.payload.match(/(?<=<d )[^,]*/g)).toEqual(['p="0.500']);
    const ass = await get(`/rooms/lobby/comments?format=ass&origin=${AT + 500}`);
    expect(ass.payload.match(/(?<=Dialogue: 0,)[^,]*/g)).toEqual(['0:00:00.50', '0:00:01.50']);
  });

  it.each(FORMATS)('as %s does not run for HEAD', async (format) => {
    const { app, store } = await createFailingRoom(3);
    const answer = await app.inject({ method: 'HEAD', url: `/rooms/lobby/comments?format=${format}` });
    expect([answer.statusCode, answer.payload]).toEqual([200, '']);
    expect(answer.headers['content-disposition']).toBe(`attachment; filename="lobby.${format}"`);
    expect(answer.headers['content-length']).toBeUndefined();
    expect(store.reads).toEqual([]);
  });

  it.each(FORMATS)('as %s that cannot begin is answered with a status, and logged', async (format) => {
    const { get, store, logged } = await createFailingRoom(3);
    store.failsFrom = 0;
    const answer = await get(`/rooms/lobby/comments?format=${format}`);
    expectProblem(answer, 'INTERNAL');
    expect(answer.headers['content-disposition']).toBeUndefined();
    expect(logged).toHaveLength(1);
    expect(logged[0]).toContain('the disk is gone');
  });

  it.each(FORMATS)('as %s that the store cannot read has the status of that fault', async (format) => {
    const { get, store, logged } = await createFailingRoom(3);
    store.failsFrom = 0;
    store.fault = new VolleyError('STORE_FAILED', 'a page is unreadable');
    expectProblem(await get(`/rooms/lobby/comments?format=${format}`), 'STORE_FAILED');
    expect(logged).toHaveLength(1);
  });
});

/** Batches of about 220 KB that make up 44 MB: more than any socket takes in. */
const BATCHES = 200;

/** The API on a port, over a large room, and what its side of the next connection is. */
async function listenLarge(): Promise<{ url: string; connected: Promise<Socket> }> {
  const { app, store } = await createFailingRoom();
  const texts = Array.from({ length: 1_000 }, (_, i) => `${i}`.padEnd(100, 'x'));
  const batch = encodeBatch(texts.map((text) => ({ ...draftOf(text), at: AT })));
  for (let i = 0; i < BATCHES; i += 1) store.deliver(store.put('lobby', batch));
  const url = await app.listen({ port: 0, host: '127.0.0.1' });
  const connected = new Promise<Socket>((resolve) => app.server.once('connection', resolve));
  return { url: `${url}/rooms/lobby/comments?format=ndjson`, connected };
}

async function until(holds: () => boolean): Promise<void> {
  const end = Date.now() + 15_000;
  while (!holds()) {
    if (Date.now() > end) throw new Error('that did not happen within 15 s');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Turns of the loop in which a walk that goes on would read. */
async function someTurns(): Promise<void> {
  for (let i = 0; i < 100; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** A client that has had the first bytes and reads no more for now. */
async function startReading(url: string) {
  const sent = request(url);
  sent.end();
  const response = await new Promise<IncomingMessage>((resolve) => sent.once('response', resolve));
  await new Promise<void>((resolve) => response.once('readable', resolve));
  return response;
}

describe('the client of an export', () => {
  afterEach(() => api.app.close());

  it('that stops reading holds up the reading of the store, and gets everything once it goes on', async () => {
    const { url, connected } = await listenLarge();
    const response = await startReading(url);
    const socket = await connected;
    await until(() => socket.writableNeedDrain);
    await someTurns();
    const reads = api.store.reads.length;
    expect(reads).toBeLessThan(BATCHES / 2);
    await someTurns();
    expect(api.store.reads.length).toBe(reads);
    const lines: unknown[] = [];
    let rest = '';
    for await (const chunk of response.setEncoding('utf8')) {
      const parts = (rest + String(chunk)).split('\n');
      rest = parts.pop() ?? '';
      // Not parsed: that is most of the test's time.
      lines.push(...parts.map((line) => /^\{"id":"([\d.]+)".*\}$/.exec(line)?.[1]));
    }
    expect([rest, lines.length, lines.at(-1)]).toEqual(['', BATCHES * 1_000, `${BATCHES}.999`]);
    expect(new Set(lines).size).toBe(lines.length);
  });

  it('that goes away ends the reading of the store', async () => {
    const { url, connected } = await listenLarge();
    const response = await startReading(url);
    const socket = await connected;
    response.destroy();
    await until(() => socket.destroyed);
    await someTurns();
    const reads = api.store.reads.length;
    expect(reads).toBeLessThan(BATCHES / 2);
    await someTurns();
    expect(api.store.reads.length).toBe(reads);
    expect(api.logged).toEqual([]);
  });

  it('that goes away before anything was found ends it too', async () => {
    const { url, connected } = await listenLarge();
    const sent = request(`${url.replace('ndjson', 'xml')}&origin=${AT + 1}`);
    sent.once('error', () => undefined);
    sent.end();
    const socket = await connected;
    await until(() => api.store.reads.length > 2);
    sent.destroy();
    await until(() => socket.destroyed);
    await someTurns();
    const reads = api.store.reads.length;
    expect(reads).toBeLessThan(BATCHES);
    await someTurns();
    expect(api.store.reads.length).toBe(reads);
    expect(api.logged).toEqual([]);
  });

  it('is cut off where the store fails in the middle, and that is logged', async () => {
    const { url } = await listenLarge();
    api.store.failsFrom = 5;
    const response = await fetch(url);
    expect(response.status).toBe(200);
    await expect(response.text()).rejects.toThrow('terminated');
    expect(api.logged).toHaveLength(1);
    expect(JSON.parse(api.logged[0] ?? '')).toMatchObject({
      url: '/rooms/lobby/comments?format=ndjson',
      msg: 'an answer was cut off',
    });
  });

  it('that does not read does not hold up the end of the server', async () => {
    const { url, connected } = await listenLarge();
    const response = await startReading(url);
    await until(() => api.store.reads.length > 2);
    await api.app.close();
    expect((await connected).destroyed).toBe(true);
    // Cut off, so that nobody takes what came for the whole.
    await expect(response.resume().toArray()).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  it('is refused while there are as many as there may be, DPlayer’s among them; pages are not', async () => {
    const { app, get, store } = await createFailingRoom(3);
    store.holdReads = true;
    const exports = Array.from({ length: MOST_LONG_ANSWERS }, (_, i) =>
      get(i % 2 === 0 ? '/rooms/lobby/comments?format=xml' : '/dplayer/v3/?id=lobby'),
    );
    await until(() => store.reads.length === MOST_LONG_ANSWERS);
    const refused = await get('/rooms/lobby/comments?format=ndjson');
    expect(expectProblem(refused, 'BUSY')).toMatchObject({ retryAfterMs: 1_000 });
    expect(refused.headers['retry-after']).toBe('1');
    const shown = await get('/dplayer/v3/?id=lobby');
    expect([shown.statusCode, shown.json()]).toEqual([200, expect.objectContaining({ code: 1, error: 'BUSY' })]);
    expect((await app.inject({ method: 'HEAD', url: '/dplayer/v3/?id=lobby' })).statusCode).toBe(200);
    store.holdReads = false;
    expect((await get('/rooms/lobby/comments')).json()).toMatchObject({ next: '1.2', more: false });
    store.answerReads();
    for (const answer of await Promise.all(exports)) expect(answer.statusCode).toBe(200);
    expect((await get('/rooms/lobby/comments?format=ndjson')).statusCode).toBe(200);
  });
});
