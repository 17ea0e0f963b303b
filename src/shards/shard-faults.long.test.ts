import { afterEach, describe, expect, it } from 'vitest';
import { startSteadyFeed } from '../../bench/run/feed.ts';
import { Crowd } from '../testing/crowd.ts';
import { type ServerProcess, startProcess } from '../testing/server-process.ts';

const FAULTY = { entry: 'src/testing/faulty-server.js' };
const ROOMS = ['a', 'b', 'c'];

let server: ServerProcess | undefined;

afterEach(async () => {
  server?.child.kill('SIGKILL');
  await server?.ended;
});

describe('a server under load', () => {
  it('exits 0 on SIGTERM every time, with hundreds of viewers and a stream of comments', async () => {
    const codes: unknown[] = [];
    for (let turn = 0; turn < 10; turn += 1) {
      server = await startProcess(['--workers', '3', '--interval', '20'], FAULTY);
      const crowd = new Crowd(server);
      await crowd.seat(ROOMS, 300);
      const feed = startSteadyFeed(server.apiUrl, ROOMS, 20, 20);
      await Promise.all(crowd.viewers.map((viewer) => viewer.until(() => viewer.comments.length > 40)));
      codes.push(await server.stop());
      feed.stop();
      for (const viewer of crowd.viewers) {
        expect((await viewer.closed).code).toBe(1012);
        expect(viewer.faults).toEqual([]);
      }
    }
    expect(codes).toEqual(new Array(10).fill(0));
  });

  it('loses nothing over twenty faults of its shards, whose viewers resume', async () => {
    server = await startProcess(['--workers', '3', '--interval', '20', '--memory-comments', '1000000'], FAULTY);
    const crowd = new Crowd(server);
    await crowd.seat(ROOMS, 150);
    const feed = startSteadyFeed(server.apiUrl, ROOMS, 5, 20);
    for (let fault = 0; fault < 20; fault += 1) {
      const failed = (): number => (server?.lines ?? []).filter(({ msg }) => msg?.startsWith('shard failed')).length;
      server.tell(`throw ${fault % 3}`);
      await server.logged(() => failed() > fault);
      await crowd.resumeLost();
    }
    expect(feed.stop()).toBe(0);
    for (const room of ROOMS) await server.post(room, { text: 'last' }, '?wait=stored');
    await crowd.resumeLost();
    await crowd.caughtUp(60_000);
    expect(await crowd.findFaults()).toEqual([]);
    const restarts = (): Promise<number> | undefined => server?.metric('volley_shard_restarts_total');
    await expect.poll(restarts, { timeout: 10_000 }).toBe(20);
    expect(await server.stop()).toBe(0);
  });
});
