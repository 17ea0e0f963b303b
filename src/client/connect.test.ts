import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { CODECS } from '../frames/codec.ts';
import { ServerHere } from '../testing/server-here.ts';
import { type RunningServer, startProcess } from '../testing/server-process.ts';
import type { HandshakeReport } from './handshake-report.ts';
import { connect } from './index.ts';
import type { LiveComment } from './live-comment.ts';
import type { ConnectionState, RoomConnection } from './room-connection.ts';

/** What becomes of a piece of the stream on its way. */
type Fate =
  | { readonly kind: 'pass'; readonly delay: number }
  /** So many of its bytes come through, and then the link is cut. */
  | { readonly kind: 'cut'; readonly after: number }
  /** It is missing, and what follows comes through. */
  | { readonly kind: 'lose' };

/** A TCP proxy before a server, for links that are worse than those of this machine. */
class LinkProxy {
  readonly #server: Server;
  readonly #links = new Set<Socket>();
  /** Decides about every piece that the server sends. */
  fate: (piece: Buffer) => Fate = () => ({ kind: 'pass', delay: 0 });
  /** While true nothing comes through either way, and nobody is told. */
  swallow = false;
  /** Links that were opened. */
  opened = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param target `ws://HOST:PORT` */
  static async before(target: string): Promise<LinkProxy> {
    const { hostname, port } = new URL(target);
    const server = createServer();
    const proxy = new LinkProxy(server);
    server.on('connection', (near) => proxy.#link(near, connectTcp(Number(port), hostname)));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Cuts every link. */
  cut(): void {
    for (const socket of this.#links) socket.destroy();
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cut();
    await closed;
  }

  #link(near: Socket, far: Socket): void {
    this.opened += 1;
    const end = (): void => {
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) {
      this.#links.add(socket);
      socket.on('error', end);
      socket.on('close', () => {
        this.#links.delete(socket);
        end();
      });
    }
    near.on('data', (piece) => {
      if (!this.swallow) far.write(piece);
    });
    let order = Promise.resolve();
    far.on('data', (piece) => {
      if (this.swallow) return;
      const fate = this.fate(piece);
      order = order.then(() => deliver(near, piece, fate, end));
    });
  }
}

/** Pieces of one link come through one after the other, however long each is held up. */
async function deliver(near: Socket, piece: Buffer, fate: Fate, end: () => void): Promise<void> {
  if (fate.kind === 'lose' || near.destroyed) return;
  if (fate.kind === 'cut') {
    near.write(piece.subarray(0, fate.after), end);
    return;
  }
  if (fate.delay > 0) await new Promise((resolve) => setTimeout(resolve, fate.delay));
  if (!near.destroyed) near.write(piece);
}

const QUICK = ['--interval', '20', '--heartbeat', '1000', '--workers', '1'];
const BACKOFF = { first: 20, most: 200 };
const WAIT = { timeout: 15_000, interval: 10 };

const ends: (() => Promise<unknown> | unknown)[] = [];

/** For every test that does not end it, each in a room of its own. */
let server: ServerHere;
let demo = '';
let tests = 0;

beforeAll(async () => {
  server = await ServerHere.start(QUICK);
});

afterAll(() => server.stop());

beforeEach(() => {
  tests += 1;
  demo = `demo-${tests}`;
});

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A server of the test's own. */
async function start(args: readonly string[] = []): Promise<ServerHere> {
  const server = await ServerHere.start([...QUICK, ...args]);
  ends.push(() => server.stop());
  return server;
}

async function proxyBefore(server: RunningServer): Promise<LinkProxy> {
  const proxy = await LinkProxy.before(server.viewerUrl);
  ends.push(() => proxy.close());
  return proxy;
}

type Options = Partial<Parameters<typeof connect>[0]>;

/** A connection on the `ws` client, and the comments that it told. */
function watch(url: string, options: Options = {}): { room: RoomConnection; comments: LiveComment[] } {
  const room = connect({ url, room: demo, WebSocket, backoff: BACKOFF, ...options });
  ends.push(() => room.close());
  const comments: LiveComment[] = [];
  room.on('comment', (comment) => comments.push(comment));
  return { room, comments };
}

/** A connection that is live. */
async function watchLive(url: string, options: Options = {}): Promise<ReturnType<typeof watch>> {
  const watched = watch(url, options);
  await becomes(watched.room, 'live');
  return watched;
}

function becomes(room: RoomConnection, state: ConnectionState): Promise<void> {
  return vi.waitFor(() => expect(room.state).toBe(state), WAIT);
}

/** Posts comments one by one; their ids. */
async function postAll(server: RunningServer, texts: readonly string[]): Promise<string[]> {
  const ids: string[] = [];
  for (const text of texts) {
    const { body } = await server.post(demo, { text }, '?wait=stored');
    ids.push(...(body.ids ?? []).map(String));
  }
  return ids;
}

/** What the server keeps; each `at` is Unix ms there. */
async function kept(server: RunningServer): Promise<{ text: string; at: number }[]> {
  const response = await fetch(`${server.apiUrl}/rooms/${demo}/comments`);
  return ((await response.json()) as { comments: { text: string; at: number }[] }).comments;
}

describe('connect, with a real server', () => {
  it.each(CODECS)('gives history and what comes, with %s', async (codec) => {
    const [first] = await postAll(server, ['神之感动']);
    const { room, comments } = await watchLive(server.viewerUrl, { codec, history: 10 });
    const second = await room.send({ text: 'gj', mode: 'top', color: 255, size: 30, extra: 'gift:1' });
    await vi.waitFor(() => expect(comments).toHaveLength(2), WAIT);
    expect([first, second]).toStrictEqual([comments[0]?.id, { id: comments[1]?.id, seq: room.last }]);
    expect(comments.map(({ text }) => text)).toStrictEqual(['神之感动', 'gj']);
    expect(comments[1]).toMatchObject({ mode: 'top', color: 255, size: 30, extra: 'gift:1' });
    expect(comments.map(({ time }) => time)).toStrictEqual((await kept(server)).map(({ at }) => at));
    expect([room.codec, room.viewers, room.duplicates]).toStrictEqual([codec, 1, 0]);
  });

  it.each(CODECS)('gives exactly the last comments, however they lie in batches, with %s', async (codec) => {
    const texts = Array.from({ length: 40 }, (_, i) => `${i}`);
    for (let i = 0; i < 40; i += 8) {
      const comments = texts.slice(i, i + 8).map((text) => ({ text }));
      await server.post(demo, comments, '?wait=stored');
    }
    for (const history of [1, 5, 8, 13, 100]) {
      const { room, comments } = await watchLive(server.viewerUrl, { codec, history });
      await vi.waitFor(() => expect(comments.at(-1)?.text).toBe('39'), WAIT);
      expect(comments.map(({ text }) => text)).toStrictEqual(texts.slice(-history));
      room.close();
    }
  });

  it('gives refusals as values, those that name no comment too', async () => {
    const { room } = await watchLive(server.viewerUrl);
    const sent = [room.send({ text: '' }), room.send({ text: 'x'.repeat(5_000) }), room.send({ text: 'fine' })];
    const [blank, large, fine] = await Promise.all(sent);
    expect(blank).toMatchObject({ refused: 'TEXT_INVALID', message: expect.stringContaining('text') });
    expect(large).toMatchObject({ refused: 'TOO_LARGE' });
    expect(fine).toMatchObject({ id: '1.0', seq: 1 });
  });

  it('tells why it does not get in, and goes on trying', async () => {
    const reports: HandshakeReport[] = [];
    for (const url of [`${server.viewerUrl}/elsewhere`, server.apiUrl.replace('http', 'ws')]) {
      const { room } = watch(url);
      room.on('blocked', (report) => reports.push(report));
    }
    await vi.waitFor(() => expect(reports).toHaveLength(2), WAIT);
    expect(reports.map(({ answer, status, code }) => [answer, status, code])).toEqual(
      expect.arrayContaining([
        ['read', 404, 'NOT_FOUND'],
        ['read', 200, undefined],
      ]),
    );
  });

  it('tells of a recall', async () => {
    const { room } = await watchLive(server.viewerUrl);
    const recalls: string[] = [];
    room.on('recall', (ids) => recalls.push(...ids));
    const [id] = await postAll(server, ['oops']);
    await fetch(`${server.apiUrl}/rooms/${demo}/comments/${id}`, { method: 'DELETE' });
    await vi.waitFor(() => expect(recalls).toStrictEqual([id]), WAIT);
  });

  it('tells of the gap where more was said than is kept', async () => {
    const small = await start(['--memory-comments', '2']);
    await postAll(small, ['1', '2', '3', '4', '5']);
    const room = connect({ url: small.viewerUrl, room: demo, WebSocket, since: 1 });
    ends.push(() => room.close());
    const gaps: unknown[] = [];
    room.on('gap', (gap) => gaps.push(gap));
    await vi.waitFor(() => expect(room.last).toBe(5), WAIT);
    expect(gaps).toStrictEqual([{ from: 2, to: 3 }]);
  });

  it('goes on over a restart of the server, no comment lost or doubled', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'volley-client-'));
    ends.push(() => rmSync(dir, { recursive: true, force: true }));
    const store = ['--store', `level:${dir}`];
    const first = await start(store);
    const watchers = await Promise.all(CODECS.map((codec) => watchLive(first.viewerUrl, { codec })));
    const states: ConnectionState[] = [];
    watchers[0]?.room.on('state', (state) => states.push(state));
    const ids = await postAll(first, ['1', '2', '3']);
    await first.stop();
    const second = await start([...store, '--port', new URL(first.viewerUrl).port]);
    ids.push(...(await postAll(second, ['4', '5'])));
    await vi.waitFor(() => {
      for (const { comments } of watchers) expect(comments.map(({ id }) => id)).toStrictEqual(ids);
    }, WAIT);
    for (const { room } of watchers) expect([room.state, room.duplicates]).toStrictEqual(['live', 0]);
    expect(states.filter((state) => state === 'live')).toHaveLength(1);
  });

  it('begins anew, and says so, where the server has lost everything', async () => {
    const first = await startProcess(QUICK);
    ends.push(() => first.stop('SIGKILL'));
    const { room, comments } = await watchLive(first.viewerUrl);
    await postAll(first, ['1', '2', '3']);
    await vi.waitFor(() => expect(room.last).toBe(3), WAIT);
    const resets: unknown[] = [];
    room.on('welcome', ({ reset }) => resets.push(reset));
    await first.stop('SIGKILL');
    const second = await start(['--port', new URL(first.viewerUrl).port]);
    await becomes(room, 'live');
    await postAll(second, ['4']);
    await vi.waitFor(() => expect(comments.map(({ text }) => text)).toStrictEqual(['1', '2', '3', '4']), WAIT);
    expect([room.last, resets]).toStrictEqual([1, [true]]);
  });

  it('rejects a send whose link is cut before the answer, and never sends it again', async () => {
    const proxy = await proxyBefore(server);
    const { room } = await watchLive(proxy.url);
    // The comment reaches the server, and its answer is lost with the link.
    proxy.fate = () => ({ kind: 'cut', after: 0 });
    await expect(room.send({ text: 'once' })).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    proxy.fate = () => ({ kind: 'pass', delay: 0 });
    await becomes(room, 'live');
    await room.send({ text: 'after' });
    expect((await kept(server)).map(({ text }) => text)).toStrictEqual(['once', 'after']);
  });

  it('notices a link on which nothing comes through any more, and loses nothing', async () => {
    const proxy = await proxyBefore(server);
    const { room, comments } = await watchLive(proxy.url, { staleAfter: 2_500 });
    const states: ConnectionState[] = [];
    room.on('state', (state) => states.push(state));
    proxy.swallow = true;
    const ids = await postAll(server, ['1', '2']);
    await vi.waitFor(() => expect(states).toContain('stale'), WAIT);
    proxy.swallow = false;
    proxy.cut();
    await vi.waitFor(() => expect(comments.map(({ id }) => id)).toStrictEqual(ids), WAIT);
    expect(room.state).toBe('live');
  });

  it('lets a loop end by close, with everything before it', async () => {
    const { room } = await watchLive(server.viewerUrl);
    const texts: string[] = [];
    const loop = (async () => {
      for await (const { text } of room) {
        texts.push(text);
        if (texts.length === 3) room.close();
      }
    })();
    await postAll(server, ['1', '2', '3']);
    await loop;
    expect(texts).toStrictEqual(['1', '2', '3']);
    expect(room.state).toBe('closed');
  });
});

describe('connect, over links that are cut, held up and robbed of bytes', () => {
  it('loses and doubles none of some hundred comments, on any codec', async () => {
    const proxy = await proxyBefore(server);
    const watchers = await Promise.all(CODECS.map((codec) => watchLive(proxy.url, { codec, staleAfter: 1_500 })));
    const gaps: unknown[] = [];
    for (const { room } of watchers) room.on('gap', (gap) => gaps.push(gap));
    proxy.fate = (piece) => {
      const chance = Math.random();
      if (chance < 0.05) return { kind: 'cut', after: Math.floor(Math.random() * piece.length) };
      if (chance < 0.06) return { kind: 'lose' };
      return { kind: 'pass', delay: chance < 0.3 ? Math.random() * 30 : 0 };
    };
    const cuts = setInterval(() => proxy.cut(), 150);
    ends.push(() => clearInterval(cuts));
    const ids: string[] = [];
    for (let i = 0; i < 300; i += 3) {
      const posted = await server.post(
        demo,
        [{ text: `${i}` }, { text: `${i + 1}` }, { text: `${i + 2}` }],
        '?wait=stored',
      );
      ids.push(...(posted.body.ids ?? []).map(String));
    }
    clearInterval(cuts);
    proxy.fate = () => ({ kind: 'pass', delay: 0 });
    proxy.cut();
    for (const { comments } of watchers) {
      await vi.waitFor(() => expect(comments).toHaveLength(300), WAIT);
      expect(comments.map(({ id }) => id)).toStrictEqual(ids);
      expect(comments.map(({ text }) => text)).toStrictEqual(ids.map((_, i) => `${i}`));
    }
    expect(gaps).toStrictEqual([]);
    expect(proxy.opened).toBeGreaterThan(3 * 5);
  });
});
