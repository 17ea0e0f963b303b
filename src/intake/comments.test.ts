import { describe, expect, it, vi } from 'vitest';
import { createApi, expectProblem } from '../api/app.fixture.ts';
import { type RefusalCode, VolleyError } from '../codes.ts';
import { MemoryStore } from '../store/store-memory.ts';
import { FakeClock } from '../testing/clock.ts';
import { draftOf } from '../testing/rooms.ts';
import { FakeStore } from '../testing/store-fake.ts';

const URL = '/rooms/lobby/comments';
const WAITING = `${URL}?wait=stored`;

function createStore(): MemoryStore {
  return new MemoryStore({ comments: 10_000, bytes: 1e9, age: 1e9, clock: new FakeClock(0) });
}

describe('a post', () => {
  it('of one comment is accepted, and pushed', async () => {
    const { post, clock, sink, counters } = await createApi(createStore());
    const answer = await post(URL, { text: 'hello', color: 255 });
    expect([answer.statusCode, answer.json()]).toEqual([202, { accepted: 1, refused: [] }]);
    expect(counters.commentsHttp).toBe(1);
    await clock.advance(10);
    expect(sink.texts('lobby')).toEqual(['hello']);
  });

  it('of many is taken in order', async () => {
    const { post, clock, sink } = await createApi(createStore());
    const texts = Array.from({ length: 1_000 }, (_, i) => `comment ${i}`);
    const answer = await post(
      URL,
      texts.map((text) => ({ text })),
    );
    expect([answer.statusCode, answer.json()]).toEqual([202, { accepted: 1_000, refused: [] }]);
    await clock.advance(10);
    expect(sink.texts('lobby')).toEqual(texts);
  });

  it('is taken with a charset, a byte order mark, or an identity', async () => {
    const { post, clock, store } = await createApi(createStore());
    const headers = { 'content-type': 'application/json; charset=utf-8' };
    expect((await post(URL, '\ufeff{"text":"弹幕"}', headers)).statusCode).toBe(202);
    expect((await post(URL, { text: 'x', user: 'u', name: 'n' })).statusCode).toBe(202);
    await clock.advance(10);
    expect((await store.read('lobby', 0, 1, 1e6)).batches).toHaveLength(1);
  });

  it('that is refused in part tells which comments, in order, by their index', async () => {
    const { post, clock, sink, counters } = await createApi(createStore());
    const answer = await post(URL, [
      { text: 'a' },
      { text: '' },
      7,
      { text: 'b' },
      { text: 'c', mode: 'x' },
      { text: 'd' },
    ]);
    expect(answer.statusCode).toBe(202);
    expect(answer.json()).toEqual({
      accepted: 3,
      refused: [
        { index: 1, code: 'TEXT_INVALID' },
        { index: 2, code: 'NOT_AN_OBJECT' },
        { index: 4, code: 'MODE_INVALID' },
      ],
    });
    expect(answer.headers['content-type']).toMatch(/^application\/json/);
    expect([...counters.refused.keys()]).toEqual(['TEXT_INVALID', 'NOT_AN_OBJECT', 'MODE_INVALID']);
    await clock.advance(10);
    expect(sink.texts('lobby')).toEqual(['a', 'b', 'd']);
  });

  it('of which everything is refused is answered with the first code, and all of them', async () => {
    const { post, rooms } = await createApi(createStore());
    const problem = expectProblem(await post(URL, [{ text: 'a', size: 0 }, { text: '' }]), 'SIZE_INVALID');
    expect(problem).toMatchObject({
      accepted: 0,
      refused: [
        { index: 0, code: 'SIZE_INVALID' },
        { index: 1, code: 'TEXT_INVALID' },
      ],
    });
    expect(rooms.size).toBe(0);
  });

  it.each([
    [{ text: 'x', mode: 'sideways' }, 'MODE_INVALID'],
    [{ text: 'x', color: 0x1000000 }, 'COLOR_INVALID'],
    [{ text: 'x', color: '255' }, 'COLOR_INVALID'],
    [{ text: 'x', size: 256 }, 'SIZE_INVALID'],
    [{ text: 'x', size: 12.5 }, 'SIZE_INVALID'],
    [{ text: 'x', extra: 'é'.repeat(257) }, 'EXTRA_INVALID'],
    [{ text: 'x', user: 'x'.repeat(65) }, 'USER_INVALID'],
    [{ text: 'x', name: 'x'.repeat(33) }, 'NAME_INVALID'],
    [7, 'NOT_AN_OBJECT'],
    [null, 'NOT_AN_OBJECT'],
    [[[{ text: 'x' }]], 'NOT_AN_OBJECT'],
  ] as const)('of %j is answered with %s', async (comment, code) => {
    const { post } = await createApi(createStore());
    expectProblem(await post(URL, JSON.stringify(comment)), code);
  });

  it.each([
    [{}, 'text is missing'],
    [{ text: '' }, 'text is empty'],
    [{ text: '\u3000 ' }, 'text is empty: there are only spaces and characters that cannot be seen'],
    [{ text: 'x'.repeat(201) }, 'text is too long: 201 characters, at most 200 are allowed'],
    [{ text: 'a\u0007' }, 'text has a control character (U+0007)'],
    [{ text: '\ud83c' }, 'text has half a surrogate pair (U+D83C)'],
  ] as const)('of %j is answered with TEXT_INVALID: %s', async (comment, sentence) => {
    const { post } = await createApi(createStore());
    const answer = await post(URL, JSON.stringify([comment, { text: '' }]));
    expect(answer.json()).toMatchObject({ status: 400, code: 'TEXT_INVALID', detail: sentence });
  });

  it('with a number that JSON cannot spell is refused', async () => {
    const { post } = await createApi(createStore());
    expectProblem(await post(URL, '{"text":"x","color":NaN}'), 'NOT_JSON');
    expectProblem(await post(URL, '{"text":"x","color":1e999}'), 'COLOR_INVALID');
  });
});

describe('a body', () => {
  it.each(['', '{', '{"text":"x"', 'text', "{'text':'x'}", '[{"text":"x"},]', '{"text":"a\tb"}', '\u0000'])(
    'cannot be %j: not JSON',
    async (body) => {
      const { post, counters } = await createApi(createStore());
      expectProblem(await post(URL, body), 'NOT_JSON');
      expect(counters.refused.get('NOT_JSON')).toBe(1);
    },
  );

  it('must be there', async () => {
    const { post } = await createApi(createStore());
    expectProblem(await post(URL, undefined, {}), 'NOT_JSON');
    expectProblem(await post(URL), 'NOT_JSON');
  });

  it.each([
    ['a lone continuation byte', [0x80]],
    ['Latin-1', [0xe9]],
    ['a cut sequence', [0xe5, 0xbc]],
    ['an overlong sequence', [0xc0, 0xaf]],
    ['a surrogate in UTF-8', [0xed, 0xa0, 0x80]],
    ['a point above U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
  ])('cannot be %s: not UTF-8', async (_, bytes) => {
    const { post } = await createApi(createStore());
    const body = Buffer.concat([Buffer.from('{"text":"'), Buffer.from(bytes), Buffer.from('"}')]);
    expectProblem(await post(URL, body), 'NOT_UTF8');
  });

  it('may have as many bytes as the bound, and no more', async () => {
    const { post } = await createApi(createStore(), { maxBody: 100 });
    const fits = '{"text":"x"}'.padEnd(100, ' ');
    expect((await post(URL, fits)).statusCode).toBe(202);
    expectProblem(await post(URL, `${fits} `), 'TOO_LARGE');
  });

  it('cannot be an empty array, or hold more than 1,000 comments', async () => {
    const { post, rooms } = await createApi(createStore());
    expectProblem(await post(URL, '[]'), 'EMPTY_ARRAY');
    expectProblem(await post(URL, new Array(1_001).fill({ text: 'x' })), 'TOO_MANY');
    expect(rooms.pending).toBe(0);
  });

  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/xml',
    'multipart/form-data; boundary=x',
    'json',
  ])('cannot be %s', async (type) => {
    const { post, rooms } = await createApi(createStore());
    expectProblem(await post(URL, '{"text":"x"}', { 'content-type': type }), 'UNSUPPORTED_MEDIA_TYPE');
    expect(rooms.pending).toBe(0);
  });
});

describe('a post that waits', () => {
  it('is answered with the ids once everything is stored, null for what was refused', async () => {
    const { post, answered } = await createApi(createStore(), { maxBatch: 2 });
    const answer = await answered(post(WAITING, [{ text: 'a' }, { text: '' }, { text: 'b' }, { text: 'c' }]));
    expect([answer.statusCode, answer.json()]).toEqual([
      201,
      { accepted: 3, refused: [{ index: 1, code: 'TEXT_INVALID' }], ids: ['1.0', null, '1.1', '2.0'] },
    ]);
  });

  it('waits for the store', async () => {
    const { post, clock, store, answered } = await createApi(new FakeStore());
    let open = true;
    const reply = post(WAITING, { text: 'a' }).finally(() => {
      open = false;
    });
    await clock.advance(5_000);
    expect(store.waiting).toHaveLength(1);
    expect(open).toBe(true);
    store.store('lobby', 42).answer();
    expect((await answered(reply)).json()).toEqual({ accepted: 1, refused: [], ids: ['42.0'] });
  });

  it('is answered at once where nothing was accepted', async () => {
    const { post } = await createApi(new FakeStore());
    expectProblem(await post(WAITING, [{ text: 'x', size: 0 }]), 'SIZE_INVALID');
  });

  it('hears of comments that the store did not take', async () => {
    const { post, clock, store, answered } = await createApi(new FakeStore(), { maxBatch: 1 });
    const reply = post(WAITING, [{ text: 'a' }, { text: 'b', mode: 'x' }, { text: 'c' }]);
    await clock.advance(20);
    const { stored, answer } = store.store('lobby');
    answer();
    store.deliver(stored);
    await clock.advance(1_000);
    store.fail('lobby');
    const { statusCode, json } = await answered(reply);
    expect([statusCode, json()]).toEqual([
      201,
      {
        accepted: 1,
        refused: [
          { index: 1, code: 'MODE_INVALID' },
          { index: 2, code: 'STORE_FULL' },
        ],
        ids: ['1.0', null, null],
      },
    ]);
  });

  it('is answered 507 STORE_FULL when the store took none, whatever was refused further on', async () => {
    const { post, clock, store, answered } = await createApi(new FakeStore());
    const reply = post(WAITING, [{ text: 'a' }, { text: '' }, { text: 'b' }]);
    await clock.advance(20);
    store.fail('lobby');
    const problem = expectProblem(await answered(reply), 'STORE_FULL');
    expect(problem).toMatchObject({ accepted: 0, refused: [{ index: 0 }, { index: 1 }, { index: 2 }] });
  });

  it('cannot wait for anything else', async () => {
    const { post, rooms } = await createApi(createStore());
    for (const wait of ['wait=other', 'wait=', 'wait=Stored', 'wait=stored&wait=stored', 'wait']) {
      expectProblem(await post(`${URL}?${wait}`, { text: 'x' }), 'WAIT_INVALID');
    }
    expect(rooms.pending).toBe(0);
  });
});

describe('a post that does not wait', () => {
  it('stays accepted when the store fails later', async () => {
    const { post, clock, store, counters } = await createApi(new FakeStore());
    expect((await post(URL, { text: 'a' })).statusCode).toBe(202);
    await clock.advance(10);
    store.fail('lobby');
    await clock.advance(10);
    expect(counters.refused.get('STORE_FULL')).toBe(1);
  });
});

describe('a server that has enough', () => {
  it('refuses ROOM_BUSY with Retry-After in whole seconds', async () => {
    const { post } = await createApi(createStore(), { maxPending: 2, interval: 1_200 });
    const partly = await post(URL, [{ text: 'a' }, { text: 'b' }, { text: 'c' }]);
    expect([partly.statusCode, partly.json()]).toEqual([
      202,
      { accepted: 2, refused: [{ index: 2, code: 'ROOM_BUSY' }] },
    ]);
    expect(partly.headers).not.toHaveProperty('retry-after');
    const full = await post(URL, { text: 'd' });
    expect(expectProblem(full, 'ROOM_BUSY')).toMatchObject({ status: 429, retryAfterMs: 1_200 });
    expect(full.headers['retry-after']).toBe('2');
  });

  it('refuses BUSY where all rooms together are full', async () => {
    const { post } = await createApi(createStore(), { maxPendingAll: 1 });
    await post('/rooms/other/comments', { text: 'a' });
    const answer = await post(URL, { text: 'b' });
    expect(expectProblem(answer, 'BUSY')).toMatchObject({ status: 503 });
    expect(answer.headers['retry-after']).toBe('1');
  });

  it('refuses SHUTTING_DOWN once it ends', async () => {
    const { post, rooms } = await createApi(createStore());
    rooms.refuse();
    const answer = await post(URL, { text: 'b' });
    expect(expectProblem(answer, 'SHUTTING_DOWN')).toMatchObject({ status: 503 });
    expect(answer.headers['retry-after']).toBe('1');
  });
});

/** The API over a room `lobby` with two batches of three comments, and a viewer. */
async function createRoom() {
  const store = new MemoryStore({ comments: 1_000, bytes: 1e9, age: 1e9, clock: new FakeClock(0) });
  const api = await createApi(store);
  api.rooms.join('lobby', 0, 0, 1);
  for (const batch of ['one', 'two']) {
    for (let i = 0; i < 3; i += 1) api.rooms.offer('lobby', draftOf(`${batch} ${i}`), null, i);
    await api.clock.advance(1_010);
  }
  const texts = async (): Promise<string[]> => {
    const { comments } = (await api.get('/rooms/lobby/comments')).json<{ comments: { id: string; text: string }[] }>();
    return comments.map(({ id, text }) => `${id} ${text}`);
  };
  return { ...api, texts };
}

describe('DELETE /rooms/:room/comments/:id', () => {
  it('takes a comment out of what is kept, and leaves the others their ids', async () => {
    const { remove, texts, counters } = await createRoom();
    const answer = await remove('/rooms/lobby/comments/1.1');
    expect([answer.statusCode, answer.body]).toEqual([204, '']);
    expect(await texts()).toEqual(['1.0 one 0', '1.2 one 2', '2.0 two 0', '2.1 two 1', '2.2 two 2']);
    expect(counters.commentsRecalled).toBe(1);
  });

  it('tells the viewers with the next push', async () => {
    const { remove, clock, sink } = await createRoom();
    await remove('/rooms/lobby/comments/1.1');
    await remove('/rooms/lobby/comments/2.0');
    await clock.advance(1_010);
    expect(sink.pushes.at(-1)).toMatchObject({ seqs: [], recalled: ['1.1', '2.0'] });
  });

  it.each(['1.3', '3.0', '0.0', '9007199254740991.0'])('finds nothing at %s', async (id) => {
    const { remove, texts, clock, sink } = await createRoom();
    expectProblem(await remove(`/rooms/lobby/comments/${id}`), 'COMMENT_NOT_FOUND');
    await clock.advance(2_000);
    expect([await texts(), sink.pushes.length]).toEqual([expect.objectContaining({ length: 6 }), 2]);
  });

  it('finds a comment once, and none in a room that never was', async () => {
    const { remove } = await createRoom();
    expect((await remove('/rooms/lobby/comments/1.0')).statusCode).toBe(204);
    expectProblem(await remove('/rooms/lobby/comments/1.0'), 'COMMENT_NOT_FOUND');
    expectProblem(await remove('/rooms/other/comments/1.0'), 'COMMENT_NOT_FOUND');
  });

  it.each<[string, RefusalCode]>([
    ['/rooms/lobby/comments/1', 'ID_INVALID'],
    ['/rooms/lobby/comments/1.', 'ID_INVALID'],
    ['/rooms/lobby/comments/.1', 'ID_INVALID'],
    ['/rooms/lobby/comments/1.2.3', 'ID_INVALID'],
    ['/rooms/lobby/comments/-1.0', 'ID_INVALID'],
    ['/rooms/lobby/comments/1.1e1', 'ID_INVALID'],
    ['/rooms/lobby/comments/01.0', 'ID_INVALID'],
    ['/rooms/lobby/comments/1.00', 'ID_INVALID'],
    ['/rooms/lobby/comments/%D9%A1.%D9%A0', 'ID_INVALID'],
    ['/rooms/lobby/comments/99999999999999999999.0', 'ID_INVALID'],
    ['/rooms/%00/comments/1.0', 'ROOM_NAME_INVALID'],
  ])('refuses %s with %s', async (path, code) => {
    const { remove } = await createRoom();
    expectProblem(await remove(path), code);
  });

  it.each<[string, Error, RefusalCode]>([
    ['STORE_FULL', new VolleyError('STORE_FULL', 'no space'), 'STORE_FULL'],
    ['STORE_FAILED', new VolleyError('STORE_FAILED', 'no disk'), 'STORE_FAILED'],
    ['BATCH_CORRUPT', new VolleyError('BATCH_CORRUPT', 'no batch'), 'INTERNAL'],
    ['error of another kind', new TypeError('no idea'), 'INTERNAL'],
  ])('answers a store’s %s, logs it, and tells no viewer', async (_name, fault, code) => {
    const { remove, store, clock, sink, counters, logged } = await createRoom();
    store.recall = () => Promise.reject(fault);
    expectProblem(await remove('/rooms/lobby/comments/1.0'), code);
    expect(logged.map((line) => JSON.parse(line).err.message)).toEqual([fault.message]);
    await clock.advance(2_000);
    expect(sink.pushes).toHaveLength(2);
    expect(counters.refused.get(code)).toBe(1);
  });

  it('logs what the store refuses once, and again after a recall that succeeded', async () => {
    const { remove, store, logged, counters } = await createRoom();
    const recall = store.recall.bind(store);
    let fault: Error | null = null;
    store.recall = (...asked) => (fault === null ? recall(...asked) : Promise.reject(fault));
    const messages = (): string[] => logged.map((line) => JSON.parse(line).err.message);
    for (const [times, id] of ['1.0', '1.1'].entries()) {
      fault = new VolleyError('STORE_FULL', `no space ${times}`);
      const answers = await Promise.all(Array.from({ length: 50 }, () => remove('/rooms/lobby/comments/2.0')));
      for (const answer of answers) expectProblem(answer, 'STORE_FULL');
      fault = null;
      expectProblem(await remove('/rooms/lobby/comments/9.9'), 'COMMENT_NOT_FOUND');
      fault = new VolleyError('STORE_FAILED', 'no disk');
      expectProblem(await remove('/rooms/lobby/comments/2.0'), 'STORE_FAILED');
      expect(messages()).toEqual(['no space 0', 'no space 1'].slice(0, times + 1));
      fault = null;
      expect((await remove(`/rooms/lobby/comments/${id}`)).statusCode).toBe(204);
    }
    expect(counters.refused.get('STORE_FULL')).toBe(100);
  });

  it('logs every fault that nobody expects', async () => {
    const { remove, store, logged } = await createRoom();
    vi.spyOn(store, 'recall').mockRejectedValue(new VolleyError('BATCH_CORRUPT', 'no batch'));
    for (let i = 0; i < 3; i += 1) expectProblem(await remove('/rooms/lobby/comments/1.0'), 'INTERNAL');
    expect(logged).toHaveLength(3);
  });

  it.each(['text/plain', 'application/json', 'application/x-www-form-urlencoded', 'no/such; type=x'])(
    'does not mind a body, nor that it is said to be %s',
    async (type) => {
      const { app, remove } = await createRoom();
      const headers = { 'content-type': type };
      for (const [place, payload] of [undefined, '', 'not json', 'x'.repeat(2_000_000)].entries()) {
        const url = `/rooms/lobby/comments/${place < 3 ? 1 : 2}.${place % 3}`;
        const sent = payload === undefined ? { headers } : { headers, payload };
        expect((await app.inject({ method: 'DELETE', url, ...sent })).statusCode).toBe(204);
      }
      expect((await remove('/rooms/lobby/comments/2.1')).statusCode).toBe(204);
    },
  );

  it('leaves a batch of which all was recalled in the chain, empty', async () => {
    const { remove, texts, store } = await createRoom();
    for (const place of [0, 1, 2]) expect((await remove(`/rooms/lobby/comments/1.${place}`)).statusCode).toBe(204);
    expect(await texts()).toEqual(['2.0 two 0', '2.1 two 1', '2.2 two 2']);
    expect((await store.read('lobby', 0, 2, 1e6)).batches).toMatchObject([
      { seq: 1, prev: 0, count: 0 },
      { seq: 2, prev: 1, count: 3 },
    ]);
  });
});
