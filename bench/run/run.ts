/** Runs a scenario: starts or finds the server, connects the viewers, warms up, measures. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireOpenFiles } from '../load/open-files.ts';
import { isUnknown, type RunResult, type ScenarioResult, type Timing, type Unknown } from '../report/result.ts';
import { readComments } from './feed.ts';
import { measureStorm } from './join-storm.ts';
import { findScenario, type RunSettings, shapeOf } from './scenarios.ts';
import { type ChildServer, startVolley } from './server.ts';
import { readServer } from './server-stats.ts';
import {
  checkFrames,
  endLoads,
  Interrupted,
  NO_API,
  openLoad,
  openWindow,
  planFeed,
  planLoad,
  type RunContext,
  type RunProgress,
  RunWatch,
  type ServerTarget,
} from './window.ts';

/**
 * Runs once against the server that runs already, or once for each number of workers of the own server. Every server
 * that it starts has ended when it returns or throws.
 * @param signal aborts with the first Ctrl-C: what was measured until then is the result
 * @throws BenchError when a run fails; Interrupted when nothing was measured yet
 */
export async function runScenario(
  settings: RunSettings,
  signal: AbortSignal,
  progress: RunProgress,
): Promise<ScenarioResult> {
  const { comments, leftOut } = readComments(settings.comments);
  const shape = shapeOf(settings);
  const scenario = findScenario(settings.scenario);
  requireOpenFiles(settings.connections + shape.others, 'the bench');
  const runs: RunResult[] = [];
  for (const workers of settings.url === null ? settings.serverWorkers : [null]) {
    const watch = new RunWatch(signal);
    const label = workers === null ? 'the server' : `${workers} server worker${workers === 1 ? '' : 's'}`;
    const run = (target: ServerTarget): Promise<RunResult> => {
      const context = { target, label, settings, shape, comments, watch, progress };
      return scenario.name === 'join-storm' ? measureStorm(context) : measureRun(context);
    };
    progress.count(workers === null ? 'looking for the server' : `starting a server with ${label}`, 1);
    try {
      const result = await (workers === null ? onRunning(settings, watch, run) : onOwn(settings, workers, watch, run));
      const { warnings = [], notes = [] } = scenario.judge?.(result) ?? {};
      runs.push({ ...result, warnings: [...result.warnings, ...warnings], notes: [...result.notes, ...notes] });
    } catch (error) {
      if (!(error instanceof Interrupted) || runs.length === 0) throw error;
    }
    if (signal.aborted) break;
  }
  const notes = [...(scenario.describe?.(settings) ?? [])];
  if (leftOut > 0) notes.push(`${leftOut} entries of ${settings.comments} were left out: the server would refuse them`);
  return { runs, interrupted: signal.aborted, notes };
}

const LOCAL = /^(127\.|localhost$|\[::1\]$)/;

async function onRunning<T>(
  { url, apiUrl }: RunSettings,
  watch: RunWatch,
  run: (target: ServerTarget) => Promise<T>,
): Promise<T> {
  const viewerUrl = url ?? '';
  if (apiUrl !== null) await watch.await(readServer(apiUrl, null));
  const isLocal = LOCAL.test(new URL(viewerUrl).hostname);
  return run({ viewerUrl, apiUrl, pid: null, workers: null, isLocal, description: `${viewerUrl}, which ran already` });
}

/** Runs on a server of its own, which takes the `VOLLEY_…` variables of the bench. */
async function onOwn<T>(
  settings: RunSettings,
  workers: number,
  watch: RunWatch,
  run: (target: ServerTarget) => Promise<T>,
): Promise<T> {
  const { serverStore, interval, connections } = settings;
  const { serverArgs, others } = shapeOf(settings);
  const folder = serverStore === 'level' ? mkdtempSync(join(tmpdir(), 'volley-bench-')) : undefined;
  const store = folder === undefined ? 'memory' : `level:${folder}`;
  const flags = ['--workers', String(workers), '--store', store, '--interval', String(interval), ...serverArgs];
  const variables = Object.keys(process.env).filter((name) => name.startsWith('VOLLEY_'));
  const description = ['its own', flags.join(' '), ...variables.map((name) => `${name}=${process.env[name]}`)].join(
    ', ',
  );
  let child: ChildServer | undefined;
  try {
    const starting = startVolley(flags, "the bench's own server");
    const volley = await watch.await(starting, (late) => late.child.stop());
    child = volley.child;
    child.onGone = (why) => watch.fail(why);
    requireOpenFiles(connections + others, "the bench's own server", volley.pid);
    return await run({ ...volley, workers, isLocal: true, description });
  } finally {
    await child?.stop();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Connects all viewers, warms up, measures for the duration.
 * @throws BenchError when the server fails or nothing was measured; Interrupted on Ctrl-C before measuring
 */
async function measureRun(context: RunContext): Promise<RunResult> {
  const { target, label, settings, shape, watch, progress, comments } = context;
  const baseline = await readBaseline(context);
  const plan = planLoad(target.viewerUrl, settings, shape, comments);
  const load = await openLoad(plan, context, 'connecting');
  const feed = planFeed(context, plan, load.posted.bind(load));
  try {
    progress.wait('warming up', settings.warmup);
    await load.startSending();
    feed?.start();
    if (!(await watch.pause(settings.warmup * 1_000))) throw new Interrupted();
    const close = await watch.await(openWindow(target, load, feed));
    progress.wait('measuring', settings.duration);
    load.onSecond = ({ frames }) => progress.note(`${frames} frames in the last second`);
    const lasted = await watch.pause(settings.duration * 1_000);
    const found = await close();
    checkFrames(found.load, target.viewerUrl, !lasted);
    const timings: Timing[] = [
      { key: 'postToReceipt', title: 'post to receipt', histogram: found.load.latency },
      { key: 'firstToLast', title: 'first to last viewer', histogram: found.load.spread },
    ];
    if (shape.sending.kind !== 'none') timings.push({ key: 'ack', title: 'sent to ack', histogram: found.load.ack });
    if (shape.joins) timings.push({ key: 'connect', title: 'connect to welcome', histogram: found.load.connect });
    return {
      ...found,
      label,
      settings,
      shape,
      target,
      timings,
      sawAllFrames: true,
      connects: { count: settings.connections, seconds: load.connectSeconds },
      memory: growthOf(found.memory, baseline, settings.connections),
      warnings: [],
      notes: [],
    };
  } finally {
    await endLoads(feed, [load]);
  }
}

function growthOf(
  memory: { readonly to: number } | Unknown,
  before: number | Unknown,
  viewers: number,
): RunResult['memory'] {
  if (typeof before !== 'number') return before;
  return isUnknown(memory) ? memory : { before, after: memory.to, viewers };
}

const BASELINE_VIEWERS = 20;
const BASELINE_SECONDS = 2;

/**
 * Memory of a server, in bytes, that has pushed to a few viewers for a while but has none of the run yet: what it takes
 * to become warm is not the viewers'.
 */
async function readBaseline(context: RunContext): Promise<number | Unknown> {
  const { target, settings, watch, progress, comments } = context;
  if (target.apiUrl === null) return NO_API;
  if (settings.warmup === 0) return { unknown: 'with --warmup 0 the server was cold' };
  const few = { ...settings, connections: BASELINE_VIEWERS, senders: 0, rooms: 1, workers: 1 };
  const shape = { ...context.shape, sending: { kind: 'none' }, deaf: 0, churn: 0 } as const;
  const plan = planLoad(target.viewerUrl, few, shape, comments);
  const load = await openLoad(plan, context, 'warming the server');
  const feed = planFeed({ ...context, settings: few, shape }, plan, load.posted.bind(load));
  try {
    feed?.start();
    const seconds = Math.min(BASELINE_SECONDS, settings.warmup);
    progress.wait('warming the server', seconds);
    if (!(await watch.pause(seconds * 1_000))) throw new Interrupted();
  } finally {
    await endLoads(feed, [load]);
  }
  return (await readServer(target.apiUrl, target.pid)).memory;
}
