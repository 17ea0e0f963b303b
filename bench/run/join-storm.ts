/** All viewers join at the same moment, with history or what they missed, while seated viewers are measured. */
import { BenchError } from '../bench-error.ts';
import type { Load } from '../load/load.ts';
import { addMaps, BUSY_THREAD, type LoadFigures } from '../load/results.ts';
import { isUnknown, type RunResult } from '../report/result.ts';
import { readPostAnswer } from './feed.ts';
import { HISTORY, SEATED } from './scenarios.ts';
import { callApi } from './server-stats.ts';
import {
  checkFrames,
  endLoads,
  Interrupted,
  listCodes,
  nameRooms,
  openLoad,
  openWindow,
  passTime,
  planFeed,
  planLoad,
  type RunContext,
  type WindowFigures,
} from './window.ts';

/** @throws BenchError when the server fails or nothing was measured; Interrupted on Ctrl-C before the storm */
export async function measureStorm(context: RunContext): Promise<RunResult> {
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
    return makeResult(context, before, during, joined, storm.connectSeconds);
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

function makeResult(
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
