/** A viewer in the terminal, on the SDK. Comments go to stdout, everything else to stderr. */
import type { IncomingMessage } from 'node:http';
import { CommanderError } from 'commander';
import { WebSocket } from 'ws';
import {
  type ConnectOptions,
  connect,
  type LiveComment,
  VolleyClientError,
  type WebSocketOptions,
} from '../client/index.ts';
import { BAD_SETTING } from './setting-options.ts';

/** Comments that were printed and are remembered, to say which one was taken back. */
const MOST_REMEMBERED = 1_000;

/** Characters of a refused handshake's answer that are printed. */
const MOST_CHARACTERS = 4_096;

/** How long the API is waited for, ms. */
const PATIENCE_MS = 3_000;

/** Prints a room's comments until Ctrl-C (exit code 0); ends with 1 where the first handshake fails. */
export function watch(url: URL, options: ConnectOptions): void {
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

  const room = open({ ...options, WebSocket: WatchSocket });
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
