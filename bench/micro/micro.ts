/**
 * `npm run bench:micro -- [filter]`: what single functions cost, on real comments.
 *
 *   codecs.ts     comments → stored bytes → a frame a codec, and back
 *   ring.ts       FrameRing write and read
 *   rooms.ts      room firing
 *   admission.ts  checkComment, Rooms.offer
 *   senders.ts    the shard's side of a comment
 *   hand-over.ts  the port between shard and main, and main's end of it
 *   presence.ts   joins, leaves, heartbeats of quiet rooms
 *
 *   micro-benchmark.ts  checks a function's result, then times it
 */
import { Command } from 'commander';
import { BenchError } from '../bench-error.ts';
import { admission } from './admission.ts';
import { codecs } from './codecs.ts';
import { handOver } from './hand-over.ts';
import { FULL, type MicroFigures, type MicroGroup, measureBenchmark, QUICK } from './micro-benchmark.ts';
import { describeMachine, formatGroup, formatMachine } from './micro-report.ts';
import { presence } from './presence.ts';
import { ring } from './ring.ts';
import { rooms } from './rooms.ts';
import { senders } from './senders.ts';

const GROUPS: readonly (() => MicroGroup | Promise<MicroGroup>)[] = [
  codecs,
  ring,
  rooms,
  admission,
  senders,
  handOver,
  presence,
];

const BAD_OPTION = 2;

interface Options {
  readonly quick?: boolean;
  readonly json?: boolean;
}

const program = new Command('micro')
  .description('Micro-benchmarks: what single functions of volley cost on this machine.')
  .argument('[filter]', 'only benchmarks whose "group: name" contains this')
  .option('--quick', 'a moment each: that everything runs')
  .option('-j, --json', 'one JSON document on stdout; times in ns a call')
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : BAD_OPTION))
  .action(run);

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof BenchError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}

async function run(filter: string | undefined, { quick = false, json = false }: Options): Promise<void> {
  const machine = describeMachine(quick);
  if (!json) process.stdout.write(`${formatMachine(machine)}\n`);
  const benchmarks: MicroFigures[] = [];
  for (const group of GROUPS) {
    const figures = await measureGroup(await group(), filter, quick);
    if (!json && figures.length > 0) process.stdout.write(`\n${formatGroup(figures[0]?.group ?? '', figures)}\n`);
    benchmarks.push(...figures);
  }
  if (benchmarks.length === 0) program.error(`error: no benchmark contains '${filter}'`);
  if (json) process.stdout.write(`${JSON.stringify({ ...machine, benchmarks })}\n`);
}

async function measureGroup(
  { name, benchmarks }: MicroGroup,
  filter: string | undefined,
  quick: boolean,
): Promise<MicroFigures[]> {
  const figures: MicroFigures[] = [];
  for (const benchmark of benchmarks) {
    if (filter !== undefined && !`${name}: ${benchmark.name}`.includes(filter)) continue;
    figures.push(await measureBenchmark(name, benchmark, quick ? QUICK : FULL));
  }
  return figures;
}
