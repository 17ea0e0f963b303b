import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'hdr-histogram-js';
import { type Clock, systemClock } from '../src/clock.ts';
import { encodeBatch } from '../src/frames/batch.ts';
import { type ServerProcess, startProcess } from '../src/server-process.fixture.ts';
import { LevelStore } from '../src/store/store-level.ts';
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
const DEADLINE_MS = 120_000;
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
    const server = await startProcess([...flags, '--store', `level:${dir}`, '--retain-age', '3600']);
    try {
      await watchPruning(server, options, print);
    } finally {
      await server.stop();
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function watchPruning(server: ServerProcess, options: PruningOptions, print: (line: string) => void) {
  const { batches, seconds } = options;
  const pushes = new LatePushes(server);
  await pushes.open();
  const startedAt = performance.now();
  await until('all old batches to be dropped', async () => {
    return (await server.metric('volley_store_pruned_batches_total')) >= batches;
  });
  const took = (performance.now() - startedAt) / 1_000;
  // A few batches are gone before the first push comes.
  print(`while ${batches} batches were dropped, ${took.toFixed(1)} s: ${pushes.take()}`);
  await sleep(seconds * 1_000);
  await until('a push', async () => pushes.count > 0);
  print(`when they were gone, ${seconds} s: ${pushes.take()}`);
  pushes.close();
}

/** Stores batches as a server did yesterday. */
async function fill(dir: string, { batches, rooms }: PruningOptions): Promise<void> {
  const fault = (error: unknown): never => {
    throw error;
  };
  const store = new LevelStore({
    dir,
    durability: 'relaxed',
    retainAge: 0,
    retainBytes: 0,
    clock: YESTERDAY,
    onFault: fault,
    onNotice: fault,
  });
  await store.start({ tail: () => undefined, recalled: () => undefined, state: () => undefined });
  for (let i = 0; i < rooms; i += 1) await store.follow(`old-${i}`);
  const draft = { text: 'yesterday', mode: 0, color: 0xffffff, size: 25, user: '', name: '', extra: '' };
  const batch = encodeBatch(Array.from({ length: COMMENTS }, () => ({ ...draft, at: YESTERDAY.unix() })));
  for (let i = 0; i < batches; i += APPENDED_AT_ONCE) {
    const count = Math.min(APPENDED_AT_ONCE, batches - i);
    await Promise.all(Array.from({ length: count }, (_, k) => store.append(`old-${(i + k) % rooms}`, batch)));
  }
  await store.close();
}

/** Comments that are pushed to a viewer, and how late they come. */
class LatePushes {
  readonly #viewer: ViewerClient;
  readonly #histogram = build({ numberOfSignificantValueDigits: 3 });
  readonly #apiUrl: string;
  #feed: Feed | undefined;

  constructor(server: ServerProcess) {
    this.#viewer = new ViewerClient(server.viewerUrl, 'watched');
    this.#apiUrl = server.apiUrl;
  }

  async open(): Promise<void> {
    await this.#viewer.welcome();
    this.#viewer.socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString()) as { type: string; at: number };
      if (message.type === 'batch') this.#histogram.recordValue(Math.max(0, Date.now() - message.at));
    });
    this.#feed = new Feed({ apiUrl: this.#apiUrl, rooms: ['watched'], comments: COMMENTS, every: 2 * INTERVAL_MS });
  }

  /** Pushes that {@link take} has not told of. */
  get count(): number {
    return this.#histogram.totalCount;
  }

  /** Tells how late the pushes since it was called last were. */
  take(): string {
    const { totalCount, maxValue } = this.#histogram;
    if (totalCount === 0) return 'no push in this time';
    const at = (percentile: number): number => this.#histogram.getValueAtPercentile(percentile);
    const said = `${totalCount} pushes, p50 ${at(50)} ms, p99 ${at(99)} ms, latest ${maxValue} ms`;
    this.#histogram.reset();
    return said;
  }

  close(): void {
    this.#feed?.stop();
    this.#viewer.socket.terminate();
  }
}

async function until(what: string, done: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!(await done())) {
    if (performance.now() > deadline) throw new Error(`waited ${DEADLINE_MS / 1_000} s for ${what}`);
    await sleep(20);
  }
}
