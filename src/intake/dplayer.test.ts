import { once } from 'node:events';
import { connect } from 'node:net';
import type { LightMyRequestResponse } from 'fastify';
import { describe, expect, it } from 'vitest';
import { createApi, type HttpRig } from '../api/app.fixture.ts';
import { type RefusalCode, VolleyError } from '../codes.ts';
import { decodeBatch, encodeBatch } from '../frames/batch.ts';
import { MemoryStore } from '../store/store-memory.ts';
import { FakeClock } from '../testing/clock.ts';
import { draftOf } from '../testing/rooms.ts';
import { FakeStore } from '../testing/store-fake.ts';

/** A comment as DPlayer reads it. */
type DplayerRow = [time: number, type: number, color: number, author: string, text: string];

/** What the form of a stock DPlayer sends. */
const SENT = { id: 'lobby', author: 'DIYgod', time: 12.3456, text: 'hi', color: 0xff0000, type: 1 };

const PATH = '/dplayer/v3/';

/** The API over a store in memory. */
function createMemoryApi(options: Parameters<typeof createApi>[1] = {}): Promise<HttpRig<MemoryStore>> {
  return createApi(new MemoryStore({ comments: 100_000, bytes: 1e9, age: 1e9, clock: new FakeClock(0) }), options);
}

/** What DPlayer makes of a good answer. */
function rowsOf(answer: LightMyRequestResponse): DplayerRow[] {
  expect(answer.statusCode).toBe(200);
  expect(answer.headers['content-type']).toMatch(/^application\/json\b/);
  const { code, data } = answer.json<{ code: number; data: DplayerRow[] }>();
  expect(code).toBe(0);
  return data;
}

/** Checks that DPlayer gets a sentence to show. */
function expectRefused(answer: LightMyRequestResponse, code: RefusalCode): void {
  expect(answer.statusCode).toBe(200);
  expect(answer.headers['content-type']).toMatch(/^application\/json\b/);
  expect(answer.json()).toEqual({ code: 1, msg: expect.stringMatching(/^[^{}]{8,120}$/), error: code });
}

describe('POST /dplayer/v3/', () => {
  it.each(['/dplayer/v3/', '/dplayer/v3'])('at %s answers once the comment is stored', async (path) => {
    const { post, store, clock, sink, counters } = await createApi(new FakeStore());
    let answered = false;
    const reply = post(path, { ...SENT, token: 'ignored' }).then((answer) => {
      answered = true;
      return answer;
    });
    await clock.advance(5_000);
    expect([answered, store.waiting.length]).toEqual([false, 1]);
    const { stored, answer } = store.store('lobby', 7);
    store.deliver(stored);
    answer();
    expect((await reply).json()).toEqual({ code: 0, data: { id: '7.0' } });
    expect(sink.texts('lobby')).toEqual(['hi']);
    expect(counters.commentsHttp).toBe(1);
  });

  it('makes a comment like any other of it', async () => {
    const { post, answered, store } = await createMemoryApi();
    await answered(post(PATH, { ...SENT, text: ' <b>"Tom" & \'Jerry\'</b> ' }));
    const [batch] = (await store.read('lobby', 0, 1, 1e6)).batches;
    const { comments } = decodeBatch(batch ?? { seq: 0, prev: 0, bytes: new Uint8Array() });
    expect(comments).toEqual([
      {
        id: '1.0',
        user: '',
        name: 'DIYgod',
        text: ' <b>"Tom" & \'Jerry\'</b> ',
        mode: 'top',
        color: 0xff0000,
        size: 25,
        at: 0,
        extra: 'dplayer:12.346',
      },
    ]);
  });

  it.each<[string, object, DplayerRow]>([
    ['the form', {}, [12.346, 1, 0xff0000, 'DIYgod', 'hi']],
    ['type 0 and 2', { type: 2, color: 0 }, [12.346, 2, 0, 'DIYgod', 'hi']],
    ['the words of DPlayer’s manual', { type: 'bottom', color: '#b7daff' }, [12.346, 2, 0xb7daff, 'DIYgod', 'hi']],
    ['a short colour', { type: 'right', color: '#0Fa' }, [12.346, 0, 0x00ffaa, 'DIYgod', 'hi']],
    ['neither type nor color', { type: undefined, color: undefined }, [12.346, 0, 0xffffff, 'DIYgod', 'hi']],
    ['a color that is null', { color: null }, [12.346, 1, 0xffffff, 'DIYgod', 'hi']],
    ['the beginning of the video', { time: 0 }, [0, 1, 0xff0000, 'DIYgod', 'hi']],
    ['a hair after it', { time: 1e-9 }, [0, 1, 0xff0000, 'DIYgod', 'hi']],
    ['a live stream that counts from 1970', { time: 1764000000.5 }, [1764000000.5, 1, 0xff0000, 'DIYgod', 'hi']],
    ['the latest time', { time: 9_999_999_999 }, [9_999_999_999, 1, 0xff0000, 'DIYgod', 'hi']],
    ['no author', { author: undefined }, [12.346, 1, 0xff0000, '', 'hi']],
    ['an author who is a number', { author: 42 }, [12.346, 1, 0xff0000, '42', 'hi']],
    ['a long author, cut', { author: 'a'.repeat(1_000) }, [12.346, 1, 0xff0000, 'a'.repeat(32), 'hi']],
    [
      'an author in emoji, cut between two',
      { author: `a${'🎉'.repeat(40)}` },
      [12.346, 1, 0xff0000, `a${'🎉'.repeat(31)}`, 'hi'],
    ],
  ])('takes %s', async (_name, fields, row) => {
    const { post, get, answered } = await createMemoryApi();
    expect((await answered(post(PATH, { ...SENT, ...fields }))).json()).toMatchObject({ code: 0 });
    expect(rowsOf(await get(`${PATH}?id=lobby`))).toEqual([row]);
  });

  it.each([42, Number.MAX_SAFE_INTEGER])('takes %i as an id, as the GET has it as text', async (id) => {
    const { post, get, answered } = await createMemoryApi();
    await answered(post(PATH, { ...SENT, id }));
    expect(rowsOf(await get(`${PATH}?id=${id}`))).toHaveLength(1);
  });

  it('says which rule a text breaks, with the bound in force', async () => {
    const { post } = await createMemoryApi();
    const refused = await post(PATH, { ...SENT, text: 'x'.repeat(201) });
    expect(refused.json()).toMatchObject({ msg: 'text is too long: 201 characters, at most 200 are allowed' });
  });

  it.each<[RefusalCode, string, object | string]>([
    ['NOT_JSON', 'no JSON', '{'],
    ['NOT_AN_OBJECT', 'an array', [SENT]],
    ['NOT_AN_OBJECT', 'null', 'null'],
    ['NOT_AN_OBJECT', 'a string', '"lobby"'],
    ['ROOM_NAME_INVALID', 'no id', { ...SENT, id: undefined }],
    ['ROOM_NAME_INVALID', 'an id that is no room name', { ...SENT, id: 'a/b' }],
    ['ROOM_NAME_INVALID', 'an id of 65 characters', { ...SENT, id: 'a'.repeat(65) }],
    ['ROOM_NAME_INVALID', 'an id that is an array', { ...SENT, id: ['lobby'] }],
    ['ROOM_NAME_INVALID', 'an id that is a huge number', { ...SENT, id: 1e300 }],
    ['ROOM_NAME_INVALID', 'an id that JSON has rounded', JSON.stringify(SENT).replace('"lobby"', '9007199254740993')],
    ['ROOM_NAME_INVALID', 'an id of 64 bits', JSON.stringify(SENT).replace('"lobby"', '1330394524299587072')],
    ['ROOM_NAME_INVALID', 'an id that is a fraction', { ...SENT, id: 1.5 }],
    ['TIME_INVALID', 'a time below 0', { ...SENT, time: -0.001 }],
    ['TIME_INVALID', 'a time that is NaN, which is null in JSON', { ...SENT, time: Number.NaN }],
    ['TIME_INVALID', 'a time without end', JSON.stringify(SENT).replace('12.3456', '1e999')],
    ['TIME_INVALID', 'a huge time', { ...SENT, time: 1e10 }],
    ['TIME_INVALID', 'a time in words', { ...SENT, time: '12.3456' }],
    ['TIME_INVALID', 'no time', { ...SENT, time: undefined }],
    ['MODE_INVALID', 'type 3', { ...SENT, type: 3 }],
    ['MODE_INVALID', 'type -1', { ...SENT, type: -1 }],
    ['MODE_INVALID', 'type 0.5', { ...SENT, type: 0.5 }],
    ['MODE_INVALID', 'an unknown word as type', { ...SENT, type: 'left' }],
    ['MODE_INVALID', 'a property of arrays as type', { ...SENT, type: 'length' }],
    ['MODE_INVALID', 'an object as type', { ...SENT, type: {} }],
    ['COLOR_INVALID', 'a color above white', { ...SENT, color: 0x1000000 }],
    ['COLOR_INVALID', 'a color below 0', { ...SENT, color: -1 }],
    ['COLOR_INVALID', 'half a color', { ...SENT, color: 1.5 }],
    ['COLOR_INVALID', 'a color’s name', { ...SENT, color: 'red' }],
    ['COLOR_INVALID', 'a color of four digits', { ...SENT, color: '#ffff' }],
    ['COLOR_INVALID', 'markup after a color', { ...SENT, color: '#ffffff"><script>' }],
    ['COLOR_INVALID', 'a color that is an array', { ...SENT, color: [255, 0, 0] }],
    ['NAME_INVALID', 'an author with a control character', { ...SENT, author: 'a\u0000' }],
    ['NAME_INVALID', 'an author with half a character', { ...SENT, author: 'a\ud83c' }],
    ['NAME_INVALID', 'an author that is an object', { ...SENT, author: {} }],
    ['NAME_INVALID', 'an author of 64 bits', JSON.stringify(SENT).replace('"DIYgod"', '1330394524299587072')],
    ['NAME_INVALID', 'an author that is a fraction', { ...SENT, author: 0.5 }],
    ['TEXT_INVALID', 'no text', { ...SENT, text: undefined }],
    ['TEXT_INVALID', 'an empty text', { ...SENT, text: '' }],
    ['TEXT_INVALID', 'white space', { ...SENT, text: '  ' }],
    ['TEXT_INVALID', 'a number as text', { ...SENT, text: 1 }],
    ['TEXT_INVALID', '201 characters', { ...SENT, text: 'x'.repeat(201) }],
    ['TEXT_INVALID', 'a line break', { ...SENT, text: 'a\nb' }],
  ])('refuses with %s: %s', async (code, _name, payload) => {
    const { post, clock, store, sink, counters } = await createMemoryApi();
    expectRefused(await post(PATH, payload), code);
    await clock.advance(2_000);
    expect([(await store.head('lobby')).seq, sink.pushes]).toEqual([0, []]);
    expect([...counters.refused]).toEqual([[code, 1]]);
  });

  it('refuses a body that is too large, no JSON by its type, no UTF-8, or not there', async () => {
    const { post, store, clock } = await createMemoryApi({ maxBody: 1_000 });
    expectRefused(await post(PATH, { ...SENT, text: 'x'.repeat(1_000) }), 'TOO_LARGE');
    expectRefused(await post(PATH, JSON.stringify(SENT), { 'content-type': 'text/plain' }), 'UNSUPPORTED_MEDIA_TYPE');
    expectRefused(await post(PATH, Buffer.from([0x22, 0xff, 0x22])), 'NOT_UTF8');
    expectRefused(await post(PATH, undefined, {}), 'NOT_JSON');
    await clock.advance(2_000);
    expect((await store.head('lobby')).seq).toBe(0);
  });

  it('says so when the room has no place', async () => {
    const { post, rooms } = await createMemoryApi({ maxPending: 1 });
    rooms.offer('lobby', draftOf('first'), null, 0);
    expectRefused(await post(PATH, SENT), 'ROOM_BUSY');
  });

  it('says so when the store does not take the comment', async () => {
    const { post, store, clock, counters } = await createApi(new FakeStore());
    const reply = post(PATH, SENT);
    await clock.advance(1_000);
    store.fail('lobby', new VolleyError('STORE_FULL', 'full'));
    expectRefused(await reply, 'STORE_FULL');
    expect([...counters.refused]).toEqual([['STORE_FULL', 1]]);
  });
});

describe('a page of another origin', () => {
  const headers = { origin: 'http://site.example', 'content-type': 'application/json' };

  it('may post and read where --cors-origins names it, refusals too', async () => {
    const { app, post } = await createMemoryApi({ corsOrigins: ['http://site.example'] });
    const preflight = await app.inject({
      method: 'OPTIONS',
      url: PATH,
      headers: {
        origin: 'http://site.example',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type',
      },
    });
    expect([preflight.statusCode, preflight.headers['access-control-allow-origin']]).toEqual([
      204,
      'http://site.example',
    ]);
    expect(preflight.headers['access-control-allow-headers']).toContain('content-type');
    const refused = await post(PATH, { ...SENT, text: '' }, headers);
    expect(refused.headers['access-control-allow-origin']).toBe('http://site.example');
    expectRefused(refused, 'TEXT_INVALID');
  });

  it('is told nothing without', async () => {
    const { post } = await createMemoryApi();
    expect((await post(PATH, { ...SENT, text: '' }, headers)).headers).not.toHaveProperty(
      'access-control-allow-origin',
    );
  });
});

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
