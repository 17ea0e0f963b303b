/**
 * The HTTP API, on the main thread and its own port. Every error is a problem document (RFC 9457) with a `code`,
 * except DPlayer's.
 */
import { isIP, isIPv6 } from 'node:net';
import cors from '@fastify/cors';
import Fastify, { type FastifyError, type FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import type { Clock } from '../clock.ts';
import { REFUSALS, type Refusal, type RefusalCode, refusalOf, VolleyError } from '../codes.ts';
import { countRefused, type MainCounters } from '../counters.ts';
import { BodyRefused, readJsonBodies } from '../intake/body.ts';
import { serveCommentIntake, serveRecall } from '../intake/comments.ts';
import { serveDplayer } from '../intake/dplayer.ts';
import type { Sampler } from '../metrics/sampler.ts';
import { sendRefusal } from '../problem.ts';
import type { Rooms } from '../rooms/rooms.ts';
import type { Store } from '../store/store.ts';
import { TurnQueue } from '../turn-queue.ts';
import { ApiConnections } from './connections.ts';
import { serveDashboard } from './dashboard.ts';
import { serveHistory } from './history.ts';
import { type PageSettings, servePages } from './pages.ts';
import { serveRooms } from './rooms.ts';
import { createApiServer, type RequestTimes } from './server.ts';
import { LongAnswers } from './stream.ts';

/** When a client that is refused may try again, in ms. */
const RETRY_MS = 1_000;

/** Longer names are refused by the room's own rule; this only keeps them from looking like another path. */
const LONGEST_NAME = 8_192;

export interface HttpApiOptions extends HostOptions {
  readonly rooms: Rooms;
  readonly store: Store;
  readonly counters: MainCounters;
  readonly logger: Logger;
  readonly maxBody: number;
  readonly maxText: number;
  /** Most connections now; no bound where left out. */
  readonly mostConnections?: () => number;
  /** Tests move it by hand, and shorten what clients may take. */
  readonly clock?: Clock;
  readonly times?: RequestTimes;
  /** False until the store is open: the API has its port before, and answers NOT_READY then. Always true where left out. */
  readonly isOpen?: () => boolean;
  /** Why the server takes no viewers now, null when it does. */
  readonly notReady: () => RefusalCode | null;
  /** The metrics in Prometheus' text format, and its media type. */
  readonly metrics: { readonly contentType: string; read(): Promise<string> };
  /** What the dashboards draw; without it there is no stream. */
  readonly sampler?: Pick<Sampler, 'history' | 'listen' | 'describeRoom'>;
  /** What the pages are told; without it none are served. */
  readonly pages?: PageSettings;
}

/** Builds the API; the caller listens and closes. */
export async function createHttpApi(options: HttpApiOptions): Promise<FastifyInstance> {
  const { rooms, store, counters, logger, clock, maxText, maxBody, corsOrigins, metrics, notReady } = options;
  const { times, mostConnections: most } = options;
  const connections = new ApiConnections({ counters, logger, clock, most });
  const corsOf = (origin: string | undefined): Record<string, string> => corsHeaders(origin, corsOrigins);
  const app = Fastify({
    logger: false,
    // Called once for each address of the host.
    serverFactory: (handle) => createApiServer(handle, { connections, counters, logger, times, cors: corsOf }),
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    routerOptions: { maxParamLength: LONGEST_NAME },
    // A path that cannot be decoded names no room.
    frameworkErrors: (_error, request, reply) => {
      reply.headers(corsOf(request.headers.origin));
      sendRefusal(reply, { code: 'ROOM_NAME_INVALID' });
    },
    // Each server has its own.
    clientErrorHandler: () => undefined,
  });
  // Before everything that refuses, so that a page can read why it was.
  if (corsOrigins.length > 0) {
    const origin = corsOrigins.includes('*') ? '*' : [...corsOrigins];
    await app.register(cors, { origin, methods: ['GET', 'HEAD', 'POST', 'DELETE'] });
  }
  guardHost(app, options);
  readJsonBodies(app, { counters, maxBody });
  app.addHook('onRequest', async (request, reply) => {
    if (request.url === '/healthz' || request.url === '/readyz') return;
    if (options.isOpen?.() === false) return sendRefusal(reply, { code: 'NOT_READY' });
    if (connections.hasRoom()) return;
    countRefused(counters, 'BUSY');
    return sendRefusal(reply, { code: 'BUSY', retryAfterMs: RETRY_MS });
  });
  app.addHook('onSend', (request, _reply, payload, done) => {
    connections.answering(request.raw.socket, payload);
    done();
  });
  refuseOtherMethods(app);
  app.setNotFoundHandler((_request, reply) => sendRefusal(reply, { code: 'NOT_FOUND' }));
  app.setErrorHandler((error: FastifyError | VolleyError | BodyRefused, request, reply) => {
    const refusal = refusalTo(error);
    // The client went away in the middle of its request: nobody is refused anything.
    if (request.raw.destroyed && error instanceof BodyRefused) return sendRefusal(reply, refusal);
    if (refusal.code === 'INTERNAL' || error instanceof VolleyError) logger.error({ err: error }, 'a request failed');
    countRefused(counters, refusal.code);
    return sendRefusal(reply, refusal);
  });
  const onCut = (): void => {
    counters.cutSlowAnswer += 1;
  };
  const reading = { store, turns: new TurnQueue(), answers: new LongAnswers(app, logger, { clock, onCut }) };
  const taking = { rooms, counters, maxText, bodyTurns: new TurnQueue() };
  serveCommentIntake(app, taking);
  serveRooms(app, { rooms, store, clock });
  serveHistory(app, { ...reading, counters });
  serveRecall(app, { store, counters, logger });
  serveDplayer(app, { ...reading, ...taking });
  if (options.sampler !== undefined) serveDashboard(app, options.sampler);
  if (options.pages !== undefined) servePages(app, { settings: options.pages, logger });
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

/** What the reader of a body or fastify refuses, in our codes, and what a store answers a read with that it cannot do. */
function refusalTo(error: FastifyError | VolleyError | BodyRefused): Refusal {
  if (error instanceof BodyRefused) return error.refusal;
  if (error instanceof VolleyError) return { code: error.code in REFUSALS ? refusalOf(error) : 'INTERNAL' };
  if (error.statusCode === 415) return { code: 'UNSUPPORTED_MEDIA_TYPE' };
  return { code: error.statusCode !== undefined && error.statusCode < 500 ? 'BAD_REQUEST' : 'INTERNAL' };
}

/** Paths of one shape, and the methods that they take. */
interface Shape {
  readonly pattern: RegExp;
  readonly methods: Set<string>;
}

/**
 * Answers 405 with `Allow` where a path is known and the method is not one of its own, before the body is read. Call it
 * before the routes are added.
 */
function refuseOtherMethods(app: FastifyInstance): void {
  const shapes = new Map<string, Shape>();
  app.addHook('onRoute', ({ url, method }) => {
    // The plugin for CORS takes OPTIONS of everything.
    if (url.includes('*')) return;
    const shape = shapes.get(url) ?? { pattern: patternOf(url), methods: new Set() };
    shapes.set(url, shape);
    for (const name of [method].flat()) shape.methods.add(name);
  });
  app.addHook('onRequest', async (request, reply) => {
    if (!request.is404) return;
    const [path = ''] = request.url.split('?');
    const methods = [...shapes.values()]
      .filter(({ pattern }) => pattern.test(path))
      .flatMap((shape) => [...shape.methods]);
    if (methods.length === 0) return;
    return sendRefusal(reply.header('Allow', methods.join(', ')), { code: 'METHOD_NOT_ALLOWED' });
  });
}

/** `/rooms/:room` → what one segment in its place looks like. */
function patternOf(url: string): RegExp {
  return new RegExp(`^${url.replaceAll(/[.+]/g, '\\$&').replaceAll(/:\w+/g, '[^/]+')}$`);
}

/** By what names the API may be called, beside those that are nobody's in public; and who hears of others. */
export interface HostOptions {
  readonly counters: MainCounters;
  readonly logger: Logger;
  /** `--host`. */
  readonly host?: string;
  /** `--public-url`, '' for none. */
  readonly publicUrl?: string;
  readonly corsOrigins: readonly string[];
}

/**
 * Refuses with `HOST_UNKNOWN` what a page sends whose host name was made to point at this machine (DNS rebinding): for
 * its browser the API is the page's own origin. Only where the API is bound to a loopback address, and only names that
 * come with the API's own port: such a page cannot leave it out, and what a reverse proxy hands on from its own port
 * has none or another. On port 80 the two are alike, and nothing is refused.
 */
function guardHost(app: FastifyInstance, options: HostOptions): void {
  const { counters, logger, host = '', publicUrl = '', corsOrigins } = options;
  if (corsOrigins.includes('*')) return;
  const urls = publicUrl === '' ? corsOrigins : [publicUrl, ...corsOrigins];
  const known = new Set([host.toLowerCase(), ...urls.map((url) => new URL(url).hostname)]);
  let port = -1;
  let isSaid = false;

  app.addHook('onListen', async () => {
    const bound = app.server.address();
    if (typeof bound === 'object' && bound !== null && isLoopback(bound.address)) port = bound.port;
  });
  app.addHook('onRequest', async (request, reply) => {
    const [, name = '', given] = /^(.*):(\d{1,5})$/.exec(request.headers.host?.toLowerCase() ?? '') ?? [];
    if (given === undefined || Number(given) !== port || isOwn(name) || known.has(name.replace(/\.$/, ''))) return;
    countRefused(counters, 'HOST_UNKNOWN');
    if (!isSaid) logger.warn({ host: request.headers.host }, 'refused a host name that is not known, and will again');
    isSaid = true;
    return sendRefusal(reply, { code: 'HOST_UNKNOWN' });
  });
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.replace(/^::ffff:/, '').startsWith('127.');
}

/** Addresses, and names that nobody can have in public: without a dot, or below a domain that is kept for private use. */
function isOwn(name: string): boolean {
  const bare = name.replace(/\.$/, '');
  if (isIP(name) !== 0 || isIPv6(name.slice(1, -1))) return true;
  return /^[a-z0-9_-]+$/.test(bare) || /\.(localhost|localdomain|internal)$/.test(bare);
}
