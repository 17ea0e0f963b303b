import { type Command, CommanderError, Option } from 'commander';
import type { ConnectOptions } from '../client/connect-options.ts';
import { parseWhole } from '../comment-id.ts';
import { CODECS, type CodecName } from '../frames/codec.ts';
import { BAD_SETTING } from './setting-options.ts';

interface WatchOptions {
  readonly codec: CodecName;
  readonly since?: number;
  readonly history?: number;
}

/** `volley watch URL`: a viewer in the terminal. */
export function addWatchCommand(program: Command): void {
  program
    .command('watch')
    .description('watch a room in the terminal')
    .argument('<url>', 'ws://HOST:PORT/rooms/ROOM', readUrl)
    .addOption(new Option('--codec <codec>', 'how batches travel').choices(CODECS).default('json'))
    .option('--since <seq>', 'begin after this seq; 0 is everything kept', (text) => readWhole('--since', text))
    .option('--history <comments>', 'begin with the last so many', (text) => readWhole('--history', text))
    .action(async (url: URL, options: WatchOptions) => {
      const room = { ...readRoom(url, options), codec: options.codec };
      // Loaded last: the other commands have no use for it.
      const { watch } = await import('./terminal-viewer.ts');
      watch(url, room);
    });
}

function readUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if ((url?.protocol === 'ws:' || url?.protocol === 'wss:') && url.hash === '' && ROOM_PATH.test(url.pathname))
    return url;
  const sentence = `the URL cannot be "${text}": allowed is ws://HOST:PORT/rooms/ROOM`;
  throw new CommanderError(BAD_SETTING, 'volley.badUrl', sentence);
}

/** A path before `/rooms/ROOM`, and ROOM. */
const ROOM_PATH = /^(.*)\/rooms\/([^/]+)$/;

function readWhole(flag: string, text: string): number {
  const value = parseWhole(text);
  if (value !== null) return value;
  throw new CommanderError(BAD_SETTING, 'volley.badOption', `${flag} cannot be "${text}": allowed is a whole number`);
}

/** The room that the URL names, and where to begin; what the command line says comes before what stands in the URL. */
function readRoom(url: URL, options: WatchOptions): Pick<ConnectOptions, 'url' | 'room' | 'since' | 'history'> {
  const base = new URL(url);
  const [, path = '', room = ''] = ROOM_PATH.exec(url.pathname) ?? [];
  base.pathname = path;
  const read = (name: 'since' | 'history'): number | undefined => {
    const text = url.searchParams.get(name);
    base.searchParams.delete(name);
    return options[name] ?? (text === null ? undefined : readWhole(name, text));
  };
  const [since, history] = [read('since'), read('history')];
  return { url: base.href, room: decodeName(room), since, history };
}

function decodeName(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    // No UTF-8: as it stands it is no name either, and the message shows it.
    return segment;
  }
}
