/** `npm run measure -- NAME`: figures that want a run of their own, each taken with real processes on loopback. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { measureMainThread, measurePushCost, measureViewerMemory } from './measure/costs.ts';
import { measurePruning } from './measure/pruning.ts';
import { runSoak } from './measure/soak.ts';
import { BAD_OPTION } from './options.ts';

const program = new Command('measure')
  .description('Measures volley on this machine.')
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : BAD_OPTION));

command(
  'push-cost',
  'server CPU a delivered frame against the floor of bench:peers',
  { viewers: 4_000, comments: 20, interval: 100, seconds: 2, warmup: 6, turns: 12 },
  measurePushCost,
);
command(
  'viewer-memory',
  'memory a viewer',
  { viewers: 10_000, comments: 20, seconds: 10, turns: 3 },
  measureViewerMemory,
);
command(
  'main-thread',
  'what more viewers cost the main thread',
  { few: 100, many: 15_000, comments: 20, seconds: 30, turns: 3 },
  measureMainThread,
);
command(
  'pruning',
  'how late pushes come while old batches are dropped',
  { batches: 60_000, rooms: 50, seconds: 5 },
  measurePruning,
);
command(
  'soak',
  'minutes of replay into many rooms: every viewer hears everything once, memory stays flat',
  { viewers: 2_000, rooms: 10, minutes: 10, speed: 10 },
  runSoak,
);

await program.parseAsync();

/** Every option of a measurement is a number; its defaults are the figures that the project quotes. */
function command<Options extends Record<string, number>>(
  name: string,
  description: string,
  defaults: Options,
  run: (options: Options, print: (line: string) => void) => Promise<void>,
): void {
  const added = program.command(name).description(description);
  for (const [flag, value] of Object.entries(defaults)) {
    added.addOption(new Option(`--${flag} <number>`).default(value).argParser(readNumber));
  }
  added.action(() => run(added.opts<Options>(), (line) => process.stdout.write(`${line}\n`)));
}

function readNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value > 0)) throw new InvalidArgumentError('Allowed is a number above 0.');
  return value;
}
