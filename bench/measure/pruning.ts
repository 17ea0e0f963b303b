import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { type Clock, systemClock } from '../../src/clock.ts';
import { encodeBatch } from '../../src/frames/batch.ts';
import { LevelStore } from '../../src/store/store-level.ts';
import { takeRank } from '../report/text.ts';
import { startSteadyFeed } from '../run/feed.ts';
import { startVolley, type Volley } from '../run/server.ts';
import { fetchMetrics } from '../run/server-stats.ts';

/** `batches` too old when the server starts, of 20 comments each; `seconds` measured when none is left. */
type PruningOptions = Record<'batches' | 'rooms' | 'seconds', number>;

const COMMENTS = 20;
const INTERVAL_MS = 50;
const DAY_MS = 86_400_000;
const DEADLINE_MS = 120_000;
const APPENDED_AT_ONCE = 100;
const ROOM = 'watched';

const YESTERDAY: Clock = { ...systemClock, unix: () => systemClock.unix() - DAY_MS };

/** How late pushes come while the server drops everything that is a day old, and afterwards; from a first comment. */
export async function measurePruning(options: PruningOptions, print: (line: string) => void): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'volley-pruning-'));
  let volley: Volley | undefined;
  try {
    await fill(dir, options);
    const flags = ['--workers', '1', '--interval', String(INTERVAL_MS), '--store', `level:${dir}`];
    volley = await startVolley([...flags, '--retain-age', '3600']);
    await watchPruning(volley, options, print);
  } finally {
    await volley?.child.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function watchPruning({ viewerUrl, apiUrl }: Volley, options: PruningOptions, print: (line: string) => void) {
  const { batches, seconds } = options;
  const startedAt = performance.now();
  const late: number[] = [];
  // Not a load: it would start only when much of the pruning is over.
  const viewer = new WebSocket(`${viewerUrl}/rooms/${ROOM}`);
  viewer.on('message', (data: Buffer) => {
    const message = JSON.parse(data.toString()) as { type: string; at: number };
    if (message.type === 'batch') late.push(Math.max(0, Date.now() - message.at));
  });
  await once(viewer, 'open');
  const feed = startSteadyFeed(apiUrl, [ROOM], COMMENTS, 2 * INTERVAL_MS);
  while ((await fetchMetrics(apiUrl)).sum('volley_store_pruned_batches_total') < batches) {
    const isLate = performance.now() > startedAt + DEADLINE_MS;
    if (isLate) throw new Error(`old batches were not dropped in ${DEADLINE_MS / 1_000} s`);
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

function describe(late: readonly number[]): string {
  const [half, most, all] = [50, 99, 100].map((percent) => takeRank(late, percent));
  if (all === undefined || all === null) return 'no push in this time';
  return `${late.length} pushes, p50 ${half} ms, p99 ${most} ms, latest ${all} ms`;
}

async function fill(dir: string, { batches, rooms }: PruningOptions): Promise<void> {
  const fault = (error: unknown): never => {
    throw error;
  };
  const limits = { durability: 'relaxed', retainAge: 0, retainBytes: 0 } as const;
  const store = new LevelStore({ dir, ...limits, clock: YESTERDAY, onFault: fault, onNotice: fault });
  await store.start({ tail: () => undefined, recalled: () => undefined, state: () => undefined });
  for (let i = 0; i < rooms; i += 1) await store.follow(`old-${i}`);
  const draft = { text: 'yesterday', mode: 0, color: 0xffffff, size: 25, user: '', name: '', extra: '' };
  const batch = encodeBatch(new Array(COMMENTS).fill({ ...draft, at: YESTERDAY.unix() }));
  for (let i = 0; i < batches; i += APPENDED_AT_ONCE) {
    const count = Math.min(APPENDED_AT_ONCE, batches - i);
    await Promise.all(Array.from({ length: count }, (_, k) => store.append(`old-${(i + k) % rooms}`, batch)));
  }
  await store.close();
}
