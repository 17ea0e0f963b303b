/** What frames and viewers cost a server: CPU a frame, CPU of the main thread, memory a viewer. */
import { pathToFileURL } from 'node:url';
import { compiledFile } from '../../src/compiled-file.ts';
import { CASES, countPushes, Workshop } from '../peers/cases.ts';
import { compareTurns, findRemarks } from '../peers/command.ts';
import { FLOOR, VOLLEY } from '../peers/contenders.ts';
import { duel } from '../peers/duel.ts';
import { describeSpread } from '../report/text.ts';
import { Feed } from '../run/feed.ts';
import { startVolley } from '../run/server.ts';
import { MetricsPage, readMemory } from '../run/server-stats.ts';
import { openViewers, sleep } from './idle-load.ts';

type Print = (line: string) => void;

type PushCostOptions = Record<'viewers' | 'comments' | 'interval' | 'seconds' | 'warmup' | 'turns', number>;

/** V8 compiles volley's code in so many ms before it is measured. */
const COMPILE_MS = 4_000;

/** Server CPU a delivered frame, against the least that a host could do, in windows that alternate. */
export async function measurePushCost(options: PushCostOptions, print: Print): Promise<void> {
  const { viewers, comments, interval, seconds } = options;
  const workshop = new Workshop();
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

type MainThreadOptions = Record<'few' | 'many' | 'comments' | 'seconds' | 'turns', number>;

/** What main does for a push, whatever the number of viewers: these must not depend on it. */
const COUNTERS = [
  'volley_messages_total',
  'volley_frames_encoded_total',
  'volley_ring_bytes_total',
  // Last: what the others are held against.
  'volley_pushes_total',
] as const;

/** Comments differ in length, so bytes a push do by this much. */
const UNEVEN = 0.1;

/** Where the seconds of a run begin and end moves so many pushes in or out of it. */
const EDGE = 2;

/** CPU of the main thread with many viewers against few, same comments; and that its counters do not grow. */
export async function measureMainThread(options: MainThreadOptions, print: Print): Promise<void> {
  const more: number[] = [];
  for (let turn = 1; turn <= options.turns; turn += 1) {
    const few = await readMain(options, options.few);
    const many = await readMain(options, options.many);
    more.push(many.cpu - few.cpu);
    print(
      `turn ${turn}: main thread ${few.cpu.toFixed(4)} cores with ${options.few} viewers, ${many.cpu.toFixed(4)} with ${options.many}`,
    );
    const pushes = (few.counts.at(-1) ?? 0) * options.seconds;
    for (const [i, name] of COUNTERS.entries()) {
      const [one = 0, other = 0] = [few.counts[i], many.counts[i]];
      print(`  ${name} a second: ${one.toFixed(1)} and ${other.toFixed(1)}`);
      if (other > one * (1 + UNEVEN + EDGE / pushes)) throw new Error(`${name} grows with the viewers`);
    }
  }
  print(`main thread, ${options.many} viewers over ${options.few}: ${describeSpread(more, 4)} cores more`);
}

async function readMain({ comments, seconds }: MainThreadOptions, viewers: number) {
  const { child, viewerUrl, apiUrl } = await startVolley(['--workers', '1']);
  const load = await openViewers(viewerUrl, ['r'], { connections: viewers });
  const feed = Feed.steady(apiUrl, ['r'], comments, 1_000);
  const gather = async () => {
    const page = await MetricsPage.fetch(apiUrl);
    const cpu = page.sum('volley_thread_cpu_seconds_total', 'thread', 'main');
    return [performance.now() / 1_000, cpu, ...COUNTERS.map((name) => page.sum(name))];
  };
  await sleep(5_000);
  const from = await gather();
  await sleep(seconds * 1_000);
  const to = await gather();
  feed.stop();
  await load.stop();
  await child.stop();
  const [elapsed = 0, ...grown] = to.map((value, i) => value - (from[i] ?? 0));
  const [cpu = 0, ...counts] = grown.map((value) => value / elapsed);
  return { cpu, counts };
}

type ViewerMemoryOptions = Record<'viewers' | 'comments' | 'seconds' | 'turns', number>;

/**
 * Memory a viewer: what a server with all viewers holds, less what another of the same age and with the same pushes
 * holds with a hundred. One server before and after would not do: what its start left to the garbage collector goes back
 * to the system at a time of V8's choosing. For the same reason both collect garbage each second.
 */
export async function measureViewerMemory(options: ViewerMemoryOptions, print: Print): Promise<void> {
  const figures: number[] = [];
  const few = Math.min(100, options.viewers / 2);
  for (let turn = 1; turn <= options.turns; turn += 1) {
    const { held: large, age } = await holdViewers(options, options.viewers);
    const { held: small } = await holdViewers(options, few, age);
    figures.push((large - small) / (options.viewers - few) / 1_024);
    print(
      `turn ${turn}: ${(small / 1e6).toFixed(1)} MB with ${few} viewers, ` +
        `${(large / 1e6).toFixed(1)} MB with ${options.viewers}, ${figures.at(-1)?.toFixed(2)} KB a viewer`,
    );
  }
  print(`memory a viewer, ${options.viewers} viewers: ${describeSpread(figures)} KB`);
}

/** A server's memory in bytes when it has pushed to `viewers` for a while, at least until it is of an age in ms. */
async function holdViewers({ comments, seconds }: ViewerMemoryOptions, viewers: number, until = 0) {
  const collector = pathToFileURL(compiledFile('bench/measure/garbage-collector.js')).href;
  const env = { ...process.env, NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import ${collector}` };
  const { child, viewerUrl, apiUrl, pid } = await startVolley(['--workers', '1', '--interval', '200'], 'volley', env);
  const startedAt = performance.now();
  const feed = Feed.steady(apiUrl, ['r'], comments, 200);
  const load = await openViewers(viewerUrl, ['r'], { connections: viewers });
  await sleep(Math.max(seconds * 1_000, until - (performance.now() - startedAt)));
  const age = performance.now() - startedAt;
  const held = readMemory(pid);
  feed.stop();
  await load.stop();
  await child.stop();
  return { held, age };
}
