import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { createApi } from '../api/app.fixture.ts';
import { type RefusalCode, VolleyError } from '../codes.ts';
import { encodeBatch } from '../frames/batch.ts';
import { draftOf } from '../rooms/rooms.fixture.ts';
import { FakeStore } from '../store/store-fake.fixture.ts';
import { createMemoryApi, expectRefused, PATH, rowsOf, SENT } from './dplayer.fixture.ts';

/** Puts batches of the comments `0`, `1`, … into the log, ten a batch, a comment every 100 ms. */
function fill(store: FakeStore, room: string, count: number, first = 1_764_000_000_000): void {
  for (let from = 0; from < count; from += 10) {
    const drafts = Array.from({ length: Math.min(10, count - from) }, (_, i) => ({
      ...draftOf(`${from + i}`),
      at: first + (from + i) * 100,
    }));
    store.deliver(store.put(room, encodeBatch(drafts)));
  }
}

/** Puts batches of 100 comments into the log, each larger than what is read at once. */
function fillLarge(store: FakeStore, room: string, batches: number): void {
  const large = { ...draftOf('弹'.repeat(200)), extra: 'y'.repeat(500), at: 1 };
  for (let i = 0; i < batches; i += 1) store.deliver(store.put(room, encodeBatch(new Array(100).fill(large))));
}

describe('GET /dplayer/v3/', () => {
  it('gives nothing for a room that never was', async () => {
    const { get } = await createMemoryApi();
    expect((await get(`${PATH}?id=lobby`)).body).toBe('{"code":0,"data":[]}');
  });

  it('takes a hash and the characters of an id as a site may choose them', async () => {
    const { get, post, answered } = await createMemoryApi();
    for (const id of ['9E2E3368B56CDBB4', 'live:room-1_a.b']) {
      await answered(post(PATH, { ...SENT, id }));
      expect(rowsOf(await get(`/dplayer/v3?id=${id}&max=10`))).toHaveLength(1);
    }
  });

  it('places what was not sent by DPlayer by its arrival after the oldest that is read', async () => {
    const { get, store } = await createApi(new FakeStore());
    fill(store, 'lobby', 25);
    store.deliver(
      store.put('lobby', encodeBatch([{ ...draftOf('sent'), extra: 'dplayer:1.5', at: 1_764_000_000_000 }])),
      store.put('lobby', encodeBatch([{ ...draftOf('gift'), extra: 'dplayer:soon', at: 1_764_000_060_000 }])),
    );
    const all = rowsOf(await get(`${PATH}?id=lobby`));
    expect(all.map(([time]) => time)).toEqual([...Array.from({ length: 25 }, (_, i) => i / 10), 1.5, 60]);
    const newest = rowsOf(await get(`${PATH}?id=lobby&max=5`));
    expect(newest).toEqual([
      [0, 0, 0xffffff, '', '22'],
      [0.1, 0, 0xffffff, '', '23'],
      [0.2, 0, 0xffffff, '', '24'],
      [1.5, 0, 0xffffff, '', 'sent'],
      [57.8, 0, 0xffffff, '', 'gift'],
    ]);
  });

  it('never gives a time below 0, even where the clock was set back', async () => {
    const { get, store } = await createApi(new FakeStore());
    store.deliver(
      store.put('lobby', encodeBatch([{ ...draftOf('one'), at: 1_764_000_000_000 }])),
      store.put('lobby', encodeBatch([{ ...draftOf('two'), at: 1_763_999_000_000 }])),
    );
    expect(rowsOf(await get(`${PATH}?id=lobby`)).map(([time]) => time)).toEqual([0, 0]);
  });

  it.each(['max', 'limit'])('gives the newest as %s says, 1,000 without it and 10,000 at most', async (name) => {
    const { get, store } = await createApi(new FakeStore());
    fill(store, 'lobby', 10_015);
    const textsOf = async (query: string) =>
      rowsOf(await get(`${PATH}?id=lobby${query}`)).map(([, , , , text]) => text);
    const newest = (count: number) => Array.from({ length: count }, (_, i) => `${10_015 - count + i}`);
    expect(await textsOf('')).toEqual(newest(1_000));
    for (const count of [1, 9, 10, 11, 5_000]) expect(await textsOf(`&${name}=${count}`)).toEqual(newest(count));
    expect(await textsOf(`&${name}=9007199254740991`)).toEqual(newest(10_000));
  });

  it('leaves out what was recalled', async () => {
    const { get, store } = await createApi(new FakeStore());
    fill(store, 'lobby', 20);
    for (const place of [0, 1, 9]) await store.recall('lobby', 1, [place]);
    for (let place = 0; place < 10; place += 1) await store.recall('lobby', 2, [place]);
    expect(rowsOf(await get(`${PATH}?id=lobby&max=3`)).map(([time, , , , text]) => [time, text])).toEqual([
      [0, '6'],
      [0.1, '7'],
      [0.2, '8'],
    ]);
  });

  it('escapes what DPlayer writes as HTML', async () => {
    const { get, post, answered } = await createMemoryApi();
    const text = `<img src=x onerror="a('b')"> & &lt;`;
    await answered(post(PATH, { ...SENT, text, author: `"><b>'` }));
    const [row] = rowsOf(await get(`${PATH}?id=lobby`));
    expect(row?.slice(3)).toEqual([
      '&quot;&gt;&lt;b&gt;&#39;',
      '&lt;img src=x onerror=&quot;a(&#39;b&#39;)&quot;&gt; &amp; &amp;lt;',
    ]);
  });

  it.each<[RefusalCode, string]>([
    ['ROOM_NAME_INVALID', ''],
    ['ROOM_NAME_INVALID', '?id='],
    ['ROOM_NAME_INVALID', '?id=a/b'],
    ['ROOM_NAME_INVALID', '?id=%E5%BC%B9'],
    ['ROOM_NAME_INVALID', '?id=%'],
    ['ROOM_NAME_INVALID', '?id=a&id=b'],
    ['ROOM_NAME_INVALID', `?id=${'a'.repeat(65)}`],
    ['LIMIT_INVALID', '?id=a&max='],
    ['LIMIT_INVALID', '?id=a&max=0'],
    ['LIMIT_INVALID', '?id=a&max=-1'],
    ['LIMIT_INVALID', '?id=a&max=1e3'],
    ['LIMIT_INVALID', '?id=a&max=NaN'],
    ['LIMIT_INVALID', '?id=a&max=99999999999999999999'],
    ['LIMIT_INVALID', '?id=a&max=1&max=2'],
    ['LIMIT_INVALID', '?id=a&limit=all'],
  ])('refuses with %s: %s', async (code, query) => {
    const { get } = await createMemoryApi();
    expectRefused(await get(PATH + query), code);
  });

  it('logs a fault of the store, and says that there was one', async () => {
    const { get, store, logged } = await createApi(new FakeStore());
    fill(store, 'lobby', 10);
    store.read = () => Promise.reject(new Error('disk'));
    expectRefused(await get(`${PATH}?id=lobby`), 'INTERNAL');
    expect(logged.join('')).toContain('disk');
    store.read = () => Promise.reject(new VolleyError('STORE_FAILED', 'a page is unreadable'));
    expectRefused(await get(`${PATH}?id=lobby`), 'STORE_FAILED');
    expect(logged.join('')).toContain('a page is unreadable');
  });

  it('reads nothing for HEAD', async () => {
    const { app, store } = await createApi(new FakeStore());
    fill(store, 'lobby', 10);
    const answer = await app.inject({ method: 'HEAD', url: `${PATH}?id=lobby` });
    expect([answer.statusCode, answer.body, store.reads]).toEqual([200, '', []]);
    expect(answer.headers['content-type']).toMatch(/^application\/json\b/);
  });

  it('cuts the connection where a fault comes in the middle, and logs it', async () => {
    const { app, store, logged } = await createApi(new FakeStore());
    fillLarge(store, 'lobby', 2);
    const read = store.read.bind(store);
    let reads = 0;
    // The last of four: two to count, two for the answer.
    store.read = (...range) => {
      reads += 1;
      return reads < 4 ? read(...range) : Promise.reject(new Error('disk'));
    };
    const url = await app.listen({ port: 0, host: '127.0.0.1' });
    try {
      const answer = await fetch(`${url}${PATH}?id=lobby`);
      expect(answer.status).toBe(200);
      await expect(answer.text()).rejects.toThrow('terminated');
      expect(logged.join('')).toContain('disk');
    } finally {
      await app.close();
    }
  });

  it('gives the loop back between what it has read', async () => {
    const { get, store } = await createApi(new FakeStore());
    fillLarge(store, 'lobby', 8);
    let turns = 0;
    const turnsAtRead: number[] = [];
    const tick = (): void => {
      turns += 1;
      turner = setImmediate(tick);
    };
    let turner = setImmediate(tick);
    const read = store.read.bind(store);
    store.read = (...range) => {
      turnsAtRead.push(turns);
      return read(...range);
    };
    expect(rowsOf(await get(`${PATH}?id=lobby&max=800`))).toHaveLength(800);
    clearImmediate(turner);
    // Each of eight batches, to count and to answer.
    expect(turnsAtRead).toHaveLength(16);
    expect((turnsAtRead.at(-1) ?? 0) - (turnsAtRead[0] ?? 0)).toBeGreaterThanOrEqual(8);
  });

  it('does not hold up the end of the server while a client reads nothing', async () => {
    const { app, store } = await createApi(new FakeStore());
    fillLarge(store, 'lobby', 100);
    const url = await app.listen({ port: 0, host: '127.0.0.1' });
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.write(`GET ${PATH}?id=lobby&max=10000 HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await once(socket, 'readable');
    const ended = once(socket, 'close');
    await app.close();
    socket.resume();
    await ended;
    expect(store.reads.length).toBeLessThan(200);
  });
});
