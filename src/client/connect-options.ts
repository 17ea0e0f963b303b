import { type Clock, systemClock } from '../clock.ts';
import { isRoomName } from '../comment.ts';
import { CODECS, type CodecName } from '../frames/codec.ts';
import type { BackoffBounds } from './backoff.ts';
import { VolleyClientError } from './client-error.ts';
import { canInflate } from './frame-decoder.ts';
import type { Fetch } from './handshake-report.ts';
import type { WebSocketConstructor } from './link.ts';

export interface ConnectOptions {
  /** The viewers' URL, `ws://HOST:PORT` or `wss://…`; a path in it stays in front of `/rooms/ROOM`. */
  readonly url: string;
  /** `[A-Za-z0-9._:-]{1,64}` */
  readonly room: string;
  /** How batches travel: deflate where this JavaScript can inflate, else msgpack. */
  readonly codec?: CodecName | undefined;
  /** Begin after this batch: the `last` of a connection before. It beats `history`. */
  readonly since?: number | undefined;
  /** Begin with the last so many comments, 0 by default. */
  readonly history?: number | undefined;
  /** Who you are, in the URL's `token`. */
  readonly token?: string | undefined;
  /** The constructor to use where there is no WebSocket, as on Node 20: that of the `ws` package. */
  readonly WebSocket?: WebSocketConstructor | undefined;
  /**
   * A link on which nothing was heard for so many ms is dead. 40,000 by default, over 2.5 times the 15 s of a server's
   * `--heartbeat`; where that is longer, this must be too.
   */
  readonly staleAfter?: number | undefined;
  /** Pauses between attempts, ms; 1,000 and 30,000 by default. While nobody answers, a third of `most` is the longest. */
  readonly backoff?: BackoffBounds | undefined;
  /** Bytes of the largest message, as it comes and inflated; 16 MiB by default. */
  readonly maxMessage?: number | undefined;
  /** Asks over HTTP why handshakes are refused; the global one by default. */
  readonly fetch?: Fetch | undefined;
  /** Numbers from 0 to 1, 1 not included; for tests. */
  readonly random?: (() => number) | undefined;
  /** For tests. */
  readonly clock?: Clock | undefined;
}

/** The options, checked, and everything set. */
export interface ConnectSettings {
  /** Without since and history, which change from link to link. A string: what is typed needs no types of a browser. */
  readonly url: string;
  readonly codec: CodecName;
  readonly since: number | undefined;
  readonly history: number;
  readonly WebSocket: WebSocketConstructor;
  readonly staleAfter: number;
  readonly backoff: BackoffBounds;
  readonly maxMessage: number;
  readonly fetch: Fetch | undefined;
  readonly random: () => number;
  readonly clock: Clock;
}

const MIB = 1_048_576;

/**
 * Checks the options and sets what was left out.
 * @throws VolleyClientError OPTION_INVALID, NO_WEBSOCKET
 */
export function readOptions(options: ConnectOptions): ConnectSettings {
  const { room, codec = 'deflate', since, history = 0, token, staleAfter = 40_000, maxMessage = 16 * MIB } = options;
  if (!isRoomName(room)) throw invalid('room', room, ROOM_NAMES);
  if (!CODECS.includes(codec)) throw invalid('codec', codec);
  if (since !== undefined && !isWhole(since)) throw invalid('since', since);
  if (!isWhole(history)) throw invalid('history', history);
  if (!(staleAfter > 0)) throw invalid('staleAfter', staleAfter);
  if (!(maxMessage > 0)) throw invalid('maxMessage', maxMessage);
  const { backoff = { first: 1_000, most: 30_000 } } = options;
  if (!(backoff.first > 0 && backoff.most >= backoff.first)) throw invalid('backoff', JSON.stringify(backoff));
  const url = roomUrl(options.url, room);
  if (token !== undefined) url.searchParams.set('token', token);
  return {
    url: url.href,
    codec: codec === 'deflate' && !canInflate() ? 'msgpack' : codec,
    since,
    history,
    WebSocket: options.WebSocket ?? findWebSocket(),
    staleAfter,
    backoff,
    maxMessage,
    fetch: options.fetch ?? (globalThis as { fetch?: Fetch }).fetch,
    random: options.random ?? Math.random,
    clock: options.clock ?? systemClock,
  };
}

function roomUrl(base: string, room: string): URL {
  let url: URL;
  try {
    url = new URL(base);
  } catch (cause) {
    throw invalid('url', base, URLS, { cause });
  }
  if (!/^wss?:$/.test(url.protocol) || url.hash !== '') throw invalid('url', base, URLS);
  const path = `${url.pathname.replace(/\/+$/, '')}/rooms/${room}`;
  url.pathname = path;
  // No URL has a part '.' or '..', although these are names of rooms.
  if (url.pathname !== path) throw invalid('room', room, ROOM_NAMES);
  return url;
}

function findWebSocket(): WebSocketConstructor {
  const found = (globalThis as { WebSocket?: WebSocketConstructor }).WebSocket;
  if (found === undefined) {
    throw new VolleyClientError(
      'NO_WEBSOCKET',
      'there is no WebSocket here: give that of the `ws` package as an option',
    );
  }
  return found;
}

function isWhole(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

const ROOM_NAMES =
  'a name has 1 to 64 letters (A-Z, a-z), digits, dots, colons, hyphens and underscores, and is neither "." nor ".."';
const URLS = 'it is ws://HOST:PORT or wss://…, without a #';

function invalid(name: string, value: unknown, allowed?: string, options?: { cause: unknown }): VolleyClientError {
  const sentence = `${name} cannot be ${JSON.stringify(value)}`;
  return new VolleyClientError('OPTION_INVALID', allowed ? `${sentence}: ${allowed}` : sentence, options);
}
