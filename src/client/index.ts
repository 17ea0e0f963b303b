/**
 * `volley/client`: watches a room and comments in it, in browsers and in Node. docs/client.md describes it.
 * Nothing here imports from `node:`.
 */
import { type ConnectOptions, readOptions } from './connect-options.ts';
import { RoomConnection } from './room-connection.ts';

/**
 * Connects to a room, and stays connected until `close()`.
 * @throws VolleyClientError OPTION_INVALID, or NO_WEBSOCKET where there is none and none was given
 */
export function connect(options: ConnectOptions): RoomConnection {
  return new RoomConnection(readOptions(options));
}

export type { Clock } from '../clock.ts';
export type { Comment, Mode } from '../comment.ts';
export type { CodecName } from '../frames/codec.ts';
export type { Gap, RefusedMessage, Welcome } from '../frames/messages.ts';
export type { BackoffBounds } from './backoff.ts';
export { type ClientErrorCode, VolleyClientError } from './client-error.ts';
export type { ConnectOptions } from './connect-options.ts';
export type { Fetch, FetchOptions, FetchResponse, HandshakeReport } from './handshake-report.ts';
export type { WebSocketConstructor, WebSocketLike, WebSocketOptions } from './link.ts';
export type { LiveBatch, LiveComment } from './live-comment.ts';
export type { Ack, OwnComment, Refused } from './pending-sends.ts';
export type { ConnectionState, RoomConnection, RoomEvents } from './room-connection.ts';
