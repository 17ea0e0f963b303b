/** What frames and viewers cost a server: CPU a frame, CPU of the main thread, memory a viewer. */
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { compiledFile } from '../../src/compiled-file.ts';
import { SUBPROTOCOLS } from '../../src/frames/codec.ts';
import { type Load, startLoad } from '../load/load.ts';
import { type LoadPlan, READING } from '../load/plan.ts';
import { CASES, countPushes, makeWorkshop } from '../peers/cases.ts';
import { compareTurns, findRemarks } from '../peers/comparison.ts';
import { FLOOR, VOLLEY } from '../peers/contenders.ts';
import { duel } from '../peers/duel.ts';
import { describeSpread } from '../report/text.ts';
import { startSteadyFeed } from '../run/feed.ts';
import { startVolley, type Volley } from '../run/server.ts';
import { fetchMetrics, readMemory } from '../run/server-stats.ts';

type Print = (line: string) => void;

type PushCostOptions = Record<'viewers' | 'comments' | 'interval' | 'seconds' | 'warmup' | 'turns', number>;

/** V8 compiles volley's code in so many ms before it is measured. */
const COMPILE_MS = 4_000;

/** Server CPU a delivered frame, against the least that a host could do, in windows that alternate. */
export async function measurePushCost(options: PushCostOptions, print: Print): Promise<void> {
  const { viewers, comments, interval, seconds } = options;
  const workshop = makeWorkshop();
  try {
    const prepared = await FLOOR.prepare(workshop);
    if ('missing' in prepared) {
      print(`left out: ${prepared.missing}`);
      return;
    }
    const peerCase = { ...CASES.small, comments, every: interval };
    const pushes = countPushes(peerCase, seconds);
    const { signal } = new AbortController();
    const order = { ...options, peerCase, viewers, pushes, workshop, signal, warmUpMs: COMPILE_MS };
    const [ours = [], floor = []] = await duel([VOLLEY, FLOOR], { ...order, onTurn: () => undefined });
    const ratios = ours.map(({ cpu }, i) => cpu / (floor[i]?.cpu ?? Number.NaN));
    for (const [i, { cpu, bytesPerFrame }] of ours.entries()) {
      const bytes = `${Math.round(bytesPerFrame)} bytes`;
      const ratio = `floor ${floor[i]?.cpu.toFixed(2)} µs, ratio ${ratios[i]?.toFixed(2)}`;
      print(`turn ${i + 1}: volley ${cpu.toFixed(2)} µs a frame of ${bytes}, ${ratio}`);
    }
    const result = { peerCase, viewers, duels: new Map([['floor', { ours, theirs: floor }]]) };
    const pooled = compareTurns(result)[1]?.ratio?.pooled;
    print(`server CPU a delivered frame against the floor: ${describeSpread(ratios, 2, pooled)}`);
    for (const remark of findRemarks(result)) print(remark);
  } finally {
    workshop.remove();
  }
}

/** Opens viewers that only read; those that are not sampled count frames. */
export function openViewers(url: string, rooms: readonly string[], plan: Partial<LoadPlan>): Promise<Load> {
  const paths = rooms.map((room) => `/rooms/${room}`);
  const defaults = { subprotocol: SUBPROTOCOLS[1], protocol: 'volley', connections: 1, counted: true } as const;
  return startLoad({ ...READING, ...defaults, sampleEvery: 1_000, url, paths, ...plan });
}

/** A server that pushes `comments` comments each `every` ms to `viewers` viewers of one room, while `run` runs. */
async function withCrowd<T>(
  { viewers, comments, every }: { viewers: number; comments: number; every: number },
  run: (volley: Volley) => Promise<T>,
  env = process.env,
): Promise<T> {
  const volley = await startVolley(['--workers', '1', '--interval', String(every)], 'volley', env);
  const feed = startSteadyFeed(volley.apiUrl, ['r'], comments, every);
  try {
    const load = await openViewers(volley.viewerUrl, ['r'], { connections: viewers });
    const result = await run(volley);
    await load.stop();
    return result;
  } finally {
    feed.stop();
    await volley.child.stop();
  }
}

type MainThreadOptions = Record<'few' | 'many' | 'comments' | 'seconds' | 'turns', number>;

/** What main does for a push, whatever the number of viewers: these must not depend on it. */
const COUNTERS = ['messages_total', 'frames_encoded_total', 'ring_bytes_total', 'pushes_total'];

/** Comments differ in length, so bytes a push do by this much. */
const UNEVEN = 0.1;

/** Where the seconds of a run begin and end moves so many pushes in or out of it. */
const EDGE = 2;

/** CPU of the main thread with many viewers against few, same comments; and that its counters do not grow. */
export async function measureMainThread(options: MainThreadOptions, print: Print): Promise<void> {
  const { turns, seconds, few, many } = options;
  const more: number[] = [];
  for (let turn = 1; turn <= turns; turn += 1) {
    const [least, most] = [await readMain(options, few), await readMain(options, many)];
    more.push(most.cpu - least.cpu);
    const cores = `${least.cpu.toFixed(4)} cores with ${few} viewers, ${most.cpu.toFixed(4)} with ${many}`;
    print(`turn ${turn}: main thread ${cores}`);
    const pushes = (least.counts.at(-1) ?? 0) * seconds;
    for (const [i, name] of COUNTERS.entries()) {
      const [one = 0, other = 0] = [least.counts[i], most.counts[i]];
      print(`  volley_${name} a second: ${one.toFixed(1)} and ${other.toFixed(1)}`);
      if (other > one * (1 + UNEVEN + EDGE / pushes)) throw new Error(`volley_${name} grows with the viewers`);
    }
  }
  print(`main thread, ${many} viewers over ${few}: ${describeSpread(more, 4)} cores more`);
}

function readMain({ comments, seconds }: MainThreadOptions, viewers: number) {
  return withCrowd({ viewers, comments, every: 1_000 }, async ({ apiUrl }) => {
    const gather = async () => {
      const page = await fetchMetrics(apiUrl);
      const cpu = page.sum('volley_thread_cpu_seconds_total', 'thread', 'main');
      return [performance.now() / 1_000, cpu, ...COUNTERS.map((name) => page.sum(`volley_${name}`))];
    };
    await sleep(5_000);
    const from = await gather();
    await sleep(seconds * 1_000);
    const [elapsed = 0, ...grown] = (await gather()).map((value, i) => value - (from[i] ?? 0));
    const [cpu = 0, ...counts] = grown.map((value) => value / elapsed);
    return { cpu, counts };
  });
}

type ViewerMemoryOptions = Record<'viewers' | 'comments' | 'seconds' | 'turns', number>;

/**
 * Memory a viewer: what a server with all viewers holds, less what another of the same age and with the same pushes
 * holds with a hundred. One server before and after would not do: what its start left to the garbage collector goes back
 * to the system at a time of V8's choosing. For the same reason both collect garbage each second.
 */
export async function measureViewerMemory(options: ViewerMemoryOptions, print: Print): Promise<void> {
  const { viewers, turns } = options;
  const figures: number[] = [];
  const few = Math.min(100, viewers / 2);
  for (let turn = 1; turn <= turns; turn += 1) {
    const { held: large, age } = await holdViewers(options, viewers);
    const { held: small } = await holdViewers(options, few, age);
    const each = (large - small) / (viewers - few) / 1_024;
    figures.push(each);
    const [less, more] = [small, large].map((bytes) => `${(bytes / 1e6).toFixed(1)} MB`);
    print(`turn ${turn}: ${less} with ${few} viewers, ${more} with ${viewers}, ${each.toFixed(2)} KB a viewer`);
  }
  print(`memory a viewer, ${viewers} viewers: ${describeSpread(figures)} KB`);
}

/** A server's memory in bytes when it has pushed to `viewers` for a while, at least until it is of an age in ms. */
function holdViewers({ comments, seconds }: ViewerMemoryOptions, viewers: number, until = 0) {
  const collector = pathToFileURL(compiledFile('bench/measure/garbage-collector.js')).href;
  const env = { ...process.env, NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import ${collector}` };
  const startedAt = performance.now();
  const hold = async ({ pid }: Volley) => {
    await sleep(Math.max(seconds * 1_000, until - (performance.now() - startedAt)));
    return { age: performance.now() - startedAt, held: readMemory(pid) };
  };
  return withCrowd({ viewers, comments, every: 200 }, hold, env);
}
