/** What the runs of all scenarios are made of: what ends them early, their load and feed, and a span that is measured. */
import { setMaxListeners } from 'node:events';
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RecordedComment } from '../../scripts/bilibili-xml.ts';
import { CODECS, SUBPROTOCOLS } from '../../src/frames/codec.ts';
import { threadCpuSeconds } from '../../src/thread-stats.ts';
import { type Load, startLoad } from '../load/load.ts';
import { type LoadPlan, Seats } from '../load/plan.ts';
import type { LoadFigures } from '../load/results.ts';
import { benchNow } from '../load/tally.ts';
import { BenchError } from '../options.ts';
import type { ProgressBar } from '../report/progress-bar.ts';
import { isUnknown, type Unknown } from '../report/result.ts';
import { chooseGap, type Feed, type FeedFigures, MOST_WAITING, makeFeed, randomSchedule } from './feed.ts';
import type { RunSettings, Shape } from './scenarios.ts';
import { compareReadings, readServer, type ServerFigures } from './server-stats.ts';

/** Ctrl-C came before anything was measured. */
export class Interrupted extends Error {
  override name = 'Interrupted';
}

export type RunWatch = ReturnType<typeof watchRun>;

/** What can end a run before its time: Ctrl-C, and a failure that is noticed beside it. */
export function watchRun(signal: AbortSignal) {
  // One signal is watched by every run of a comparison.
  setMaxListeners(0, signal);
  let fail: (failure: BenchError) => void = () => undefined;
  const ended = new Promise<void>((resolve, reject) => {
    fail = reject;
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
  // A failure may come while nothing waits; the next to wait gets it.
  ended.catch(() => undefined);
  return {
    /** Everything that waits, or will wait, rejects with this. Only the first failure counts. */
    fail,

    /** Waits; returns false when it was interrupted before. Throws what `fail` was told. */
    async pause(ms: number): Promise<boolean> {
      const over = new AbortController();
      try {
        return await Promise.race([ended.then(() => false), sleep(ms, true, over)]);
      } finally {
        over.abort();
      }
    },

    /** Waits for `work`, or throws Interrupted or what `fail` was told; `undo` then clears up what it comes to. */
    async await<T>(work: Promise<T>, undo: (result: T) => unknown = () => undefined): Promise<T> {
      const interrupted = ended.then((): never => {
        throw new Interrupted();
      });
      try {
        return await Promise.race([interrupted, work]);
      } catch (error) {
        work.then(undo).catch(() => undefined);
        throw error;
      }
    },
  };
}

/** The server that is measured. */
export interface ServerTarget {
  readonly viewerUrl: string;
  readonly apiUrl: string | null;
  /** Null where the process is not the bench's own child. */
  readonly pid: number | null;
  /** Worker threads of the own server; null for a server that ran already. */
  readonly workers: number | null;
  readonly isLocal: boolean;
  readonly description: string;
}

export interface RunContext {
  readonly target: ServerTarget;
  readonly label: string;
  readonly settings: RunSettings;
  readonly shape: Shape;
  readonly comments: readonly RecordedComment[];
  readonly watch: RunWatch;
  readonly progress: ProgressBar;
}

/** Shows a phase of so many seconds and waits for its end; returns false when it was interrupted. */
export function passTime({ watch, progress }: RunContext, phase: string, seconds: number): Promise<boolean> {
  progress.wait(phase, seconds);
  return watch.pause(seconds * 1_000);
}

export function nameRooms(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `bench-${i}`);
}

/** Viewers that decode all they get: enough for percentiles, few enough to cost little. */
const SAMPLED = 50;
const LEAST_STEP = 10;

export function planLoad({ target, settings, shape, comments }: Omit<RunContext, 'watch' | 'progress'>): LoadPlan {
  const { connections, rooms, workers, codec, senders } = settings;
  return {
    url: target.viewerUrl,
    paths: nameRooms(rooms).map((room) => `/rooms/${room}`),
    subprotocol: SUBPROTOCOLS[CODECS.indexOf(codec)] ?? '',
    protocol: 'volley',
    threads: Math.min(workers, connections),
    ...{ connections, senders, sending: shape.sending, deaf: shape.deaf, churn: shape.churn },
    comments: comments.map(({ text, mode, color, size }) => ({ text, mode, color, size })),
    sampleEvery: Math.max(LEAST_STEP, Math.ceil(connections / SAMPLED)),
  };
}

/**
 * The rooms, by index, whose posts wait for the store: those with a sampled viewer, as many as keep the posts that wait
 * below {@link MOST_WAITING}, those with the most sampled viewers first.
 * @param interval ms that a post waits at most
 * @param gap ms between two posts to a room
 * @param rate comments a second in each room
 */
export function chooseTimedRooms(plan: LoadPlan, interval: number, gap: number, rate: number): Set<number> {
  const waiting = 1 + Math.ceil(interval / Math.max(gap, 1_000 / rate));
  const most = Math.max(1, Math.floor(MOST_WAITING / waiting));
  const counts = new Seats(plan).countByRoom(({ sampled }) => sampled);
  const rooms = [...counts.keys()].filter((room) => (counts[room] ?? 0) > 0);
  rooms.sort((one, other) => (counts[other] ?? 0) - (counts[one] ?? 0));
  return new Set(rooms.slice(0, most));
}

/** Opens the connections of `plan`; from then on the run ends when the server is gone. */
export async function openLoad(plan: LoadPlan, { watch, progress }: RunContext, phase: string): Promise<Load> {
  progress.count(phase, plan.connections);
  const load = await watch.await(startLoad(plan, progress.advance), (late) => late.stop());
  void load.gone.then(watch.fail);
  return load;
}

export async function endLoads(feed: Feed | null, loads: readonly Load[]): Promise<void> {
  feed?.stop();
  await Promise.all(loads.map((load) => load.stop()));
}

/** A feed for the rooms of `plan` that tells each timed comment; null where viewers send, or without an API. */
export function planFeed({ target, settings, shape, comments }: RunContext, plan: LoadPlan, tell: Load['posted']) {
  const { apiUrl } = target;
  if (shape.sending.kind !== 'none' || apiUrl === null) return null;
  const rooms = nameRooms(settings.rooms);
  const { rate, interval } = settings;
  const gap = chooseGap(settings);
  return makeFeed({
    ...{ apiUrl, rooms, comments, schedule: randomSchedule(rooms.length, rate, gap) },
    timed: chooseTimedRooms(plan, interval, gap, rate),
    onPosted: (room, id, at) => tell(`/rooms/${rooms[room]}`, id, at),
  });
}

/** Why a server without `--api-url` has no figures. */
export const NO_API: Unknown = { unknown: 'no --api-url was given' };

/** What was measured between the opening and the closing of a window. */
export interface WindowFigures {
  readonly load: LoadFigures;
  readonly feed: FeedFigures | null;
  readonly server: ServerFigures | Unknown;
  readonly memory: { readonly from: number; readonly to: number } | Unknown;
  readonly generator: ReturnType<ReturnType<typeof measureGenerator>>;
}

/** Measures load, feed, server and generator together until the returned function is called. */
export async function openWindow({ apiUrl, pid }: ServerTarget, load: Load, feed: Feed | null) {
  const read = () => (apiUrl === null ? null : readServer(apiUrl, pid));
  await load.begin();
  feed?.begin();
  const from = await read();
  const readGenerator = measureGenerator();
  return async (others: readonly LoadFigures[] = []): Promise<WindowFigures> => {
    const to = await read();
    const measured = await load.end();
    const isKnown = from !== null && to !== null;
    const figures: WindowFigures = {
      load: measured,
      feed: feed?.read() ?? null,
      generator: readGenerator([measured, ...others]),
      server: isKnown ? compareReadings(from, to) : NO_API,
      memory: isKnown ? { from: from.memory, to: to.memory } : NO_API,
    };
    checkAccepted(figures);
    return figures;
  };
}

function measureGenerator() {
  const at = benchNow();
  const own = threadCpuSeconds();
  const before = process.cpuUsage();
  const machine = readMachine();
  return (loads: readonly LoadFigures[]) => {
    const seconds = (benchNow() - at) / 1_000;
    const { busy, total, cores } = readMachine();
    const passed = total - machine.total;
    const { user, system } = process.cpuUsage(before);
    return {
      cpuCores: (user + system) / 1e6 / seconds,
      threadsCores: loads.reduce((sum, { cpu }) => sum + cpu, 0),
      busiestThreadCores: Math.max(...loads.map(({ busiest }) => busiest)),
      worstLoopDelayMs: Math.max(...loads.map(({ worstDelay }) => worstDelay)),
      mainThreadCores: (threadCpuSeconds() - own) / seconds,
      machineBusyCores: passed > 0 ? ((busy - machine.busy) / passed) * cores : 0,
      machineCores: cores,
    };
  };
}

function readMachine(): { busy: number; total: number; cores: number } {
  const times = cpus().map((core) => core.times);
  const busy = times.reduce((sum, { user, nice, sys, irq }) => sum + user + nice + sys + irq, 0);
  return { busy, total: times.reduce((sum, { idle }) => sum + idle, busy), cores: times.length };
}

/** Throws where no frame came: Interrupted where Ctrl-C left no time, else BenchError. */
export function checkFrames({ frames, seconds }: LoadFigures, url: string, interrupted: boolean): void {
  if (frames > 0) return;
  if (interrupted) throw new Interrupted();
  throw new BenchError(`no frame came from ${url} in ${seconds.toFixed(1)} s, so nothing was measured`);
}

/** A window whose comments were all refused has measured nothing, even if frames came of what was posted before. */
function checkAccepted({ load, feed, server }: WindowFigures): void {
  // Posts that wait for the store have no answer yet, but the server has counted their comments.
  const accepted = Math.max(feed?.accepted ?? load.acked, isUnknown(server) ? 0 : server.accepted);
  const refused = feed?.refused ?? load.refused;
  if (accepted > 0 || refused.size === 0) return;
  throw new BenchError(`all comments were refused (${listCodes(refused)}), so nothing was measured`);
}

export function listCodes(counts: ReadonlyMap<string | number, number>): string {
  return [...counts].map(([code, count]) => `${code} ${count}`).join(', ');
}
