import { BenchError } from '../bench-error.ts';
import type { Load } from '../load/load.ts';
import { BUSY_THREAD, type LoadFigures } from '../load/load-figures.ts';
import { callApi } from './api-call.ts';
import { checkAccepted, checkFrames } from './failure-check.ts';
import { openLoad, planFeed } from './load-opening.ts';
import { nameRooms, planLoad } from './load-planner.ts';
import { MeasuredWindow, type WindowFigures } from './measured-window.ts';
import { readPostAnswer } from './post-answer.ts';
import type { RunContext } from './run-context.ts';
import { isUnknown, type RunResult, type Timing } from './run-result.ts';
import { Interrupted } from './run-watch.ts';
import { plain, type Scenario } from './scenario.ts';
import type { ServerTarget } from './server-target.ts';

/** Viewers whose latency is measured before the storm, and so many others while it lasts. */
const SEATED = 200;

/** Comments that everybody who joins asks for. */
const HISTORY = 200;

/** All viewers join at the same moment, with history, while others are watching. */
export const joinStorm: Scenario = {
  ...plain,
  name: 'join-storm',
  summary: `all viewers join at the same moment with history=${HISTORY}, while ${SEATED} seated ones watch`,
  check: ({ senders, url, apiUrl, rate, interval, behind }) => {
    if (behind > 0 && rate * interval < 1_000) return '--behind wants a comment in every --interval';
    if (senders > 0) return 'its comments are posted over HTTP, so it cannot have --senders';
    if (url !== null && apiUrl === null) return 'it posts a history first, so it wants --api-url';
    return undefined;
  },
  shape: (settings) => ({ ...plain.shape(settings), others: 2 * SEATED, joins: true }),
  describe: ({ connections, duration, behind }) => [
    `of ${2 * SEATED} seated viewers half are measured for ${duration} s before and half for ${duration} s from the ` +
      'beginning of the storm; frames, comments and bytes are of the latter, loss is of them and of all who join',
    `${connections} viewers join ${behind > 0 ? `with what they missed in ${behind} s` : `with history=${HISTORY}`}`,
  ],
  measure: measureStorm,
};

async function measureStorm(target: ServerTarget, context: RunContext): Promise<RunResult> {
  const { settings, shape, comments, watch, progress } = context;
  await postHistory(target, context);
  const seatedContext = { ...context, settings: { ...settings, connections: SEATED, workers: 1 } };
  const plan = planLoad(target.viewerUrl, seatedContext.settings, shape, comments);
  const loads: Load[] = [];
  let measured: Load | undefined;
  const feed = planFeed(target, seatedContext, plan, (path, id, at) => measured?.posted(path, id, at));
  try {
    // A load is measured once. Both are there all the time, so that only the storm is different.
    for (const phase of ['seating', 'seating others']) loads.push(await openLoad(plan, context, phase));
    const [calm, shaken] = loads as [Load, Load];
    feed?.start();
    // What those who come back have missed must have been pushed by then.
    const early = Math.max(settings.warmup, settings.behind - settings.duration);
    progress.wait('warming up', early);
    if (!(await watch.pause(early * 1_000))) throw new Interrupted();
    measured = calm;
    const calmWindow = await watch.await(MeasuredWindow.open(target, calm, feed));
    progress.wait('before the storm', settings.duration);
    if (!(await watch.pause(settings.duration * 1_000))) throw new Interrupted();
    const before = await calmWindow.close();
    checkAccepted(before);
    checkFrames(before.load, target.viewerUrl, false);
    measured = shaken;
    const window = await watch.await(MeasuredWindow.open(target, shaken, feed));
    const joined = await openStorm(target, context);
    loads.push(joined.load);
    const storm = await runStorm(joined, context);
    // Before anybody leaves: memory and CPU are those of a server that has them all.
    const during = await window.close([storm.figures]);
    checkAccepted(during);
    checkFrames(during.load, target.viewerUrl, storm.interrupted);
    return makeResult(target, context, { before, during, storm });
  } finally {
    feed?.stop();
    for (const load of loads) load.onGone = undefined;
    await Promise.all(loads.map((load) => load.stop()));
  }
}

interface Storm {
  readonly figures: LoadFigures;
  readonly connectSeconds: number;
  readonly interrupted: boolean;
}

/** Opens everybody at once. */
async function openStorm(target: ServerTarget, context: RunContext): Promise<{ load: Load; startedAt: number }> {
  const { settings, shape, comments } = context;
  const plan = planLoad(target.viewerUrl, settings, shape, comments);
  const paths = await Promise.all(plan.paths.map((path) => findStart(target, path, context)));
  const startedAt = performance.now();
  const load = await openLoad({ ...plan, paths, atOnce: plan.connections }, context, 'joining');
  return { load, startedAt };
}

/** The path of a room with where those who join begin. */
async function findStart({ apiUrl }: ServerTarget, path: string, { settings, watch }: RunContext): Promise<string> {
  const { behind, interval } = settings;
  if (behind === 0) return `${path}?history=${HISTORY}`;
  const { status, text } = await watch.await(callApi(`${apiUrl}${path}`));
  if (status !== 200) throw new BenchError(`the server answered ${status} when it was asked for the seq of ${path}`);
  const { seq } = JSON.parse(text) as { seq: number };
  // The room fires once an interval.
  return `${path}?since=${Math.max(0, seq - Math.round((behind * 1_000) / interval))}`;
}

/** Stays for the rest of the duration. */
async function runStorm(
  { load, startedAt }: { load: Load; startedAt: number },
  { settings, watch }: RunContext,
): Promise<Storm> {
  await load.begin();
  const rest = settings.duration * 1_000 - (performance.now() - startedAt);
  // At least a second, so that who is up can also catch up.
  const lasted = await watch.pause(Math.max(1_000, rest));
  return { figures: await load.end(), connectSeconds: load.connectSeconds, interrupted: !lasted };
}

function makeResult(
  target: ServerTarget,
  { label, settings, shape }: RunContext,
  { before, during, storm }: { before: WindowFigures; during: WindowFigures; storm: Storm },
): RunResult {
  const { connections } = settings;
  const { connect, caughtUp } = storm.figures;
  const timings: Timing[] = [
    { key: 'seatedBefore', title: 'post to receipt, seated, before', histogram: before.load.latency },
    { key: 'seatedDuring', title: 'post to receipt, seated, during', histogram: during.load.latency },
    { key: 'firstToLast', title: 'first to last seated viewer', histogram: during.load.spread },
    { key: 'connect', title: 'connect to welcome', histogram: connect },
    { key: 'caughtUp', title: 'connect to caught up', histogram: caughtUp },
  ];
  const notes = ['memory a viewer is that of one who has just joined, sending of the history included'];
  const warnings: string[] = [];
  const busy = storm.figures.connectCpu / settings.workers;
  const opening = `while everybody joined, each load thread used ${busy.toFixed(2)} of a core`;
  if (busy < BUSY_THREAD) notes.push(opening);
  else warnings.push(`${opening}: the load generator, not the server, was the limit of the storm`);
  if (caughtUp.totalCount < connections) {
    warnings.push(`${connections - caughtUp.totalCount} of those who joined had not caught up at the end`);
  }
  return {
    label,
    settings,
    shape,
    serverWorkers: target.workers,
    serverIsLocal: target.isLocal,
    serverDescription: target.description,
    interrupted: storm.interrupted,
    timings,
    load: addFailures(during.load, storm.figures),
    sawAllFrames: false,
    connects: { count: connections, seconds: storm.connectSeconds },
    feed: during.feed,
    server: during.server,
    memory: isUnknown(during.memory)
      ? during.memory
      : { before: during.memory.from, after: during.memory.to, viewers: connections },
    generator: during.generator,
    warnings,
    notes,
  };
}

/** The figures of the seated, with what went wrong with those who joined. */
function addFailures(seated: LoadFigures, joined: LoadFigures): LoadFigures {
  const closed = new Map(seated.closed);
  for (const [code, count] of joined.closed) closed.set(code, (closed.get(code) ?? 0) + count);
  return {
    ...seated,
    closed,
    faults: [...seated.faults, ...joined.faults],
    lost: seated.lost + joined.lost,
    skipped: seated.skipped + joined.skipped,
    outOfOrder: seated.outOfOrder + joined.outOfOrder,
    failedConnects: seated.failedConnects + joined.failedConnects,
    incomplete: seated.incomplete + joined.incomplete,
    starved: seated.starved + joined.starved,
    silentFor: Math.max(seated.silentFor, joined.silentFor),
  };
}

/**
 * Gives every room a history.
 * @throws BenchError when the server does not take it
 */
async function postHistory({ apiUrl }: ServerTarget, { settings, comments, watch }: RunContext): Promise<void> {
  const history = Array.from({ length: HISTORY }, (_, i) => comments[i % comments.length]);
  for (const room of nameRooms(settings.rooms)) {
    const url = `${apiUrl}/rooms/${room}/comments?wait=stored`;
    const { status, text } = await watch.await(callApi(url, history));
    const { accepted, refused } = readPostAnswer(status, text, HISTORY);
    if (accepted === HISTORY) continue;
    const codes = [...refused].map(([code, count]) => `${code} ${count}`).join(', ');
    throw new BenchError(`the server took ${accepted} of ${HISTORY} comments of the history of ${room} (${codes})`);
  }
}
