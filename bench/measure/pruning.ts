import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { type Clock, systemClock } from '../../src/clock.ts';
import { encodeBatch } from '../../src/frames/batch.ts';
import { LevelStore } from '../../src/store/store-level.ts';
import { Feed } from '../run/feed.ts';
import { startVolley, type Volley } from '../run/server.ts';
import { MetricsPage } from '../run/server-stats.ts';
import { sleep } from './idle-load.ts';

/** `batches` too old when the server starts, of 20 comments each; `seconds` measured when none is left. */
type PruningOptions = Record<'batches' | 'rooms' | 'seconds', number>;

const COMMENTS = 20;
const INTERVAL_MS = 50;
const DAY_MS = 86_400_000;
const DEADLINE_MS = 120_000;
const APPENDED_AT_ONCE = 100;
const ROOM = 'watched';

const YESTERDAY: Clock = { ...systemClock, unix: () => systemClock.unix() - DAY_MS };

/**
 * How late pushes come to a viewer while the server drops everything that is a day old, and when it has: from a batch's
 * first comment to its receipt.
 */
export async function measurePruning(options: PruningOptions, print: (line: string) => void): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'volley-pruning-'));
  try {
    await fill(dir, options);
    const flags = ['--workers', '1', '--interval', String(INTERVAL_MS), '--store', `level:${dir}`];
    const volley = await startVolley([...flags, '--retain-age', '3600']);
    try {
      await watchPruning(volley, options, print);
    } finally {
      await volley.child.stop();
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function watchPruning({ viewerUrl, apiUrl }: Volley, options: PruningOptions, print: (line: string) => void) {
  const { batches, seconds } = options;
  const startedAt = performance.now();
  const deadline = startedAt + DEADLINE_MS;
  const late: number[] = [];
  // Not a load: it would start only when much of the pruning is over.
  const viewer = new WebSocket(`${viewerUrl}/rooms/${ROOM}`);
  viewer.on('message', (data: Buffer) => {
    const message = JSON.parse(data.toString()) as { type: string; at: number };
    if (message.type === 'batch') late.push(Math.max(0, Date.now() - message.at));
  });
  await once(viewer, 'open');
  const feed = Feed.steady(apiUrl, [ROOM], COMMENTS, 2 * INTERVAL_MS);
  while ((await MetricsPage.fetch(apiUrl)).sum('volley_store_pruned_batches_total') < batches) {
    if (performance.now() > deadline) throw new Error(`old batches were not dropped in ${DEADLINE_MS / 1_000} s`);
    await sleep(20);
  }
  const took = (performance.now() - startedAt) / 1_000;
  // A few batches are gone before the first push comes.
  print(`while ${batches} batches were dropped, ${took.toFixed(1)} s: ${describe(late.splice(0))}`);
  await sleep(seconds * 1_000);
  print(`when they were gone, ${seconds} s: ${describe(late)}`);
  feed.stop();
  viewer.terminate();
}

/** @param late how late each push came, in ms */
function describe(late: readonly number[]): string {
  if (late.length === 0) return 'no push in this time';
  const sorted = [...late].sort((one, other) => one - other);
  const at = (percent: number): number => sorted[Math.ceil((percent / 100) * sorted.length) - 1] ?? 0;
  return `${late.length} pushes, p50 ${at(50)} ms, p99 ${at(99)} ms, latest ${at(100)} ms`;
}

/** Stores batches as a server did yesterday. */
async function fill(dir: string, { batches, rooms }: PruningOptions): Promise<void> {
  const fault = (error: unknown): never => {
    throw error;
  };
  const limits = { durability: 'relaxed', retainAge: 0, retainBytes: 0 } as const;
  const store = new LevelStore({ dir, ...limits, clock: YESTERDAY, onFault: fault, onNotice: fault });
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
