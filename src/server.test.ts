import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { startServer } from './server.ts';
import { SETTINGS, type Settings } from './settings.ts';
import { Crowd } from './testing/crowd.ts';
import { type ServerProcess, startProcess } from './testing/server-process.ts';
import { ViewerClient } from './testing/viewer-client.ts';

let server: ServerProcess | undefined;

async function start(...args: string[]): Promise<ServerProcess> {
  server = await startProcess(args);
  return server;
}

afterEach(async () => {
  server?.child.kill('SIGKILL');
  await server?.ended;
});

describe('a crowd over several shards and all codecs', () => {
  it('hears every comment once and in order while viewers join and resume all the time', async () => {
    const running = await start('--workers', '3', '--interval', '20');
    const rooms = ['a', 'b', 'c'];
    const crowd = new Crowd(running);
    await crowd.seat(rooms, 30);
    for (let round = 0; round < 15; round += 1) {
      await Promise.all([
        ...rooms.map((room) => running.post(room, [{ text: `${round} 一` }, { text: `${round} 二`, mode: 'top' }])),
        crowd.shuffle(4),
        crowd.seat(rooms, 2),
        crowd.seat(rooms, 1, '?since=0'),
      ]);
    }
    for (const room of rooms) await running.post(room, { text: 'last' }, '?wait=stored');
    await crowd.caughtUp();
    expect(crowd.size).toBe(75);
    expect(await crowd.findFaults()).toEqual([]);
    await crowd.leave();
    expect(await running.stop()).toBe(0);
  });

  it('gets each frame encoded once a codec, whatever the number of viewers and workers', async () => {
    const running = await start('--workers', '4', '--interval', '50');
    const crowd = new Crowd(running);
    await crowd.seat(['one'], 150);
    for (let i = 0; i < 8; i += 1) await running.post('one', { text: `comment ${i}` }, '?wait=stored');
    await crowd.caughtUp();
    const batches = await running.metric('volley_batches_total');
    expect(batches).toBe(8);
    for (const codec of ['json', 'msgpack', 'deflate']) {
      expect(await running.metric('volley_frames_encoded_total', `codec="${codec}"`)).toBe(batches);
    }
    expect(await running.metric('volley_pushes_total')).toBe(3 * batches);
    expect(await running.metric('volley_deliveries_total')).toBe(150 * batches);
    expect(await crowd.findFaults()).toEqual([]);
  });

  it('has no frame encoded for a codec that nobody in the room uses, and a quiet room hears a presence after --heartbeat', async () => {
    const running = await start('--workers', '2', '--interval', '20', '--heartbeat', '1000');
    const viewer = new ViewerClient(running.viewerUrl, 'a', { codec: 'msgpack' });
    const elsewhere = new ViewerClient(running.viewerUrl, 'b', { codec: 'json' });
    await Promise.all([viewer.welcome(), elsewhere.welcome()]);
    await running.post('a', { text: 'x' });
    await viewer.message(({ type }) => type === 'batch');
    await running.post('nobody', { text: 'x' }, '?wait=stored');
    expect(await running.metric('volley_frames_encoded_total')).toBe(1);
    expect(await running.metric('volley_frames_encoded_total', 'codec="msgpack"')).toBe(1);
    const quiet = (['json', 'deflate'] as const).map((codec) => new ViewerClient(running.viewerUrl, 'c', { codec }));
    await Promise.all(quiet.map((viewer) => viewer.welcome()));
    for (const viewer of quiet) {
      expect(await viewer.message(({ type }) => type === 'presence')).toEqual({ type: 'presence', seq: 0, viewers: 2 });
    }
  });
});

describe('a server whose shards cannot start', () => {
  it('fails with one sentence and leaves nothing running', async () => {
    const settings = Object.fromEntries(SETTINGS.map(({ name, fallback }) => [name, fallback])) as unknown as Settings;
    const few = { ...settings, port: 0, apiPort: 0, workers: 1, store: 'memory' };
    const starting = startServer(few, pino({ level: 'silent' }), { shardFile: '/nowhere/shard.js' });
    await expect(starting).rejects.toMatchObject({
      code: 'SHARD_LISTEN',
      message: expect.stringContaining('a shard could not start'),
    });
  });
});

describe('a viewer that was away', () => {
  it('catches up in steps, far more than its backpressure limit allows at once, without missing anything', async () => {
    const running = await start('--workers', '2', '--interval', '10', '--max-backpressure', '16384');
    const crowd = new Crowd(running);
    const page = Array.from({ length: 100 }, (_, i) => ({ text: `第${i} ${'字'.repeat(60)}` }));
    for (let i = 0; i < 20; i += 1) await running.post('a', page, '?wait=stored');
    const live = setInterval(() => void running.post('a', { text: 'meanwhile' }), 30);
    await crowd.seat(['a'], 12, '?since=0');
    await crowd.caughtUp();
    clearInterval(live);
    await running.post('a', { text: 'last' }, '?wait=stored');
    await crowd.caughtUp();
    expect(await running.metric('volley_drops_total')).toBe(0);
    expect(await crowd.findFaults()).toEqual([]);
  });
});
