import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import { readVersion } from '../../src/cli/version.ts';
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

/** What the command line of `npm run bench` asks for. */
export interface BenchOptions {
  readonly settings: RunSettings;
  readonly json: boolean;
  readonly progress: boolean;
}

/** Settings that were given by option: a scenario presets the rest. */
type Given = Partial<RunSettings>;

const DEFAULTS: Omit<RunSettings, 'scenario'> = {
  connections: 1_000,
  duration: 10,
  rooms: 1,
  rate: 20,
  workers: 1,
  codec: 'msgpack',
  senders: 0,
  warmup: 3,
  url: null,
  apiUrl: null,
  serverWorkers: [1],
  serverStore: 'memory',
  behind: 0,
  interval: 1_000,
  comments: SAMPLE,
};

/**
 * Reads the command line, without the program's own name.
 * @param cwd the folder that `--comments` is relative to
 */
export function readOptions(argv: readonly string[], cwd: string): BenchOptions | NoOptions {
  type All = Given & { readonly json?: boolean; readonly progress: boolean };
  return readCommand(describeCommand(), argv, ({ json = false, progress, ...given }: All) => {
    const scenario = findScenario(given.scenario ?? '');
    const merged = { ...DEFAULTS, ...scenario.preset?.(given), ...given, scenario: scenario.name };
    const settings = { ...merged, comments: resolve(cwd, merged.comments) };
    return findFault(settings, given) ?? { settings, json, progress };
  });
}

/** What is wrong with options that are each fine by themselves. */
function findFault(settings: RunSettings, given: Given): string | undefined {
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
  const choice = (flags: string, text: string, among: readonly string[]) => new Option(flags, text).choices(among);
  return new Command('npm run bench --')
    .description('Loads a volley server with viewers and real comments, and measures what they and the server see.')
    .version(readVersion(), '-V, --version')
    .addOption(
      choice('--scenario <NAME>', 'what the viewers do, and defaults for what follows (default: hot-room)', names),
    )
    .option('-c, --connections <N>', 'viewers (default: 1000)', wholeWithin(1, MOST_CONNECTIONS, 'viewers'))
    .option('-d, --duration <S>', 'seconds to measure (default: 10)', numberWithin(1, MOST_SECONDS, 's'))
    .option('-r, --rooms <N>', 'rooms that the viewers are spread over (default: 1)', wholeWithin(1, 100_000, 'rooms'))
    .option('-R, --rate <N>', 'comments a second a room (default: 20)', numberWithin(0.01, 10_000, 'comments a second'))
    .option('-w, --workers <N>', 'threads of the load generator (default: 1)', wholeWithin(1, 256, 'threads'))
    .addOption(choice('--codec <NAME>', 'how batches travel (default: msgpack)', CODECS))
    .option(
      '--senders <N>',
      'viewers that send the comments over their WebSocket; 0: they are posted over HTTP (default: 0)',
      wholeWithin(0, MOST_CONNECTIONS, 'viewers'),
    )
    .option(
      '--warmup <S>',
      'seconds with everything running before measuring; before that, up to 2 more with 20 viewers to warm the ' +
        'server before its memory is first read; 0 for neither (default: 3)',
      numberWithin(0, MOST_SECONDS, 's'),
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
        'where it keeps batches; level: in a directory that is removed afterwards (default: memory)',
        SERVER_STORES,
      ),
    )
    .option(
      '--behind <S>',
      'join-storm: viewers resume after missing so many seconds of pushes, which are pushed first (default: 0, history)',
      numberWithin(0, 3_600, 's'),
    )
    .option('--interval <MS>', 'its time between two pushes of a room (default: 1000)', wholeWithin(10, 60_000, 'ms'))
    .option('--comments <FILE>', 'Bilibili XML recording to take the comments from (default: bench/comments.xml)')
    .option(
      '-j, --json',
      'print one JSON document to stdout, and everything else to stderr; `npm run -s` keeps npm silent',
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
