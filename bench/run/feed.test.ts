import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { compiledFile } from '../../src/compiled-file.ts';
import { benchNow } from '../load/tally.ts';
import { BenchError } from '../options.ts';
import { chooseGap, type DuePost, type Feed, makeFeed, randomSchedule, readComments, readPostAnswer } from './feed.ts';

const folder = mkdtempSync(join(tmpdir(), 'bench-comments-'));

afterAll(() => rmSync(folder, { recursive: true }));

function fileOf(text: string): string {
  const file = join(folder, 'comments.xml');
  writeFileSync(file, text);
  return file;
}

describe('the comments file', () => {
  it('that ships with the project has real comments', () => {
    const { comments, leftOut } = readComments(compiledFile('../bench/comments.xml'));
    expect(comments.length).toBeGreaterThan(1_000);
    expect(leftOut).toBe(0);
  });

  it('is left with what a server would take', () => {
    const file = fileOf(`<i>
      <d p="1,1,25,255,0,0,u1,1">good</d>
      <d p="2,1,300,255,0,0,u2,2">as large as it may be</d>
      <d p="3,1,25,255,0,0,u3,3">${'x'.repeat(201)}</d>
      <d p="4,7,25,255,0,0,u4,4">[1,2]</d>
    </i>`);
    const { comments, leftOut } = readComments(file);
    expect(comments.map(({ text }) => text)).toEqual(['good', 'as large as it may be']);
    expect(leftOut).toBe(2);
  });

  it.each([
    ['is empty', ' \n', / is empty$/],
    ['is no XML', 'hello', / cannot be used: it /],
    ['has no comment', '<i></i>', / has no comment that the server would take$/],
    ['has none that fits', '<i><d p="1,7,25,0,0,0,u,1">x</d></i>', / has no comment that the server would take$/],
  ])('that %s is one clear sentence', (_, text, sentence) => {
    const file = fileOf(text);
    expect(() => readComments(file)).toThrow(BenchError);
    expect(() => readComments(file)).toThrow(sentence);
  });

  it('that is missing is one clear sentence', () => {
    expect(() => readComments(join(folder, 'none.xml'))).toThrow(
      /^the comments file .*none\.xml cannot be read \(ENOENT/,
    );
  });
});

/** The posts of so many ms. */
function takeUntil(end: number, rooms: number, rate: number, gap: number): DuePost[] {
  const posts: DuePost[] = [];
  for (const post of randomSchedule(rooms, rate, gap)) {
    if (post.at >= end) break;
    posts.push(post);
  }
  return posts;
}

/** How many of the times fall into each tenth of a second-long or shorter interval. */
function countByTenth(times: readonly number[], interval: number): number[] {
  const counts = new Array<number>(10).fill(0);
  for (const at of times) {
    const tenth = Math.floor(((at % interval) / interval) * 10);
    counts[tenth] = (counts[tenth] ?? 0) + 1;
  }
  return counts;
}

describe('the schedule of a feed', () => {
  it.each([
    [1, 20, 10],
    [1, 5_000, 10],
    [3, 25, 100],
    [40, 1, 80],
  ])('keeps to the rate in %i rooms at %i a second with a gap of %i ms', (rooms, rate, gap) => {
    const posts = takeUntil(10_000, rooms, rate, gap);
    for (let room = 0; room < rooms; room += 1) {
      const due = posts.filter((post) => post.room === room).flatMap((post) => post.due);
      // One more or less by the draw, and what is due after the last post.
      expect(Math.abs(due.length - rate * 10)).toBeLessThanOrEqual(2 + (rate * 2 * gap) / 1_000);
      due.forEach((at, place) => {
        expect(Math.floor((at * rate) / 1_000 + 1e-9)).toBe(place);
      });
    }
  });

  it('posts in the order of time, nothing before it is due', () => {
    const posts = takeUntil(5_000, 7, 50, 100);
    const times = posts.map(({ at }) => at);
    expect(times).toEqual([...times].sort((one, other) => one - other));
    for (const { at, due } of posts) for (const time of due) expect(time).toBeLessThanOrEqual(at);
    expect(posts.some(({ due }) => due.length > 1)).toBe(true);
  });

  it('posts a comment at its own time where they are seldom', () => {
    const posts = takeUntil(20_000, 2, 8, 100);
    expect(posts.length).toBeGreaterThan(300);
    for (const { at, due } of posts) expect(due).toEqual([at]);
  });

  it.each([
    [20, 10],
    [20, 100],
    [1_000, 100],
    [10, 100],
  ])('meets every moment of an interval of 100 ms alike at %i a second with a gap of %i ms', (rate, gap) => {
    const posts = takeUntil(2_000_000 / rate, 1, rate, gap);
    const due = posts.flatMap((post) => post.due);
    // About 200 each; an even pace has all in one or two tenths.
    for (const count of countByTenth(due, 100)) {
      expect(count).toBeGreaterThan(130);
      expect(count).toBeLessThan(270);
    }
  });
});

describe('the gap between posts', () => {
  it('is short, longer in many rooms, and never above 100 ms or the interval', () => {
    expect(chooseGap({ rooms: 1, interval: 1_000 })).toBe(10);
    expect(chooseGap({ rooms: 20, interval: 1_000 })).toBe(40);
    expect(chooseGap({ rooms: 10_000, interval: 1_000 })).toBe(100);
    expect(chooseGap({ rooms: 10_000, interval: 20 })).toBe(20);
    expect(chooseGap({ rooms: 1, interval: 60_000 })).toBe(100);
  });
});

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
let feed: Feed | undefined;

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
  const { rooms, rate } = plan;
  const schedule = randomSchedule(rooms.length, rate, 100);
  feed = makeFeed({ apiUrl, rooms, schedule, comments: COMMENTS, timed: new Set(plan.timed), onPosted });
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
    feed = makeFeed({
      apiUrl,
      rooms: ['x'],
      schedule: randomSchedule(1, 10, 100),
      comments: COMMENTS,
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
async function settled(done: (figures: ReturnType<Feed['read']>) => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (feed !== undefined && !done(feed.read())) {
    if (Date.now() > deadline) throw new Error(`not so within 10 s: ${JSON.stringify(feed.read())}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('the answer to a post', () => {
  it('has ids once the store holds the comments', () => {
    const body = { accepted: 2, refused: [{ index: 1, code: 'TEXT_INVALID' }], ids: ['2.0', null, '2.1'] };
    expect(readPostAnswer(201, JSON.stringify(body), 3)).toEqual({
      accepted: 2,
      ids: ['2.0', null, '2.1'],
      refused: new Map([['TEXT_INVALID', 1]]),
    });
  });

  it('has none before', () => {
    expect(readPostAnswer(202, '{"accepted":3,"refused":[]}', 3)).toEqual({ accepted: 3, ids: [], refused: new Map() });
  });

  it('refuses all under their codes, and under its own what it does not list', () => {
    const body = {
      code: 'ROOM_BUSY',
      refused: [
        { index: 0, code: 'ROOM_BUSY' },
        { index: 1, code: 'BUSY' },
      ],
    };
    expect(readPostAnswer(429, JSON.stringify(body), 4)).toEqual({
      accepted: 0,
      ids: [],
      refused: new Map([
        ['ROOM_BUSY', 3],
        ['BUSY', 1],
      ]),
    });
  });

  it.each([
    [502, '<html>', 'HTTP 502'],
    [404, '{"code":"NOT_FOUND"}', 'NOT_FOUND'],
    [200, 'null', 'HTTP 200'],
  ])('of %i %s refuses all under %s', (status, body, code) => {
    expect(readPostAnswer(status, body, 2).refused).toEqual(new Map([[code, 2]]));
  });

  it('that takes comments without saying how many took none', () => {
    expect(readPostAnswer(202, 'OK', 2).accepted).toBe(0);
  });
});
