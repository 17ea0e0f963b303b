import type { ServerResponse } from 'node:http';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isRoomName } from '../comment.ts';
import { parseWhole } from '../comment-id.ts';
import type { Sampler } from '../metrics/sampler.ts';
import { sendRefusal } from '../problem.ts';
import { LEAST_PACE } from './stream.ts';

/** Dashboards at once; more are refused `BUSY`. */
export const MOST_DASHBOARDS = 100;

/** Bytes that may wait for one reader beside its history: minutes of ticks. Who lets more wait is cut off. */
const MOST_WAITING = 524_288;

/** Ticks after which a reader is cut off that has taken nothing of what waits for it; for its history it has more. */
const MOST_STILL = 60;

/** When a reader that was cut off comes back, in ms. */
const RETRY_MS = 1_000;

/** An intermediary must neither keep events nor hold them back until there are more. */
const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  'x-accel-buffering': 'no',
};

type StreamRequest = FastifyRequest<{ Querystring: { room?: unknown; since?: unknown } }>;

/** A dashboard that reads along. */
interface Reader {
  readonly response: ServerResponse;
  readonly room: string | null;
  /** Bytes that may wait for it. */
  readonly bound: number;
  /** Ticks that it may stand still. */
  readonly patience: number;
  /** Bytes that its socket had taken when it took any the last time, and the ticks since. */
  taken: number;
  still: number;
}

/**
 * `GET /dashboard/stream`: server-sent events. First `history`, the kept samples after `since` (Unix ms; the header
 * `Last-Event-ID` says the same), then a `tick` a second, and with `room` a `room` after each.
 */
export function serveDashboard(
  app: FastifyInstance,
  sampler: Pick<Sampler, 'history' | 'listen' | 'describeRoom'>,
): void {
  const readers = new Set<Reader>();
  let isClosing = false;

  const stopListening = sampler.listen((tick, at) => {
    const bytes = eventBytes('tick', tick, at);
    const rooms = new Map<string, Promise<Buffer>>();
    for (const reader of readers) {
      if (isStill(reader)) reader.response.destroy();
      send(reader, bytes);
      if (reader.room !== null) sendRoom(reader, reader.room, rooms);
    }
  });

  app.addHook('preClose', async () => {
    isClosing = true;
    stopListening();
    for (const { response } of readers) response.destroy();
  });

  // Without HEAD: a stream has no end that its answer could wait for.
  app.get('/dashboard/stream', { exposeHeadRoute: false }, (request: StreamRequest, reply) => {
    const { room = null } = request.query;
    const { since: from = request.headers['last-event-id'] ?? '0' } = request.query;
    const since = typeof from === 'string' ? parseWhole(from) : null;
    if (room !== null && (typeof room !== 'string' || !isRoomName(room))) {
      return sendRefusal(reply, { code: 'ROOM_NAME_INVALID' });
    }
    if (since === null) return sendRefusal(reply, { code: 'SINCE_INVALID' });
    if (isClosing) return sendRefusal(reply, { code: 'SHUTTING_DOWN' });
    if (readers.size >= MOST_DASHBOARDS) return sendRefusal(reply, { code: 'BUSY', retryAfterMs: RETRY_MS });
    reply.hijack();
    const response = reply.raw;
    // Gone while hooks ran: its `close` would never come, and it would keep a place.
    if (response.destroyed) return reply;
    const history = [HISTORY_HEAD, ...sampler.history(since), EVENT_END];
    const bytes = history.reduce((sum, part) => sum + part.length, 0);
    const reader = {
      response,
      room,
      bound: bytes + MOST_WAITING,
      patience: MOST_STILL + bytes / LEAST_PACE,
      taken: 0,
      still: 0,
    };
    readers.add(reader);
    response.once('close', () => readers.delete(reader));
    // A reader that resets its connection is gone, which `close` tells too.
    response.on('error', () => undefined);
    // What the API's hooks set, CORS among it, which a hijacked reply would lose.
    for (const [name, value] of Object.entries(reply.getHeaders())) {
      if (value !== undefined) response.setHeader(name, value);
    }
    response.writeHead(200, HEADERS);
    response.cork();
    response.write(`retry: ${RETRY_MS}\n\n`);
    for (const part of history) send(reader, part);
    response.uncork();
    if (room !== null) sendRoom(reader, room, new Map());
    return reply;
  });

  /** Made once a second for all that look at the same room. A room that cannot be read ends the stream: the page comes back. */
  function sendRoom(reader: Reader, room: string, made: Map<string, Promise<Buffer>>): void {
    const bytes =
      made.get(room) ?? sampler.describeRoom(room).then((detail) => eventBytes('room', JSON.stringify(detail)));
    made.set(room, bytes);
    bytes.then(
      (event) => send(reader, event),
      () => reader.response.destroy(),
    );
  }
}

const HISTORY_HEAD = Buffer.from('event: history\ndata: ');
const EVENT_END = Buffer.from('\n\n');

/** Bytes, not text, so that all readers' sockets wait on the same memory. */
function eventBytes(event: string, json: string, id?: number): Buffer {
  return Buffer.from(`event: ${event}\n${id === undefined ? '' : `id: ${id}\n`}data: ${json}\n\n`);
}

/** Whether a reader has taken nothing for too long though something waits for it. */
function isStill(reader: Reader): boolean {
  const { socket, writableLength } = reader.response;
  const taken = socket === null ? 0 : socket.bytesWritten - socket.writableLength;
  reader.still = writableLength === 0 || taken !== reader.taken ? 0 : reader.still + 1;
  reader.taken = taken;
  return reader.still >= reader.patience;
}

function send({ response, bound }: Reader, bytes: Buffer): void {
  if (response.destroyed) return;
  response.write(bytes);
  if (response.writableLength > bound) response.destroy();
}
