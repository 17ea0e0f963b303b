import type { IncomingMessage } from 'node:http';
import { type Command, CommanderError, Option } from 'commander';
import { WebSocket } from 'ws';
import {
  type ConnectOptions,
  connect,
  type LiveComment,
  VolleyClientError,
  type WebSocketOptions,
} from '../client/index.ts';
import { CODECS, type CodecName } from '../frames/codec.ts';
import { parseWhole } from '../number-check.ts';
import { BAD_SETTING } from './setting-options.ts';

interface WatchOptions {
  readonly codec: CodecName;
  readonly since?: number;
  readonly history?: number;
}

/** Comments that were printed and are remembered, to say which one was taken back. */
const MOST_REMEMBERED = 1_000;

/** Characters of a refused handshake's answer that are printed. */
const MOST_CHARACTERS = 4_096;

/** How long the API is waited for, ms. */
const PATIENCE_MS = 3_000;

/** `volley watch URL`: a viewer in the terminal, on the SDK. Comments go to stdout, everything else to stderr. */
export function addWatchCommand(program: Command): void {
  program
    .command('watch')
    .description('watch a room in the terminal')
    .argument('<url>', 'ws://HOST:PORT/rooms/ROOM', readUrl)
    .addOption(new Option('--codec <codec>', 'how batches travel').choices(CODECS).default('json'))
    .option('--since <seq>', 'begin after this seq; 0 is everything kept', (text) => readWhole('--since', text))
    .option('--history <comments>', 'begin with the last so many', (text) => readWhole('--history', text))
    .action((url: URL, options: WatchOptions) => watch(url, options));
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

/** Prints a room's comments until Ctrl-C (exit code 0); ends with 1 where the first handshake fails. */
function watch(url: URL, options: WatchOptions): void {
  let isIn = false;
  let end = '';
  const texts = new Map<string, string>();

  class WatchSocket extends WebSocket {
    constructor(address: string, protocols: string[], socketOptions?: WebSocketOptions) {
      super(address, protocols, socketOptions);
      this.once('close', (code, reason) => {
        end = `${code} ${reason.toString()}`.trimEnd();
      });
      if (isIn) return;
      this.once('unexpected-response', (_request, response: IncomingMessage) => explain(url, response));
      this.once('error', (error) => fail(`cannot watch ${url.href}: ${error.message || 'connection refused'}`));
    }
  }

  const room = open({ ...readRoom(url, options), codec: options.codec, WebSocket: WatchSocket });
  room.on('welcome', ({ room: name, viewers, seq, reset }) => {
    isIn = true;
    note(`${name}: ${viewers} watching, seq ${seq}`);
    if (reset) note('the room has begun anew');
  });
  room.on('comment', (comment) => {
    print(comment);
    texts.set(comment.id, comment.text);
    for (const oldest of texts.keys()) {
      if (texts.size <= MOST_REMEMBERED) break;
      texts.delete(oldest);
    }
  });
  room.on('recall', (ids) => {
    for (const id of ids) note(`taken back: ${id}${texts.has(id) ? ` "${texts.get(id)}"` : ''}`);
  });
  room.on('gap', ({ from, to }) => note(`seq ${from} to ${to} are no longer kept`));
  room.on('skipped', () => note('reading too slowly: the server skipped pushes, which are fetched now'));
  room.on('state', (state) => {
    if (state === 'stale') note('nothing heard for too long: connecting again');
    else if (state === 'reconnecting' && end !== '') note(`closed by the server: ${end}; connecting again`);
    end = '';
  });
  room.on('fault', ({ message }) => note(message));
  room.on('blocked', ({ attempts, message }) => note(`${attempts} handshakes refused: ${message}`));
  // A reader like `head` that has seen enough is no fault.
  process.stdout.on('error', () => process.exit(0));
  process.on('SIGINT', () => process.exit(0));
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

function open(options: ConnectOptions): ReturnType<typeof connect> {
  try {
    return connect(options);
  } catch (error) {
    if (!(error instanceof VolleyClientError)) throw error;
    throw new CommanderError(BAD_SETTING, 'volley.badUrl', error.message);
  }
}

function print({ time, name, user, text }: LiveComment): void {
  const author = name || user;
  process.stdout.write(`${new Date(time).toTimeString().slice(0, 8)} ${author === '' ? '' : `${author}: `}${text}\n`);
}

function note(text: string): void {
  process.stderr.write(`-- ${text}\n`);
}

/** The first handshake was refused: says why in the server's own words, or which port is the right one. */
async function explain(url: URL, response: IncomingMessage): Promise<void> {
  const viewers = await findViewers(url);
  if (viewers !== undefined) fail(`${url.host} is the API's port; viewers connect to ${viewers}${url.pathname}`);
  let text = '';
  try {
    for await (const part of response) {
      text += part;
      if (text.length > MOST_CHARACTERS) break;
    }
  } catch (error) {
    text ||= String(error);
  }
  fail(`the server answered ${response.statusCode}: ${text.slice(0, MOST_CHARACTERS)}`);
}

/** The viewers' address, where `url` is that of an API; undefined where it is not. */
async function findViewers(url: URL): Promise<string | undefined> {
  const address = new URL('/page-settings.json', url);
  address.protocol = url.protocol.replace('ws', 'http');
  try {
    const response = await fetch(address, { signal: AbortSignal.timeout(PATIENCE_MS) });
    const { viewerUrl, port } = (await response.json()) as { viewerUrl?: string | null; port?: number };
    if (!response.ok || typeof port !== 'number') return undefined;
    return viewerUrl ?? `${url.protocol}//${url.hostname}:${port}`;
  } catch {
    // No API is there, or it does not answer: what the handshake was answered tells more.
    return undefined;
  }
}

function fail(sentence: string): never {
  process.stderr.write(`volley: ${sentence}\n`);
  process.exit(1);
}
