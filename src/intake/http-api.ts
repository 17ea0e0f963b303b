/**
 * The HTTP API, on the main thread and its own port. Every error is a problem document (RFC 9457) with a `code`,
 * except DPlayer's.
 */
import cors from '@fastify/cors';
import Fastify, { type FastifyError, type FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { REFUSALS, type RefusalCode, refusalOf, VolleyError } from '../codes.ts';
import type { Sampler } from '../metrics/sampler.ts';
import type { Tally } from '../metrics/tally.ts';
import type { Rooms } from '../rooms/rooms.ts';
import type { Store } from '../store/store.ts';
import { TurnQueue } from '../turn-queue.ts';
import { readJsonBodies } from './http-body.ts';
import { serveCommentIntake } from './http-comments.ts';
import { serveDashboard } from './http-dashboard.ts';
import { serveDplayer } from './http-dplayer.ts';
import { serveHistory } from './http-history.ts';
import { guardHost, type HostOptions } from './http-host.ts';
import { refuseOtherMethods } from './http-methods.ts';
import { type PageSettings, servePages } from './http-pages.ts';
import { serveRecall } from './http-recall.ts';
import { sendRefusal } from './http-refusal.ts';
import { serveRooms } from './http-rooms.ts';
import { LongAnswers } from './http-stream.ts';
import { describeProblem, PROBLEM_TYPE } from './problem.ts';

/** A request must have arrived whole within this time, in ms: a client that dribbles costs a socket, not more. */
const REQUEST_TIMEOUT_MS = 30_000;

/** Longer names are refused by the room's own rule; this only keeps them from looking like another path. */
const LONGEST_NAME = 8_192;

export interface HttpApiOptions extends HostOptions {
  readonly rooms: Rooms;
  readonly store: Store;
  readonly tally: Tally;
  readonly logger: Logger;
  readonly maxBody: number;
  readonly maxText: number;
  /** False until the store is open: the API has its port before, and answers NOT_READY then. Always true where left out. */
  readonly isOpen?: () => boolean;
  /** Why the server takes no viewers now, null when it does. */
  readonly notReady: () => RefusalCode | null;
  /** The metrics in Prometheus' text format, and its media type. */
  readonly metrics: { readonly contentType: string; read(): Promise<string> };
  /** What the dashboards draw; without it there is no stream. */
  readonly sampler?: Sampler;
  /** What the pages are told; without it none are served. */
  readonly pages?: () => PageSettings;
}

/** Builds the API; the caller listens and closes. */
export async function createHttpApi(options: HttpApiOptions): Promise<FastifyInstance> {
  const { rooms, store, tally, maxText, corsOrigins, metrics, notReady } = options;
  const app = Fastify({
    logger: false,
    bodyLimit: options.maxBody,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    routerOptions: { maxParamLength: LONGEST_NAME },
    // A path that cannot be decoded names no room.
    frameworkErrors: (_error, request, reply) => {
      reply.headers(corsHeaders(request.headers.origin, corsOrigins));
      sendRefusal(reply, { code: 'ROOM_NAME_INVALID' });
    },
    clientErrorHandler: (error, socket) => {
      const problem = describeProblem({ code: 'BAD_REQUEST' });
      const body = JSON.stringify(problem);
      const origin = /\norigin:[ \t]*([^\s]+)/i.exec(String(error.rawPacket))?.[1];
      const cors = Object.entries(corsHeaders(origin, corsOrigins)).map(([name, value]) => `${name}: ${value}\r\n`);
      const head = `HTTP/1.1 400 Bad Request\r\nContent-Type: ${PROBLEM_TYPE}\r\nContent-Length: ${body.length}\r\n${cors.join('')}`;
      if (socket.writable) socket.end(`${head}Connection: close\r\n\r\n${body}`, () => socket.destroy());
      else socket.destroy();
    },
  });
  // Before everything that refuses, so that a page can read why it was.
  if (corsOrigins.length > 0) {
    const origin = corsOrigins.includes('*') ? '*' : [...corsOrigins];
    await app.register(cors, { origin, methods: ['GET', 'HEAD', 'POST', 'DELETE'] });
  }
  guardHost(app, options);
  readJsonBodies(app);
  app.addHook('onRequest', async (request, reply) => {
    const alive = request.url === '/healthz' || request.url === '/readyz';
    if (!alive && options.isOpen?.() === false) return sendRefusal(reply, { code: 'NOT_READY' });
  });
  refuseOtherMethods(app);
  app.setNotFoundHandler((_request, reply) => sendRefusal(reply, { code: 'NOT_FOUND' }));
  app.setErrorHandler((error: FastifyError | VolleyError, _request, reply) => {
    const code = codeOf(error);
    if (code === 'INTERNAL' || error instanceof VolleyError) options.logger.error({ err: error }, 'a request failed');
    tally.refuse(code);
    return sendRefusal(reply, { code });
  });
  const reading = { store, turns: new TurnQueue(), answers: new LongAnswers(app, options.logger) };
  serveCommentIntake(app, { rooms, tally, maxText });
  serveRooms(app, rooms, store);
  serveHistory(app, { ...reading, tally });
  serveRecall(app, { store, tally, logger: options.logger });
  serveDplayer(app, { ...reading, rooms, tally, maxText });
  if (options.sampler !== undefined) serveDashboard(app, options.sampler);
  if (options.pages !== undefined) await servePages(app, { settings: options.pages, logger: options.logger });
  app.get('/healthz', () => ({ status: 'ok' }));
  app.get('/readyz', (_request, reply) => {
    const code = notReady();
    return code === null ? { status: 'ready' } : sendRefusal(reply, { code });
  });
  app.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.read()));
  return app;
}

/** What `@fastify/cors` sets in a hook, for answers to what no hook ever sees. */
function corsHeaders(origin: string | undefined, allowed: readonly string[]): Record<string, string> {
  if (allowed.includes('*')) return { 'Access-Control-Allow-Origin': '*' };
  if (allowed.length === 0) return {};
  const isAllowed = origin !== undefined && allowed.includes(origin);
  return { Vary: 'Origin', ...(isAllowed ? { 'Access-Control-Allow-Origin': origin } : {}) };
}

/** What fastify refuses by itself, in our codes, and what a store answers a read with that it cannot do. */
function codeOf(error: FastifyError | VolleyError): RefusalCode {
  if (error instanceof VolleyError) return error.code in REFUSALS ? refusalOf(error) : 'INTERNAL';
  if (error.statusCode === 413) return 'TOO_LARGE';
  if (error.statusCode === 415) return 'UNSUPPORTED_MEDIA_TYPE';
  return error.statusCode !== undefined && error.statusCode < 500 ? 'BAD_REQUEST' : 'INTERNAL';
}
