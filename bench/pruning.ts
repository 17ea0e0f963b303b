import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'hdr-histogram-js';
import { type Clock, systemClock } from '../src/clock.ts';
import { encodeBatch } from '../src/frames/batch.ts';
import { type ServerProcess, startProcess } from '../src/server-process.fixture.ts';
import { LmdbStore } from '../src/store/store-lmdb.ts';
import { ViewerClient } from '../src/viewer-client.fixture.ts';
import { Feed } from './feed.ts';
import { sleep } from './statistics.ts';

export interface PruningOptions {
  /** Batches that are too old when the server starts, of 20 comments each. */
  readonly batches: number;
  readonly rooms: number;
  /** Seconds that are measured when nothing is left to prune. */
  readonly seconds: number;
}

const COMMENTS = 20;
const INTERVAL_MS = 50;
const DAY_MS = 86_400_000;
const APPENDED_AT_ONCE = 100;

/** A day ago. */
const YESTERDAY: Clock = { ...systemClock, unix: () => systemClock.unix() - DAY_MS };

/**
 * How late pushes come to a viewer while the server drops everything that is a day old, and when it has: from a batch's
 * first comment, which goes out at once, to its receipt.
 */
export async function measurePruning(options: PruningOptions, print: (line: string) => void): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'volley-pruning-'));
  try {
    await fill(dir, options);
    const flags = ['--workers', '1', '--interval', String(INTERVAL_MS)];
    const server = await startProcess([...flags, '--store', `lmdb:${dir}`, '--retain-age', '3600']);
    const lateness = await watch(server);
    const startedAt = performance.now();
    await until(async () => (await server.metric('volley_store_pruned_batches_total')) >= options.batches);
    const took = (performance.now() - startedAt) / 1_000;
    print(`while ${options.batches} batches were dropped, ${took.toFixed(1)} s: ${lateness.take()}`);
    await sleep(options.seconds * 1_000);
    print(`when they were gone, ${options.seconds} s: ${lateness.take()}`);
    lateness.stop();
    await server.stop();
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Stores batches as a server did yesterday. */
async function fill(dir: string, { batches, rooms }: PruningOptions): Promise<void> {
  const fault = (error: unknown): never => {
    throw error;
  };
  const store = new LmdbStore({
    dir,
    durability: 'relaxed',
    retainAge: 0,
    retainBytes: 0,
    clock: YESTERDAY,
    onFault: fault,
  });
  await store.start(() => undefined);
  const draft = { text: 'yesterday', mode: 0, color: 0xffffff, size: 25, user: '', name: '', extra: '' };
  const batch = encodeBatch(Array.from({ length: COMMENTS }, () => ({ ...draft, at: YESTERDAY.unix() })));
  for (let i = 0; i < batches; i += APPENDED_AT_ONCE) {
    const count = Math.min(APPENDED_AT_ONCE, batches - i);
    await Promise.all(Array.from({ length: count }, (_, k) => store.append(`old-${(i + k) % rooms}`, batch)));
  }
  await store.close();
}

/** Has comments pushed to a viewer; `take` tells how late they were since it was called last. */
async function watch(server: ServerProcess): Promise<{ take: () => string; stop: () => void }> {
  const viewer = new ViewerClient(server.viewerUrl, 'watched');
  await viewer.welcome();
  const histogram = build({ numberOfSignificantValueDigits: 3 });
  viewer.socket.on('message', (data: Buffer) => {
    const message = JSON.parse(data.toString()) as { type: string; at: number };
    if (message.type === 'batch') histogram.recordValue(Math.max(0, Date.now() - message.at));
  });
  const feed = new Feed({ apiUrl: server.apiUrl, rooms: ['watched'], comments: COMMENTS, every: 2 * INTERVAL_MS });
  return {
    take() {
      if (histogram.totalCount === 0) throw new Error('no push came to the viewer');
      const at = (percentile: number): number => histogram.getValueAtPercentile(percentile);
      const said = `${histogram.totalCount} pushes, p50 ${at(50)} ms, p99 ${at(99)} ms, latest ${histogram.maxValue} ms`;
      histogram.reset();
      return said;
    },
    stop() {
      feed.stop();
      viewer.socket.terminate();
    },
  };
}

async function until(done: () => Promise<boolean>): Promise<void> {
  while (!(await done())) await sleep(20);
}
