/** `npm run bench:micro -- [filter]`: what single functions cost, on real comments. */
import { Command } from 'commander';
import { FULL, type MicroFigures, type MicroGroup, measureBenchmark, QUICK } from './micro/benchmark.ts';
import { codecs, ring } from './micro/frames.ts';
import { admission, presence, rooms } from './micro/rooms.ts';
import { handOver, senders } from './micro/shards.ts';
import { BAD_OPTION, BenchError, FAILED, readCommand, tellNoOptions } from './options.ts';
import { describeMachine } from './report/document.ts';
import { drawTable, formatBytes } from './report/text.ts';

const GROUPS: readonly (() => MicroGroup | Promise<MicroGroup>)[] = [
  ...[codecs, ring, rooms, admission, senders, handOver, presence],
];

interface Options {
  readonly filter: string | undefined;
  readonly quick?: boolean;
  readonly json?: boolean;
}

const command = new Command('micro')
  .description('Micro-benchmarks: what single functions of volley cost on this machine.')
  .argument('[filter]', 'only benchmarks whose "group: name" contains this')
  .option('--quick', 'a moment each: that everything runs')
  .option('-j, --json', 'one JSON document on stdout; times in ns a call');

const options = readCommand(command, process.argv.slice(2), (given: Omit<Options, 'filter'>, [filter]): Options => {
  return { ...given, filter };
});
try {
  process.exitCode = 'filter' in options ? await run(options) : tellNoOptions(options, process);
} catch (error) {
  if (!(error instanceof BenchError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = FAILED;
}

async function run({ filter, quick = false, json = false }: Options): Promise<number> {
  const { cpuModel: cpu, cores, node } = describeMachine();
  const print = (text: string): void => void (json || process.stdout.write(text));
  print(`${cpu}, ${cores} cores, Node.js ${node}\n`);
  if (quick) print('--quick: code that is hardly compiled yet; these are no figures to quote\n');
  const benchmarks: MicroFigures[] = [];
  for (const group of GROUPS) {
    const { name, benchmarks: all } = await group();
    const wanted = all.filter((benchmark) => filter === undefined || `${name}: ${benchmark.name}`.includes(filter));
    const figures: MicroFigures[] = [];
    for (const benchmark of wanted) figures.push(await measureBenchmark(name, benchmark, quick ? QUICK : FULL));
    if (figures.length > 0) print(`\n${formatGroup(name, figures)}\n`);
    benchmarks.push(...figures);
  }
  if (benchmarks.length === 0) {
    process.stderr.write(`error: no benchmark contains '${filter}'\n`);
    return BAD_OPTION;
  }
  if (json) process.stdout.write(`${JSON.stringify({ cpu, cores, node, quick, benchmarks })}\n`);
  return 0;
}

function formatGroup(name: string, figures: readonly MicroFigures[]): string {
  const head = [name, 'median a call', 'mean', 'p99', 'median a unit', '', 'heap a unit'];
  const rows = figures.map(({ name: benchmark, median, mean, p99, unit, units, allocated }) => {
    const times = [median, mean, p99, median / units].map(formatTime);
    return [benchmark, ...times, `a ${unit}`, allocated === null ? 'unknown' : formatBytes(allocated / units)];
  });
  return drawTable(head, rows);
}

function formatTime(nanoseconds: number): string {
  if (nanoseconds < 1e3) return `${nanoseconds.toFixed(1)} ns`;
  return nanoseconds < 1e6 ? `${(nanoseconds / 1e3).toFixed(2)} µs` : `${(nanoseconds / 1e6).toFixed(2)} ms`;
}
