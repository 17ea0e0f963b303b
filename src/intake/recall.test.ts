import { describe, expect, it, vi } from 'vitest';
import { createApi, expectProblem } from '../api/app.fixture.ts';
import { FakeClock } from '../clock.fixture.ts';
import type { RefusalCode } from '../codes.ts';
import { VolleyError } from '../codes.ts';
import { draftOf } from '../rooms/rooms.fixture.ts';
import { MemoryStore } from '../store/store-memory.ts';

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
