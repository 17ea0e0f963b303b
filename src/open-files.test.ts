import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { OpenFileLimit, shareOpenFiles } from './open-files.ts';
import { type ServerProcess, startProcess } from './testing/server-process.ts';
import { ViewerClient } from './testing/viewer-client.ts';

describe('the shares of the ports in the open files', () => {
  it.each([
    ['many files', 1_000_000, 4, { api: 1_024, viewers: 1_000_000 - 48 - 48 - 1_024 }],
    ['as many as many systems give', 1_024, 1, { api: 256, viewers: 1_024 - 48 - 12 - 256 }],
    ['few', 400, 2, { api: 100, viewers: 400 - 48 - 24 - 100 }],
    ['hardly any', 64, 8, { api: 16, viewers: 16 }],
    ['no bound', Number.POSITIVE_INFINITY, 4, { api: 1_024, viewers: Number.POSITIVE_INFINITY }],
  ])('leave some for the program where there are %s', (_, limit, shards, shares) => {
    expect(shareOpenFiles(limit, shards, 1_024)).toEqual(shares);
  });
});

describe('the limit of open files', () => {
  it('is the one of this process', () => {
    const [, limit] = /^Max open files\s+(\d+)/m.exec(execFileSync('cat', ['/proc/self/limits']).toString()) ?? [];
    expect(new OpenFileLimit().read()).toBe(Number(limit));
  });
});

describe('a server with more connections than files', () => {
  let server: ServerProcess | undefined;
  let sockets: Socket[] = [];

  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    sockets = [];
    server?.child.kill('SIGKILL');
    await server?.ended;
  });

  /** A server that may have 300 files open, unless `runner` gives it more. */
  async function start(runner = ['prlimit', '--nofile=300:300']): Promise<ServerProcess> {
    server = await startProcess(['--workers', '2', '--interval', '20'], { runner });
    return server;
  }

  /** Opens connections, and resolves once each of them is open or refused. */
  async function openMany(url: string, count: number): Promise<void> {
    const { hostname, port } = new URL(url);
    await Promise.all(
      Array.from({ length: count }, () => {
        const socket = connect(Number(port), hostname);
        sockets.push(socket);
        socket.on('error', () => undefined);
        return new Promise<void>((resolve) => {
          socket.once('connect', () => resolve());
          socket.once('close', () => resolve());
        });
      }),
    );
  }

  /** True while every thread of a process sleeps. */
  function areAsleep(pid: number): boolean {
    const states = readdirSync(`/proc/${pid}/task`).map((thread) => {
      return /^State:\t(\w)/m.exec(readFileSync(`/proc/${pid}/task/${thread}/status`, 'latin1'))?.[1];
    });
    return states.every((state) => state === 'S');
  }

  async function until(holds: () => Promise<boolean>): Promise<void> {
    const end = Date.now() + 15_000;
    while (!(await holds())) {
      if (Date.now() > end) throw new Error('that did not happen within 15 s');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  it('goes on for the viewers that it has, refuses others, and takes them once there is room', async () => {
    const running = await start();
    const seated = new ViewerClient(running.viewerUrl, 'a', { codec: 'json' });
    await seated.welcome();
    await openMany(running.viewerUrl, 500);
    await until(async () => (await running.metric('volley_listen_pauses_total')) > 0);
    const open = await running.metric('volley_sockets');
    expect(open).toBeGreaterThan(100);
    expect(open).toBeLessThan(160);
    // Whose turn it was to be accepted may have been in the system's queue; now nobody listens.
    const late = new ViewerClient(running.viewerUrl, 'a', { codec: 'json' });
    await expect(late.welcome()).rejects.toThrow();
    expect((await running.post('a', { text: 'still here' }, '?wait=stored')).status).toBe(201);
    expect(await seated.message(({ type }) => type === 'batch')).toMatchObject({ seq: 1 });
    const page = await fetch(running.apiUrl);
    expect(page.status).toBe(200);
    // A shard that tried to accept all the time would never sleep.
    await until(async () => areAsleep(running.pid));
    for (const socket of sockets) socket.destroy();
    await until(async () => {
      const viewer = new ViewerClient(running.viewerUrl, 'a', { codec: 'json' });
      return viewer.welcome().then(
        () => true,
        () => false,
      );
    });
    expect(await running.metric('volley_sockets')).toBeLessThan(10);
    expect(running.lines.filter(({ level }) => Number(level) >= 50)).toEqual([]);
    expect(await running.stop()).toBe(0);
  });

  it('sees that the limit was lowered while it runs', async () => {
    const running = await start([]);
    await openMany(running.viewerUrl, 200);
    expect(await running.metric('volley_listen_pauses_total')).toBe(0);
    execFileSync('prlimit', ['--pid', String(running.pid), '--nofile=300:300']);
    await until(async () => (await running.metric('volley_listen_pauses_total')) > 0);
    expect(await running.stop()).toBe(0);
  });

  it('gives the API its part and no more, and answers every request there', async () => {
    const running = await start();
    await openMany(running.apiUrl, 500);
    for (const path of ['/healthz', '/', '/dashboard', '/client.js', '/metrics', '/rooms']) {
      expect((await fetch(running.apiUrl + path)).status, path).toBe(200);
    }
    expect(await running.metric('volley_api_connections')).toBeLessThanOrEqual(75);
    expect(await running.metric('volley_api_cuts_total', 'connections')).toBeGreaterThan(400);
    const viewer = new ViewerClient(running.viewerUrl, 'a', { codec: 'json' });
    await viewer.welcome();
    expect(running.lines.filter(({ level }) => Number(level) >= 50)).toEqual([]);
    expect(await running.stop()).toBe(0);
  });
});
