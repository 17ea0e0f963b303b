/**
 * `npm run measure -- NAME`: the figures that this project stands on, each taken with real processes on loopback.
 *
 *   push-cost.ts      server CPU a delivered frame, against the floor of shared/perf
 *   viewer-memory.ts  memory a viewer
 *   main-thread.ts    what more viewers cost the main thread
 *   pruning.ts        how late pushes come while old batches are dropped
 *   floods.ts         what connections that flood cost the other viewers of their shard
 *   soak.ts           minutes of replay into many rooms: everybody hears everything once, memory stays flat
 */
import { Command, InvalidArgumentError, Option } from 'commander';
import { measureFloods } from './floods.ts';
import { measureMainThread } from './main-thread.ts';
import { measurePruning } from './pruning.ts';
import { measurePushCost } from './push-cost.ts';
import { runSoak } from './soak.ts';
import { measureViewerMemory } from './viewer-memory.ts';

const program = new Command('measure').description('Measures volley on this machine.');

command(
  'push-cost',
  { viewers: 4_000, comments: 20, interval: 100, seconds: 8, warmup: 12, turns: 5 },
  measurePushCost,
);
command('viewer-memory', { viewers: 10_000, comments: 20, seconds: 10, turns: 3 }, measureViewerMemory);
command('main-thread', { few: 100, many: 15_000, comments: 20, seconds: 30, turns: 3 }, measureMainThread);
command('pruning', { batches: 60_000, rooms: 50, seconds: 5 }, measurePruning);
command('floods', { connections: 200, viewers: 100, rooms: 10, seconds: 30 }, measureFloods);
command('soak', { viewers: 2_000, rooms: 10, minutes: 10, speed: 10 }, runSoak);

await program.parseAsync();

/** Every option of a measurement is a number; its defaults are the figures that the project quotes. */
function command<Options extends Record<string, number>>(
  name: string,
  defaults: Options,
  run: (options: Options, print: (line: string) => void) => Promise<void>,
): void {
  const added = program.command(name);
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
