/** What each route costs the loop at the largest state that the default bounds allow. */
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createShardCounters, ShardCounters } from '../counters.ts';
import type { Codec } from '../frames/codec.ts';
import { createRing, RingWriter } from '../frames/frame-ring.ts';
import { Metrics } from '../metrics/metrics.ts';
import { Sampler } from '../metrics/sampler.ts';
import { MemoryStore } from '../store/store-memory.ts';
import { FakeClock } from '../testing/clock.ts';
import { draftOf } from '../testing/rooms.ts';
import { createApi, type HttpRig } from './app.fixture.ts';

const ROOMS = 100_000;
const SHARDS = 64;

/** What one turn of the loop may take, in ms of CPU of an idle core. */
const MOST_MS = 10;

/** Others use the machine too: a route has so many tries, of which the best counts. */
const TRIES = 15;

/** What the piece of work below takes an idle core, in ms, of the machine that the bound was measured on. */
const REFERENCE_MS = 3.5;

const WORK = Buffer.from(JSON.stringify(Array(2_000).fill({ text: '神😀'.repeat(60) })));

/** How many times as long work takes now, since others use the same cores. */
function measureSlowness(): number {
  const times = Array.from({ length: 20 }, () => {
    const began = cpuMs();
    JSON.parse(WORK.toString());
    return cpuMs() - began;
  });
  return Math.max(1, Math.min(...times) / REFERENCE_MS);
}

const LONGEST = {
  ...draftOf('😀'.repeat(200)),
  user: '😀'.repeat(64),
  name: '😀'.repeat(32),
  extra: '\u0001'.repeat(512),
};

let api: HttpRig<MemoryStore>;
let sampler: Sampler;
let metrics: Metrics;
let port: number;

beforeAll(async () => {
  const store = new MemoryStore({ comments: 1e6, bytes: 1e10, age: 1e9, clock: new FakeClock(0) });
  const memory = createShardCounters(SHARDS);
  const shards = Array.from({ length: SHARDS }, (_, shard) => new ShardCounters(memory, shard));
  const ring = new RingWriter(createRing(1 << 20, SHARDS));
  const parts: { metrics?: Metrics; sampler?: Sampler } = {};
  api = await createApi(store, {
    maxPending: 1e6,
    maxPendingAll: 1e7,
    heartbeat: 1e9,
    host: '127.0.0.1',
    metrics: {
      contentType: 'text/plain',
      read: async () => (await parts.metrics?.read()) ?? '',
    },
    sampler: {
      history: (since?: number) => parts.sampler?.history(since) ?? [],
      describeRoom: (name: string) => sampler.describeRoom(name),
      listen: (listener: Parameters<Sampler['listen']>[0]) => parts.sampler?.listen(listener) ?? (() => undefined),
    },
    pages: { publicUrl: '', port: 1, maxText: 200, viewerNames: true, heartbeat: 15_000 },
  });
  sampler = new Sampler({
    ...api,
    store,
    ring,
    shards,
    onFault: (error) => {
      throw error;
    },
  });
  metrics = new Metrics({ ...api, store, ring, shards, library: () => 'uws-pack 20.0.8', lostLines: () => 0 });
  Object.assign(parts, { metrics, sampler });
  await api.clock.advance(600_000);
  for (let batch = 0; batch < 3; batch += 1) {
    for (let i = 0; i < 1_000; i += 1) api.rooms.offer('longest', LONGEST, null, i);
    for (let i = 0; i < 1_000; i += 1)
      api.rooms.offer('usual', draftOf(`a comment of the usual length, ${i}`), null, i);
    await api.clock.advance(1_010);
  }
  for (let i = 0; i < ROOMS; i += 1) api.rooms.join(`room-${(i * 7_919) % ROOMS}`, 0, (i % 3) as Codec, 1 + (i % 50));
  await api.app.listen({ port: 0, host: '127.0.0.1' });
  ({ port } = api.app.server.address() as AddressInfo);
}, 120_000);

afterAll(async () => {
  api.app.server.closeAllConnections();
  await api.app.close();
  sampler.stop();
  metrics.stop();
});

/** CPU of this process so far, in ms. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** The longest turn of the loop in ms of CPU, until what is returned is called. */
function watchTurns(): () => number {
  let most = 0;
  let last = cpuMs();
  let isOver = false;
  const look = (): void => {
    const now = cpuMs();
    most = Math.max(most, now - last);
    last = now;
    if (!isOver) setImmediate(look);
  };
  setImmediate(look);
  return () => {
    isOver = true;
    return most;
  };
}

interface Asked {
  readonly method?: 'GET' | 'POST';
  readonly path: string;
  readonly body?: string;
  /** The answer has no end: what it begins with is read. */
  readonly isEndless?: boolean;
}

/** Asks, reads the answer to its end, and gives its status. */
async function ask({ method = 'GET', path, body, isEndless = false }: Asked): Promise<number> {
  const sent = request({ port, method, path, headers: { 'content-type': 'application/json' }, agent: false });
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  response.on('error', () => undefined);
  response.resume();
  if (isEndless) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    response.destroy();
  } else {
    await once(response, 'close');
  }
  return response.statusCode ?? 0;
}

/** The longest turn that a request makes in ms of an idle core, the best of a few tries. */
async function measure(asked: Asked): Promise<{ status: number; ms: number }> {
  let best = Number.POSITIVE_INFINITY;
  let status = 0;
  for (let i = 0; i < TRIES && best > MOST_MS / 2; i += 1) {
    await api.clock.advance(5_000);
    const slowness = measureSlowness();
    const stop = watchTurns();
    status = await ask(asked);
    best = Math.min(best, stop() / slowness);
  }
  return { status, ms: best };
}

describe('no turn of the loop takes more than 10 ms of CPU', () => {
  it.each([
    ['/healthz'],
    ['/readyz'],
    ['/rooms'],
    ['/rooms?limit=1000&after=25:room-50'],
    ['/rooms/longest'],
    ['/metrics'],
    ['/'],
    ['/dashboard'],
    ['/hls.js'],
    ['/client.js.map'],
    ['/page-settings.json'],
    ['/rooms/usual/comments?limit=1000'],
    ['/rooms/usual/comments?limit=1000&order=desc'],
    ['/rooms/longest/comments?limit=1000'],
    ['/rooms/longest/comments?limit=1000&order=desc'],
    ['/rooms/usual/comments?format=ndjson'],
    ['/rooms/longest/comments?format=ndjson'],
    ['/rooms/longest/comments?format=ndjson&order=desc'],
    ['/rooms/longest/comments?format=xml'],
    ['/rooms/longest/comments?format=ass'],
    ['/dplayer/v3/?id=longest&max=10000'],
    ['/nothing'],
  ])('GET %s', async (path) => {
    const { status, ms } = await measure({ path });
    expect(status).toBe(path === '/nothing' ? 404 : 200);
    expect(ms).toBeLessThan(MOST_MS);
  });

  it.each(['/dashboard/stream', '/dashboard/stream?since=1&room=longest'])('GET %s', async (path) => {
    const { status, ms } = await measure({ path, isEndless: true });
    expect(status).toBe(200);
    expect(ms).toBeLessThan(MOST_MS);
  });

  it.each([
    ['a comment', 202, '{"text":"a"}'],
    ['1,000 comments', 202, JSON.stringify(Array(1_000).fill({ text: 'a comment of the usual length', name: 'bob' }))],
    ['as many of the longest as fit', 202, JSON.stringify(Array(470).fill({ ...LONGEST, extra: '', mode: 'scroll' }))],
    ['a megabyte of white space', 413, ' '.repeat(1_048_576)],
    ['a megabyte of numbers', 413, `[${'1,'.repeat(500_000)}1]`],
    ['a megabyte of objects', 413, `[${'{},'.repeat(340_000)}{}]`],
    ['a megabyte of brackets', 400, '['.repeat(1_048_576)],
    ['a megabyte of names', 413, `{${Array.from({ length: 80_000 }, (_, i) => `"k${i.toString(36)}":1`).join()}}`],
    ['a megabyte of escapes', 413, `["${'\\u0001'.repeat(170_000)}"]`],
    [
      '1,000 objects of 100 names each',
      400,
      JSON.stringify(
        Array.from({ length: 1_000 }, (_, j) =>
          Object.fromEntries(Array.from({ length: 90 }, (__, i) => [(j * 100 + i).toString(36), 1])),
        ),
      ),
    ],
  ])('POST /rooms/posted/comments with %s', async (_, wanted, body) => {
    const { status, ms } = await measure({ method: 'POST', path: '/rooms/posted/comments', body });
    expect(status).toBe(wanted);
    expect(ms).toBeLessThan(MOST_MS);
  });

  it('while a body comes in chunks of one byte', async () => {
    const head = 'POST /rooms/a/comments HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
    const body = `${'1\r\n \r\n'.repeat(100_000)}2\r\n{}\r\n0\r\n\r\n`;
    const bytes = Buffer.from(`${head}Transfer-Encoding: chunked\r\n\r\n${body}`);
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i < TRIES && best > MOST_MS / 2; i += 1) {
      const slowness = measureSlowness();
      const stop = watchTurns();
      const client = connect(port, '127.0.0.1');
      client.write(bytes);
      const [answer] = (await once(client, 'data')) as [Buffer];
      expect(answer.toString()).toMatch(/^HTTP\/1\.1 413 /);
      best = Math.min(best, stop() / slowness);
      client.destroy();
    }
    expect(best).toBeLessThan(MOST_MS);
  });

  it('while a client sends 48 KB of requests at once', async () => {
    const stop = watchTurns();
    const client = connect(port, '127.0.0.1');
    const one = 'GET /rooms HTTP/1.1\r\nHost: x\r\n\r\n';
    const count = Math.floor(49_152 / one.length);
    client.write(one.repeat(count));
    let answers = 0;
    for await (const bytes of client) {
      answers += (bytes as Buffer).toString('latin1').split('HTTP/1.1 200 OK').length - 1;
      if (answers >= count - 5) break;
    }
    // Of a thousand and more turns the collector of garbage has its share in a few.
    expect(stop()).toBeLessThan(5 * MOST_MS);
  });
});
