import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { benchNow } from '../load/bench-clock.ts';
import { HttpFeed } from './http-feed.ts';

interface Post {
  readonly room: string;
  readonly waits: boolean;
  readonly texts: readonly string[];
  readonly at: number;
}

const COMMENTS = ['a', 'b', 'c', 'd', 'e'].map(
  (text) => ({ text, mode: 'scroll', color: 0, size: 25, user: 'u' }) as const,
);

let server: Server | undefined;
let feed: HttpFeed | undefined;

afterEach(() => {
  feed?.stop();
  server?.closeAllConnections();
  server?.close();
});

/** A stand-in for the API: tells each post, and answers as told. */
async function listen(seen: (post: Post) => void, answer: (post: Post, response: ServerResponse) => void) {
  const started = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const [, room = '', query] = /^\/rooms\/([^/]+)\/comments(\?wait=stored)?$/.exec(request.url ?? '') ?? [];
      const texts = (JSON.parse(Buffer.concat(parts).toString()) as { text: string }[]).map(({ text }) => text);
      const post = { room, waits: query !== undefined, texts, at: benchNow() };
      answer(post, response);
      seen(post);
    });
  });
  server = started;
  await new Promise<void>((resolve) => started.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(started.address() as AddressInfo).port}`;
}

let seq = 0;

function accept({ texts, waits }: Post, response: ServerResponse): void {
  seq += 1;
  const ids = waits ? { ids: texts.map((_, place) => `${seq}.${place}`) } : {};
  response.writeHead(waits ? 201 : 202).end(JSON.stringify({ accepted: texts.length, refused: [], ...ids }));
}

/** Starts a feed and waits until `count` posts have arrived. */
async function gather(
  count: number,
  plan: { rooms: readonly string[]; rate: number; timed?: readonly number[] },
  answer = accept,
  onPosted: (room: number, id: string, at: number) => void = () => undefined,
): Promise<Post[]> {
  const posts: Post[] = [];
  let enough = (): void => undefined;
  const gathered = new Promise<void>((resolve) => {
    enough = resolve;
  });
  const apiUrl = await listen((post) => {
    posts.push(post);
    if (posts.length === count) enough();
  }, answer);
  feed = new HttpFeed({ gap: 100, ...plan, apiUrl, comments: COMMENTS, timed: new Set(plan.timed), onPosted });
  feed.start();
  await gathered;
  return posts;
}

describe('the feed', () => {
  it('posts what is due to every room, real comments one after the other', async () => {
    const posts = await gather(6, { rooms: ['x', 'y'], rate: 50 });
    expect(new Set(posts.map(({ room }) => room))).toEqual(new Set(['x', 'y']));
    const texts = posts.flatMap((post) => post.texts);
    // Five a gap: those that are due go along with one another.
    expect(texts.length).toBeGreaterThan(posts.length);
    expect(new Set(texts)).toEqual(new Set(['a', 'b', 'c', 'd', 'e']));
    expect(feed?.read().meanWait).toBeGreaterThan(0);
  });

  it('posts one comment at a time where they are seldom', async () => {
    const posts = await gather(3, { rooms: ['x'], rate: 8 });
    expect(posts.map(({ texts }) => texts)).toEqual([['a'], ['b'], ['c']]);
  });

  it('waits for the store in timed rooms, and tells each id with the time at which that comment was due', async () => {
    const told: { room: number; id: string; at: number }[] = [];
    const startedAt = benchNow();
    let enough = (): void => undefined;
    const all = new Promise<void>((resolve) => {
      enough = resolve;
    });
    const plan = { rooms: ['x', 'y'], rate: 50, timed: [1] };
    const posts = await gather(6, plan, accept, (room, id, at) => {
      told.push({ room, id, at });
      if (told.length === 10) enough();
    });
    await all;
    for (const { room, waits } of posts) expect(waits).toBe(room === 'y');
    expect(new Set(told.map(({ room }) => room))).toEqual(new Set([1]));
    const times = told.map(({ at }) => at).sort((one, other) => one - other);
    expect(times[0]).toBeGreaterThanOrEqual(startedAt);
    // Not one time for all that were posted together, nor an even pace.
    expect(new Set(times).size).toBe(told.length);
    const gaps = times.slice(1).map((at, place) => at - (times[place] ?? 0));
    expect(Math.max(...gaps) - Math.min(...gaps)).toBeGreaterThan(1);
  });

  it('counts what is accepted and refused, by code', async () => {
    let isRefused = false;
    await gather(4, { rooms: ['x'], rate: 10 }, (post, response) => {
      isRefused = !isRefused;
      if (isRefused) response.writeHead(429).end('{"code":"ROOM_BUSY"}');
      else accept(post, response);
    });
    await settled((figures) => figures.posts >= 4 && answeredOf(figures) >= 4);
    const { accepted, refused } = feed?.read() ?? {};
    expect(accepted).toBeGreaterThanOrEqual(2);
    expect(refused?.get('ROOM_BUSY')).toBeGreaterThanOrEqual(2);
  });

  it('goes on at its pace when nobody answers, and forgets what was before it began', async () => {
    await gather(3, { rooms: ['x'], rate: 10 }, () => undefined);
    expect(feed?.read()).toMatchObject({ accepted: 0, unposted: 0 });
    expect(feed?.read().posts).toBeGreaterThanOrEqual(3);
    feed?.begin();
    expect(feed?.read()).toEqual({
      posts: 0,
      sent: 0,
      accepted: 0,
      refused: new Map(),
      unposted: 0,
      worstLate: 0,
      meanWait: 0,
    });
  });

  it('counts posts that reach nobody under the system’s code', async () => {
    const apiUrl = await listen(
      () => undefined,
      () => undefined,
    );
    await new Promise((resolve) => server?.close(resolve));
    feed = new HttpFeed({
      apiUrl,
      rooms: ['x'],
      rate: 10,
      gap: 100,
      comments: COMMENTS,
      timed: new Set(),
      onPosted: () => undefined,
    });
    feed.start();
    await settled(({ refused }) => refused.has('ECONNREFUSED'));
    expect(feed.read().accepted).toBe(0);
  });
});

function answeredOf({ accepted, refused }: { accepted: number; refused: ReadonlyMap<string, number> }): number {
  return [...refused.values()].reduce((sum, count) => sum + count, accepted);
}

/** Waits until the feed's figures are so. */
async function settled(done: (figures: ReturnType<HttpFeed['read']>) => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (feed !== undefined && !done(feed.read())) {
    if (Date.now() > deadline) throw new Error(`not so within 10 s: ${JSON.stringify(feed.read())}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
