import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import { readVersion } from '../../src/compiled-file.ts';
import { CODECS } from '../../src/frames/codec.ts';
import {
  addressOf,
  EXIT_CODES,
  type NoOptions,
  numberWithin,
  readCommand,
  wholesWithin,
  wholeWithin,
} from '../options.ts';
import { SAMPLE } from './feed.ts';
import { findScenario, type RunSettings, SCENARIOS, SERVER_STORES } from './scenarios.ts';

export interface BenchOptions {
  readonly settings: RunSettings;
  readonly json: boolean;
  readonly progress: boolean;
}

/** Reads the command line, without the program's own name; `--comments` is relative to the folder `cwd`. */
export function readOptions(argv: readonly string[], cwd: string): BenchOptions | NoOptions {
  const command = describeCommand();
  type All = Omit<RunSettings, 'url' | 'apiUrl'> & { readonly json: boolean; readonly progress: boolean };
  return readCommand(command, argv, ({ json, progress, ...all }: All) => {
    // A scenario presets what was not given.
    const names = Object.keys(all).filter((name) => command.getOptionValueSource(name) === 'cli');
    const given: Partial<RunSettings> = Object.fromEntries(names.map((name) => [name, all[name as keyof typeof all]]));
    const preset = findScenario(all.scenario).preset?.(given);
    const settings = { ...all, url: null, apiUrl: null, serverWorkers: [1], ...preset, ...given };
    const located = { ...settings, comments: resolve(cwd, settings.comments) };
    return findFault(located, given) ?? { settings: located, json, progress };
  });
}

/** What is wrong with options that are each fine by themselves. */
function findFault(settings: RunSettings, given: Partial<RunSettings>): string | undefined {
  const { connections, senders, rooms, url, apiUrl, scenario } = settings;
  if (url === null && apiUrl !== null) return '--api-url wants --url: without it the server is one of the own';
  if (url !== null && given.serverWorkers !== undefined) return '--server-workers is for the own server, not for --url';
  if (url !== null && given.serverStore !== undefined) return '--server-store is for the own server, not for --url';
  if (senders > connections) return `--senders ${senders} cannot be more than --connections ${connections}`;
  if (senders > 0 && senders < rooms) {
    return `--senders ${senders} must be 0 or at least --rooms ${rooms}: nobody would send in the other rooms`;
  }
  if (url !== null && apiUrl === null && senders === 0) {
    return '--url without --api-url wants --senders 1 or more: nothing could be posted over HTTP';
  }
  if (given.behind !== undefined && scenario !== 'join-storm') return '--behind is for --scenario join-storm';
  const unfit = findScenario(scenario).check?.(settings);
  return unfit === undefined ? undefined : `--scenario ${scenario}: ${unfit}`;
}

const MOST_CONNECTIONS = 1_000_000;
const MOST_SECONDS = 86_400;

function describeCommand(): Command {
  const names = SCENARIOS.map(({ name }) => name);
  const choice = (flags: string, text: string, among: readonly string[], fallback: string) =>
    new Option(flags, text).choices(among).default(fallback);
  return new Command('npm run bench --')
    .description('Loads a volley server with viewers and real comments, and measures what they and the server see.')
    .version(readVersion(), '-V, --version')
    .addOption(choice('--scenario <NAME>', 'what the viewers do, and defaults for what follows', names, 'hot-room'))
    .option('-c, --connections <N>', 'viewers', wholeWithin(1, MOST_CONNECTIONS, 'viewers'), 1_000)
    .option('-d, --duration <S>', 'seconds to measure', numberWithin(1, MOST_SECONDS, 's'), 10)
    .option('-r, --rooms <N>', 'rooms that the viewers are spread over', wholeWithin(1, 100_000, 'rooms'), 1)
    .option('-R, --rate <N>', 'comments a second a room', numberWithin(0.01, 10_000, 'comments a second'), 20)
    .option('-w, --workers <N>', 'threads of the load generator', wholeWithin(1, 256, 'threads'), 1)
    .addOption(choice('--codec <NAME>', 'how batches travel', CODECS, 'msgpack'))
    .option(
      '--senders <N>',
      'viewers that send the comments over their WebSocket; 0: they are posted over HTTP',
      wholeWithin(0, MOST_CONNECTIONS, 'viewers'),
      0,
    )
    .option(
      '--warmup <S>',
      'seconds with everything running before measuring; before that, up to 2 more with 20 viewers to warm the ' +
        'server before its memory is first read; 0 for neither',
      numberWithin(0, MOST_SECONDS, 's'),
      3,
    )
    .option('--url <URL>', 'ws:// address of a server that runs already; without it one is started', addressOf('ws:'))
    .option(
      '--api-url <URL>',
      'http:// address of its API: to post comments to, and for the figures of the server',
      addressOf('http:'),
    )
    .option(
      '--server-workers <N>',
      'worker threads of the server that is started; several (1,2,4, or given again) are compared (default: 1)',
      wholesWithin(1, 256, 'threads'),
    )
    .addOption(
      choice(
        '--server-store <NAME>',
        'where it keeps batches; level: in a directory that is removed afterwards',
        SERVER_STORES,
        'memory',
      ),
    )
    .option(
      '--behind <S>',
      'join-storm: viewers resume after missing so many seconds of pushes, which are pushed first; 0: with history',
      numberWithin(0, 3_600, 's'),
      0,
    )
    .option('--interval <MS>', 'its time between two pushes of a room', wholeWithin(10, 60_000, 'ms'), 1_000)
    .addOption(
      new Option('--comments <FILE>', 'Bilibili XML recording to take the comments from').default(
        SAMPLE,
        'bench/comments.xml',
      ),
    )
    .option(
      '-j, --json',
      'print one JSON document to stdout, and everything else to stderr; `npm run -s` keeps npm silent',
      false,
    )
    .option('--no-progress', 'no progress bar')
    .addHelpText(
      'after',
      `
Scenarios:
${SCENARIOS.map(({ name, summary }) => `  ${name.padEnd(14)}${summary}`).join('\n')}

Ctrl-C ends it early and prints what was measured so far; a second Ctrl-C ends it at once.
${EXIT_CODES}

Examples:
  npm run bench -- -c 4000 -d 30 --server-workers 1,2,4
  npm run -s bench -- --scenario join-storm -c 10000 --json > storm.json
  npm run bench -- --url ws://127.0.0.1:9000 --api-url http://127.0.0.1:9001 -c 2000 --codec deflate`,
    );
}
