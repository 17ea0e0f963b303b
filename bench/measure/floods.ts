import { Worker } from 'node:worker_threads';
import { compiledFile } from '../../src/compiled-file.ts';
import type { Load } from '../load/load.ts';
import { readComments } from '../run/feed.ts';
import { startVolley } from '../run/server.ts';
import { MetricsPage, readCpuSeconds } from '../run/server-stats.ts';
import { FLOODS, type Flood, type FloodersOptions } from './flooders.ts';
import { openViewers, sleep } from './idle-load.ts';

type FloodsOptions = Record<'connections' | 'viewers' | 'rooms' | 'seconds', number>;

/** Comments a second in each room; further apart than the pushes of a room, so each goes out at once. */
const RATE = 10;
const INTERVAL_MS = 50;

/** Seconds in which all floods arrive at once and are cut, told apart from what follows. */
const FIRST_S = 2;

/**
 * What connections that flood cost the other viewers of their shard: how late comments come, from when one viewer sends
 * it to when each hears it, before each kind of flood, in its first seconds, and after those.
 */
export async function measureFloods(options: FloodsOptions, print: (line: string) => void): Promise<void> {
  for (const flood of Object.keys(FLOODS) as Flood[]) await measure(options, flood, false, print);
  await measure(options, 'tiny', true, print);
}

async function measure(options: FloodsOptions, flood: Flood, again: boolean, print: (line: string) => void) {
  const { connections, viewers, rooms, seconds } = options;
  const { child, viewerUrl, apiUrl, pid } = await startVolley(['--workers', '1', '--interval', String(INTERVAL_MS)]);
  const names = Array.from({ length: rooms }, (_, i) => `calm-${i}`);
  const sending = { kind: 'paced', rate: RATE } as const;
  const { comments } = readComments();
  let load: Load | undefined;
  try {
    load = await openViewers(viewerUrl, names, {
      ...{ connections: viewers, senders: rooms, sending, comments, counted: false, sampleEvery: 1 },
    });
    await load.startSending();
    await sleep(2_000);
    const calm = await take(load, pid, seconds);
    const { hostname, port } = new URL(viewerUrl);
    const workerData: FloodersOptions = { host: hostname, port: Number(port), connections, flood, again };
    const flooders = new Worker(compiledFile('bench/measure/flooders.js'), { workerData });
    const first = await take(load, pid, FIRST_S);
    const flooded = await take(load, pid, seconds);
    const sent = new Promise<{ opened: number; bytes: number }>((resolve) => flooders.once('message', resolve));
    flooders.postMessage('stop');
    const { opened, bytes } = await sent;
    await flooders.terminate();
    const closes = (await MetricsPage.fetch(apiUrl)).sum('volley_flood_closes_total');
    print(
      `${flood}${again ? ', coming back' : ''}: ${opened} connections, ${(bytes / 1e6).toFixed(0)} MB sent, ${closes} closed`,
    );
    print(`  calm:  ${calm}`);
    print(`  first: ${first}`);
    print(`  flood: ${flooded}`);
  } finally {
    await load?.stop();
    await child.stop();
  }
}

/** How late comments come in the next seconds, and what the server uses. */
async function take(load: Load, pid: number, seconds: number): Promise<string> {
  await load.begin();
  const before = readCpuSeconds(pid);
  await sleep(seconds * 1_000);
  const cores = (readCpuSeconds(pid) - before) / seconds;
  const { latency } = await load.end();
  const ms = (percentile: number): string => (latency.getValueAtPercentile(percentile) / 1_000).toFixed(1);
  return `p50 ${ms(50)} ms, p99 ${ms(99)} ms, longest ${ms(100)} ms of ${latency.totalCount}; server ${cores.toFixed(2)} cores`;
}
