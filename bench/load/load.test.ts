import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SUBPROTOCOLS } from '../../src/frames/codec.ts';
import { type ServerProcess, startProcess } from '../../src/server-process.fixture.ts';
import { FrameCount } from './frame-count.fixture.ts';
import { startLoad } from './load.ts';
import { makePlan } from './load-plan.fixture.ts';
import { Seats } from './plan.ts';
import { benchNow } from './tally.ts';

let server: ServerProcess;

beforeAll(async () => {
  server = await startProcess(['--interval', '50', '--workers', '2']);
});

afterAll(async () => {
  expect(await server.stop()).toBe(0);
  expect(server.stderr).toBe('');
});

/** Posts comments and waits till they are stored; gives their ids. */
async function post(room: string, count: number, more = ''): Promise<string[]> {
  const comments = Array.from({ length: count }, (_, i) => ({ text: `comment ${i} of 弹幕${more}` }));
  const { status, body } = await server.post(room, comments, '?wait=stored');
  expect(status).toBe(201);
  return (body.ids ?? []).map(String);
}

describe.each(SUBPROTOCOLS)('30 viewers on %s', (subprotocol) => {
  it('are told frame for frame, comment for comment, and every comment is timed', async () => {
    const name = `fed-${subprotocol}`;
    const paths = [`/rooms/${name}`];
    const plan = makePlan({ url: server.viewerUrl, paths, subprotocol, connections: 30, threads: 2, sampleEvery: 4 });
    const [sampled = 0] = new Seats(plan).countByRoom((seat) => seat.sampled);
    let most = 0;
    const load = await startLoad(plan, (up) => {
      most = Math.max(most, up);
    });
    try {
      expect(most).toBe(30);
      expect(load.connectSeconds).toBeGreaterThan(0);
      const before = await server.metric('volley_deliveries_total');
      const count = new FrameCount(load);
      await load.begin();
      // The second is over the size of a read: most viewers get it in pieces.
      const sizes = [1, 1_000, 3, 20, 1, 700];
      for (const size of sizes) {
        const at = benchNow();
        for (const id of await post(name, size)) load.posted(`${paths[0]}?any=query`, id, at);
      }
      const posted = sizes.reduce((all, size) => all + size);
      await count.until(({ comments }) => comments === 30 * posted);
      const figures = await load.end();
      expect(figures.frames).toBe((await server.metric('volley_deliveries_total')) - before);
      expect(figures.comments).toBe(30 * posted);
      expect(figures).toMatchObject({ lost: 0, skipped: 0, outOfOrder: 0, faults: [], closed: new Map(), sent: 0 });
      expect(figures.latency.totalCount).toBe(sampled * posted);
      expect(figures.latency.maxValue).toBeLessThan(figures.seconds * 1e6);
      expect(figures.spread.totalCount).toBe(figures.frames / 30);
      expect(figures).toMatchObject({ incomplete: 0, starved: 0 });
      expect(figures.connect.totalCount).toBe(30);
      expect(figures.perSecond.length).toBe(Math.floor(figures.seconds));
      expect(count.frames).toBe(figures.frames);
      expect(count.bytes).toBeLessThanOrEqual(figures.bytes);
      expect(figures.busiest).toBeGreaterThan(0);
      expect(figures.cpu).toBeGreaterThanOrEqual(figures.busiest);
    } finally {
      await load.stop();
    }
  });
});

// From here on nothing reads what the server counts over all rooms, so all may go on at once.
describe.concurrent('30 viewers, ten of whom', () => {
  it('send, and every comment is acknowledged and comes back to all', async () => {
    const paths = ['/rooms/paced-1', '/rooms/paced-2'];
    const subprotocol = 'volley.v1.msgpack.deflate';
    const sending = { kind: 'paced', rate: 20 } as const;
    const url = server.viewerUrl;
    const plan = makePlan({ url, paths, subprotocol, connections: 30, threads: 2, senders: 10, sending });
    const load = await startLoad(plan);
    try {
      const count = new FrameCount(load);
      await load.startSending();
      await load.begin();
      await count.until(({ frames }) => frames > 400);
      const figures = await load.end();
      expect(figures).toMatchObject({ lost: 0, skipped: 0, outOfOrder: 0, faults: [], refused: new Map() });
      // Ten senders at twenty a second, and what was due before it began.
      expect(figures.sent).toBeGreaterThan(100);
      expect(figures.sent).toBeLessThan(200 * (figures.seconds + 1));
      expect(figures.ack.totalCount).toBe(figures.acked);
      expect(Math.abs(figures.acked - figures.sent)).toBeLessThan(figures.sent / 2);
      expect(figures.latency.totalCount).toBeGreaterThan(figures.acked);
      expect(figures.spread.totalCount).toBeGreaterThan(10);
    } finally {
      await load.stop();
    }
  });
});

describe.concurrent('a flood', () => {
  it('keeps its window unanswered, and counts what is refused by code', async () => {
    const sending = { kind: 'flood', window: 300 } as const;
    const plan = makePlan({ url: server.viewerUrl, paths: ['/rooms/flood'], connections: 3, senders: 2, sending });
    const load = await startLoad(plan);
    try {
      const count = new FrameCount(load);
      await load.begin();
      await count.until(({ comments }) => comments > 3_000);
      const { acked, refused, sent, faults, lost } = await load.end();
      // A viewer may have 256 comments unanswered.
      expect([...refused.keys()]).toEqual(['BUSY']);
      expect(acked).toBeGreaterThan(500);
      expect(Math.abs(sent - acked - (refused.get('BUSY') ?? 0))).toBeLessThanOrEqual(600);
      expect({ faults, lost }).toEqual({ faults: [], lost: 0 });
    } finally {
      await load.stop();
    }
  });
});

describe.concurrent('viewers that come and go', () => {
  it('are connected again, and nobody misses anything', async () => {
    const sending = { kind: 'paced', rate: 20 } as const;
    const paths = ['/rooms/churn'];
    const shape = { paths, connections: 40, threads: 2, senders: 4, sending, churn: 0.2, sampleEvery: 5 };
    const load = await startLoad(makePlan({ url: server.viewerUrl, ...shape }));
    try {
      const joined = await server.metric('volley_viewers_joined_total');
      const count = new FrameCount(load);
      await load.begin();
      await count.until(({ frames }) => frames > 1_000);
      const figures = await load.end();
      expect(figures).toMatchObject({ lost: 0, outOfOrder: 0, faults: [], closed: new Map(), failedConnects: 0 });
      // Those who came back, and not the forty at the beginning.
      const back = (await server.metric('volley_viewers_joined_total')) - joined;
      expect(figures.connect.totalCount).toBeGreaterThan(3);
      expect(figures.connect.totalCount).toBeLessThanOrEqual(back);
      expect(figures.spread.totalCount).toBeGreaterThan(5);
    } finally {
      await load.stop();
    }
  });
});

describe.concurrent('viewers of what was before', () => {
  it.each(['?since=0', '?history=1000'])('with %s are timed until they have it, and it is no loss', async (query) => {
    const room = `past-${query.length}`;
    const before = (await post(room, 5)).length + (await post(room, 7)).length;
    const plan = makePlan({ url: server.viewerUrl, paths: [`/rooms/${room}${query}`], connections: 12 });
    const load = await startLoad(plan);
    try {
      const count = new FrameCount(load);
      await load.begin();
      await post(room, 2);
      await count.until(({ comments }) => comments >= 24);
      const figures = await load.end();
      expect(figures).toMatchObject({ frames: 12, comments: 24, lost: 0, outOfOrder: 0, faults: [] });
      expect(before).toBe(12);
      expect(figures.caughtUp.totalCount).toBe(12);
      expect(figures.spread.totalCount).toBe(1);
    } finally {
      await load.stop();
    }
  });
});

describe.concurrent('viewers of a past that comes in fragments', () => {
  it('take the fragments for one frame', async () => {
    await post('long-past', 1_000, '弹'.repeat(150));
    const plan = makePlan({ url: server.viewerUrl, paths: ['/rooms/long-past?history=1'], connections: 6 });
    const load = await startLoad(plan);
    try {
      const count = new FrameCount(load);
      await load.begin();
      await post('long-past', 2);
      await count.until(({ comments }) => comments >= 12);
      const figures = await load.end();
      expect(figures).toMatchObject({ lost: 0, outOfOrder: 0, faults: [] });
      expect(figures.caughtUp.totalCount).toBe(6);
    } finally {
      await load.stop();
    }
  });
});

describe.concurrent('deaf viewers', () => {
  it('are connected and read nothing', async () => {
    const plan = makePlan({ url: server.viewerUrl, paths: ['/rooms/deaf'], connections: 10, deaf: 4 });
    const load = await startLoad(plan);
    try {
      const count = new FrameCount(load);
      await load.begin();
      await post('deaf', 1);
      await count.until(({ frames }) => frames > 0);
      expect(await load.end()).toMatchObject({ frames: 6, comments: 6, lost: 0 });
    } finally {
      await load.stop();
    }
  });
});
