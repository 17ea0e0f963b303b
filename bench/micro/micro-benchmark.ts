import { do_not_optimize, measure } from 'mitata';
import { BenchError } from '../bench-error.ts';
import { allocatedBytes, collectGarbage } from './allocation.ts';

/** One function that is timed. */
export interface MicroBenchmark<Result = unknown> {
  readonly name: string;
  /** What one call handles, and how many of them: `comment` and 1,000. Figures are given a call and a unit. */
  readonly unit: string;
  readonly units: number;
  /** Brings about what `run` needs; before every call, and not timed. With it calls are timed one by one. */
  prepare?(): void | Promise<void>;
  /** What is timed. It gives something that the whole work was needed for. */
  run(): Result | Promise<Result>;
  /** Throws when the result of one call is wrong. Called before and after the timing, so that nothing broken has a figure. */
  check(result: Awaited<Result>): void;
}

export interface MicroGroup {
  readonly name: string;
  readonly benchmarks: readonly MicroBenchmark[];
}

/** What a benchmark showed. Times are ns a call; short calls are timed many at once, and then a sample is their mean. */
export interface MicroFigures {
  readonly group: string;
  readonly name: string;
  readonly unit: string;
  readonly units: number;
  readonly median: number;
  readonly mean: number;
  readonly p99: number;
  readonly least: number;
  readonly samples: number;
  /** Bytes that a call allocates, on the heap and in array buffers; null where garbage was collected in each. */
  readonly allocated: number | null;
}

/** How long to measure. */
export interface MicroEffort {
  /** Time in timed calls, in ns, a benchmark. */
  readonly time: number;
  /** Calls to a sample where a call is short. */
  readonly batch: number;
  /** Most samples where every call is prepared. */
  readonly most: number;
  /** Rounds of looking at what is allocated, and calls to a round. */
  readonly rounds: number;
  readonly looks: number;
}

export const FULL: MicroEffort = { time: 642e6, batch: 512, most: 10_000, rounds: 3, looks: 31 };

/** That everything runs. The figures are those of code that V8 has hardly compiled. */
export const QUICK: MicroEffort = { time: 1e6, batch: 16, most: 12, rounds: 1, looks: 3 };

const NEVER_BATCH = -1;

/** Characters of what was wrong: two batches that differ make a long message. */
const MOST_SAID = 300;

/**
 * Checks a benchmark, times it, and checks it again.
 * @throws BenchError when its result is wrong or there is no figure above 0
 */
export async function measureBenchmark(
  group: string,
  benchmark: MicroBenchmark,
  effort: MicroEffort,
): Promise<MicroFigures> {
  const { name, unit, units } = benchmark;
  const fullName = `${group}: ${name}`;
  await checkOnce(fullName, benchmark, 'is broken and was not timed');
  const { p50: median, avg: mean, p99, min: least, samples } = await time(benchmark, effort);
  const allocated = await allocatedBytes(benchmark, effort.rounds, effort.looks);
  await checkOnce(fullName, benchmark, 'broke while it was timed');
  if (!(median > 0 && mean > 0)) throw new BenchError(`${fullName} gave no figure: its median is ${median} ns`);
  return { group, name, unit, units, median, mean, p99, least, samples: samples.length, allocated };
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

type Stats = Awaited<ReturnType<typeof measure>>;

async function time(benchmark: MicroBenchmark, effort: MicroEffort): Promise<Stats> {
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
  return measure(prepared, { ...options, batch_threshold: NEVER_BATCH, max_samples: effort.most });
}
