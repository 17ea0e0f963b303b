/** Runs a scenario: starts or finds the server, connects the viewers, warms up, measures. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Load } from '../load/load.ts';
import { requireOpenFiles } from '../load/open-files.ts';
import { addMaps, BUSY_THREAD, type LoadFigures } from '../load/results.ts';
import { BenchError } from '../options.ts';
import type { ProgressBar } from '../report/progress-bar.ts';
import { isUnknown, type RunResult, type ScenarioResult, type Timing, type Unknown } from '../report/result.ts';
import { readComments, readPostAnswer } from './feed.ts';
import { findScenario, HISTORY, type RunSettings, SEATED, shapeOf } from './scenarios.ts';
import { type ChildServer, startVolley } from './server.ts';
import { callApi, readServer } from './server-stats.ts';
import {
  checkFrames,
  endLoads,
  Interrupted,
  listCodes,
  NO_API,
  nameRooms,
  openLoad,
  openWindow,
  passTime,
  planFeed,
  planLoad,
  type RunContext,
  type RunWatch,
  type ServerTarget,
  type WindowFigures,
  watchRun,
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
  progress: ProgressBar,
): Promise<ScenarioResult> {
  const { comments, leftOut } = readComments(settings.comments);
  const shape = shapeOf(settings);
  const scenario = findScenario(settings.scenario);
  requireOpenFiles(settings.connections + shape.others, 'the bench');
  const runs: RunResult[] = [];
  for (const workers of settings.url === null ? settings.serverWorkers : [null]) {
    const watch = watchRun(signal);
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

type Run = (target: ServerTarget) => Promise<RunResult>;

async function onRunning({ url, apiUrl }: RunSettings, watch: RunWatch, run: Run): Promise<RunResult> {
  const viewerUrl = url ?? '';
  if (apiUrl !== null) await watch.await(readServer(apiUrl, null));
  const isLocal = LOCAL.test(new URL(viewerUrl).hostname);
  return run({ viewerUrl, apiUrl, pid: null, workers: null, isLocal, description: `${viewerUrl}, which ran already` });
}

const OWN = "the bench's own server";

/** Runs on a server of its own, which takes the `VOLLEY_…` variables of the bench. */
async function onOwn(settings: RunSettings, workers: number, watch: RunWatch, run: Run): Promise<RunResult> {
  const { serverStore, interval, connections } = settings;
  const { serverArgs, others } = shapeOf(settings);
  const folder = serverStore === 'level' ? mkdtempSync(join(tmpdir(), 'volley-bench-')) : undefined;
  const store = folder === undefined ? 'memory' : `level:${folder}`;
  const flags = ['--workers', String(workers), '--store', store, '--interval', String(interval), ...serverArgs];
  const names = Object.keys(process.env).filter((name) => name.startsWith('VOLLEY_'));
  const variables = names.map((name) => `${name}=${process.env[name]}`);
  let child: ChildServer | undefined;
  try {
    const volley = await watch.await(startVolley(flags, OWN), (late) => late.child.stop());
    child = volley.child;
    void child.ended.then((how) => watch.fail(new BenchError(`${OWN} ${how}`)));
    requireOpenFiles(connections + others, OWN, volley.pid);
    const description = ['its own', flags.join(' '), ...variables].join(', ');
    return await run({ ...volley, workers, isLocal: true, description });
  } finally {
    await child?.stop();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
}

/** Connects all viewers, warms up, measures. Throws BenchError; Interrupted on Ctrl-C before measuring. */
async function measureRun(context: RunContext): Promise<RunResult> {
  const { target, label, settings, shape, watch, progress } = context;
  const baseline = await readBaseline(context);
  const plan = planLoad(context);
  const load = await openLoad(plan, context, 'connecting');
  const feed = planFeed(context, plan, load.posted);
  try {
    await load.startSending();
    feed?.start();
    if (!(await passTime(context, 'warming up', settings.warmup))) throw new Interrupted();
    const close = await watch.await(openWindow(target, load, feed));
    load.onSecond = ({ frames }) => progress.note(`${frames} frames in the last second`);
    const lasted = await passTime(context, 'measuring', settings.duration);
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
      ...{ label, settings, shape, target, timings, sawAllFrames: true, warnings: [], notes: [] },
      connects: { count: settings.connections, seconds: load.connectSeconds },
      memory: growthOf(found.memory, baseline, settings.connections),
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

/** Memory in bytes of a server that has pushed to a few viewers: what it takes to become warm is not the viewers'. */
async function readBaseline(context: RunContext): Promise<number | Unknown> {
  const { apiUrl, pid } = context.target;
  const { warmup } = context.settings;
  if (apiUrl === null) return NO_API;
  if (warmup === 0) return { unknown: 'with --warmup 0 the server was cold' };
  const settings = { ...context.settings, connections: BASELINE_VIEWERS, senders: 0, rooms: 1, workers: 1 };
  const shape = { ...context.shape, sending: { kind: 'none' }, deaf: 0, churn: 0 } as const;
  const few = { ...context, settings, shape };
  const plan = planLoad(few);
  const load = await openLoad(plan, few, 'warming the server');
  const feed = planFeed(few, plan, load.posted);
  try {
    feed?.start();
    if (!(await passTime(few, 'warming the server', Math.min(BASELINE_SECONDS, warmup)))) throw new Interrupted();
  } finally {
    await endLoads(feed, [load]);
  }
  return (await readServer(apiUrl, pid)).memory;
}

/** All viewers join at the same moment, with history or what they missed, while seated viewers are measured. */
async function measureStorm(context: RunContext): Promise<RunResult> {
  const { target, settings, watch } = context;
  await postHistory(context);
  const plan = planLoad({ ...context, settings: { ...settings, connections: SEATED, workers: 1 } });
  const loads: Load[] = [];
  let measured: Load | undefined;
  const feed = planFeed(context, plan, (path, id, at) => measured?.posted(path, id, at));
  const measure = (load: Load): ReturnType<typeof openWindow> => {
    measured = load;
    return watch.await(openWindow(target, load, feed));
  };
  try {
    // Both crowds are there all the time, so that only the storm is different.
    for (const phase of ['seating', 'seating others']) loads.push(await openLoad(plan, context, phase));
    const [calm, shaken] = loads as [Load, Load];
    feed?.start();
    // What those who come back have missed must have been pushed by then.
    const warmup = Math.max(settings.warmup, settings.behind - settings.duration);
    if (!(await passTime(context, 'warming up', warmup))) throw new Interrupted();
    const endCalm = await measure(calm);
    if (!(await passTime(context, 'before the storm', settings.duration))) throw new Interrupted();
    const before = await endCalm();
    checkFrames(before.load, target.viewerUrl, false);
    const end = await measure(shaken);
    const startedAt = performance.now();
    const storm = await openStorm(context);
    loads.push(storm);
    await storm.begin();
    // At least a second, so that viewers who are up can also catch up.
    const lasted = await watch.pause(Math.max(1_000, settings.duration * 1_000 - (performance.now() - startedAt)));
    const joined = await storm.end();
    // Before anybody leaves: memory and CPU are those of a server that has them all.
    const during = await end([joined]);
    checkFrames(during.load, target.viewerUrl, !lasted);
    return describeStorm(context, before, during, joined, storm.connectSeconds);
  } finally {
    await endLoads(feed, loads);
  }
}

async function openStorm(context: RunContext): Promise<Load> {
  const plan = planLoad(context);
  const paths = await Promise.all(plan.paths.map((path) => findStart(path, context)));
  return openLoad({ ...plan, paths, atOnce: plan.connections }, context, 'joining');
}

async function findStart(path: string, { target, settings, watch }: RunContext): Promise<string> {
  const { behind, interval } = settings;
  if (behind === 0) return `${path}?history=${HISTORY}`;
  const { status, text } = await watch.await(callApi(`${target.apiUrl}${path}`));
  if (status !== 200) throw new BenchError(`the server answered ${status} when it was asked for the seq of ${path}`);
  const { seq } = JSON.parse(text) as { seq: number };
  // The room fires once an interval.
  return `${path}?since=${Math.max(0, seq - Math.round((behind * 1_000) / interval))}`;
}

function describeStorm(
  { target, label, settings, shape }: RunContext,
  before: WindowFigures,
  during: WindowFigures,
  joined: LoadFigures,
  connectSeconds: number,
): RunResult {
  const { connections } = settings;
  const { connect, caughtUp } = joined;
  const notes = ['memory a viewer is that of one who has just joined, sending of the history included'];
  const warnings: string[] = [];
  const busy = joined.connectCpu / settings.workers;
  const opening = `while everybody joined, each load thread used ${busy.toFixed(2)} of a core`;
  if (busy < BUSY_THREAD) notes.push(opening);
  else warnings.push(`${opening}: the load generator, not the server, was the limit of the storm`);
  if (caughtUp.totalCount < connections) {
    warnings.push(`${connections - caughtUp.totalCount} of those who joined had not caught up at the end`);
  }
  const { memory } = during;
  return {
    ...during,
    ...{ label, settings, shape, target, warnings, notes },
    timings: [
      { key: 'seatedBefore', title: 'post to receipt, seated, before', histogram: before.load.latency },
      { key: 'seatedDuring', title: 'post to receipt, seated, during', histogram: during.load.latency },
      { key: 'firstToLast', title: 'first to last seated viewer', histogram: during.load.spread },
      { key: 'connect', title: 'connect to welcome', histogram: connect },
      { key: 'caughtUp', title: 'connect to caught up', histogram: caughtUp },
    ],
    load: addFailures(during.load, joined),
    sawAllFrames: false,
    connects: { count: connections, seconds: connectSeconds },
    memory: isUnknown(memory) ? memory : { before: memory.from, after: memory.to, viewers: connections },
  };
}

function addFailures(seated: LoadFigures, joined: LoadFigures): LoadFigures {
  const counts = ['lost', 'skipped', 'outOfOrder', 'failedConnects', 'incomplete', 'starved'] as const;
  return {
    ...seated,
    ...Object.fromEntries(counts.map((count) => [count, seated[count] + joined[count]])),
    closed: addMaps([seated.closed, joined.closed]),
    faults: [...seated.faults, ...joined.faults],
    silentFor: Math.max(seated.silentFor, joined.silentFor),
  };
}

/** @throws BenchError when the server does not take the history */
async function postHistory({ target: { apiUrl }, settings, comments, watch }: RunContext): Promise<void> {
  const history = Array.from({ length: HISTORY }, (_, i) => comments[i % comments.length]);
  for (const room of nameRooms(settings.rooms)) {
    const url = `${apiUrl}/rooms/${room}/comments?wait=stored`;
    const { status, text } = await watch.await(callApi(url, history));
    const { accepted, refused } = readPostAnswer(status, text, HISTORY);
    if (accepted === HISTORY) continue;
    const codes = listCodes(refused);
    throw new BenchError(`the server took ${accepted} of ${HISTORY} comments of the history of ${room} (${codes})`);
  }
}
