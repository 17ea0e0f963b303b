/** Checks a function's result, then times it and looks at what it allocates. */
import { GCProfiler, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { do_not_optimize, measure } from 'mitata';
import { BenchError } from '../options.ts';
import { median } from '../report/text.ts';

export interface MicroBenchmark<Result = unknown> {
  readonly name: string;
  /** How many of what one call handles: 1,000 and `comment`. */
  readonly units: number;
  readonly unit: string;
  /** What is timed. It returns something that the whole work was needed for. */
  run(): Result | Promise<Result>;
  /** Throws when the result of a call is wrong. Called before and after the timing: nothing broken has a figure. */
  check(result: Awaited<Result>): void;
  /** Brings about what `run` needs; before every call, and not timed. With it calls are timed one by one. */
  prepare?(): unknown;
}

export interface MicroGroup {
  readonly name: string;
  readonly benchmarks: readonly MicroBenchmark[];
}

/** What a benchmark showed; see docs/bench.md. */
export type MicroFigures = Awaited<ReturnType<typeof measureBenchmark>>;

/** `time`: ns in timed calls. `batch`: calls to a sample of a short call. `most`: samples where every call is prepared. */
type MicroEffort = Readonly<Record<'time' | 'batch' | 'most' | 'rounds' | 'looks', number>>;

export const FULL: MicroEffort = { time: 642e6, batch: 512, most: 10_000, rounds: 3, looks: 31 };

/** That everything runs. The figures are those of code that V8 has hardly compiled. */
export const QUICK: MicroEffort = { time: 1e6, batch: 16, most: 12, rounds: 1, looks: 3 };

const MOST_SAID = 300;

/** @throws BenchError when the result is wrong or there is no figure above 0 */
export async function measureBenchmark(group: string, benchmark: MicroBenchmark, effort: MicroEffort) {
  const { name, unit, units } = benchmark;
  const fullName = `${group}: ${name}`;
  await checkOnce(fullName, benchmark, 'is broken and was not timed');
  const { p50, avg: mean, p99, min: least, samples } = await time(benchmark, effort);
  const allocated = await allocatedBytes(benchmark, effort);
  await checkOnce(fullName, benchmark, 'broke while it was timed');
  if (!(p50 > 0 && mean > 0)) throw new BenchError(`${fullName} gave no figure: its median is ${p50} ns`);
  return { group, name, unit, units, median: p50, mean, p99, least, samples: samples.length, allocated };
}

async function checkOnce(fullName: string, benchmark: MicroBenchmark, what: string): Promise<void> {
  try {
    await benchmark.prepare?.();
    benchmark.check(await benchmark.run());
  } catch (cause) {
    const why = (cause instanceof Error ? cause.message : String(cause)).replace(/\s+/g, ' ').slice(0, MOST_SAID);
    throw Object.assign(new BenchError(`${fullName} ${what}: ${why}`), { cause });
  }
}

async function time(benchmark: MicroBenchmark, effort: MicroEffort) {
  const call = (): unknown => {
    const result = benchmark.run();
    // V8 would leave out what nobody looks at.
    do_not_optimize(result);
    return result;
  };
  const options = { gc: collectGarbage, min_cpu_time: effort.time, batch_samples: effort.batch };
  if (benchmark.prepare === undefined) return measure(call, options);
  const prepare = (): unknown => benchmark.prepare?.();
  // mitata calls what stands under 0 before every timed call and hands its result on. Its types do not know this form.
  const prepared = function* (): Generator<unknown> {
    yield { 0: prepare, bench: (_ready: unknown) => call() };
  } as unknown as () => Generator<() => unknown, void, undefined>;
  return measure(prepared, { ...options, batch_threshold: -1, max_samples: effort.most });
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const NOTHING = { run: () => undefined };

/**
 * Bytes that one call allocates: the median of calls in which no garbage was collected, and of several such rounds the
 * least, since V8 sometimes counts in coarse steps for a while. null where garbage was collected in each.
 */
async function allocatedBytes(benchmark: MicroBenchmark, { rounds, looks }: MicroEffort): Promise<number | null> {
  const found: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    collectGarbage();
    const own = await look(NOTHING, looks);
    const all = await look(benchmark, looks);
    if (!Number.isNaN(all - own)) found.push(Math.max(0, all - own));
  }
  return found.length === 0 ? null : Math.min(...found);
}

async function look({ prepare, run }: Pick<MicroBenchmark, 'prepare' | 'run'>, looks: number): Promise<number> {
  const profiler = new GCProfiler();
  const seen: number[] = [];
  for (let i = 0; i < looks; i += 1) {
    await prepare?.();
    profiler.start();
    const before = usedBytes();
    const running = run();
    if (running instanceof Promise) await running;
    const after = usedBytes();
    if (profiler.stop()?.statistics.length === 0) seen.push(after - before);
  }
  return median(seen);
}

function usedBytes(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
