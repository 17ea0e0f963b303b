import { createServer, type RequestListener, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import type { RefusalCode } from '../codes.ts';
import { countRefused, type MainCounters } from '../counters.ts';
import { describeProblem, PROBLEM_TYPE, writeProblem } from '../problem.ts';
import type { ApiConnections } from './connections.ts';

/** Bytes of a request's line and headers. */
const HEAD_BYTES = 16_384;

/** What a client may take for them, for a whole request, and between two requests, in ms. */
const HEAD_MS = 10_000;
const REQUEST_MS = 30_000;
const IDLE_MS = 72_000;

/** How often Node looks at the first two, in ms: they may take so much longer. */
const LOOK_MS = 1_000;

/** What a client may take, in ms. Tests shorten it. */
export interface RequestTimes {
  /** From its connection, or from the first byte of a later request, to the end of a request's head. */
  readonly head: number;
  /** To the end of the request's body. */
  readonly request: number;
  /** Between two requests. */
  readonly idle: number;
  readonly look: number;
}

const REQUEST_TIMES: RequestTimes = { head: HEAD_MS, request: REQUEST_MS, idle: IDLE_MS, look: LOOK_MS };

export interface ApiServerOptions {
  readonly connections: ApiConnections;
  readonly counters: MainCounters;
  readonly logger: Logger;
  readonly times?: RequestTimes | undefined;
  /** The headers that let a page of `origin` read a refusal. */
  readonly cors: (origin: string | undefined) => Readonly<Record<string, string>>;
}

/** What Node tells of a connection that it gives up. */
interface ClientError extends NodeJS.ErrnoException {
  /** What it has read of the request last. */
  readonly rawPacket?: Buffer;
}

/** An HTTP server with bounds on what clients may have it hold, and with problem documents where Node has bare answers. */
export function createApiServer(handle: RequestListener, options: ApiServerOptions): Server {
  const { connections, counters, logger, cors, times = REQUEST_TIMES } = options;
  const server = createServer({
    maxHeaderSize: HEAD_BYTES,
    headersTimeout: times.head,
    requestTimeout: times.request,
    keepAliveTimeout: times.idle,
    connectionsCheckingInterval: times.look,
    // Checked below: Node's own answer has no body.
    requireHostHeader: false,
  });
  const refuse = (code: RefusalCode): RequestListener => {
    const problem = describeProblem({ code });
    return (request, response) => {
      connections.begin(request, response);
      countRefused(counters, code);
      const headers = { ...cors(request.headers.origin), 'Content-Type': PROBLEM_TYPE, Connection: 'close' };
      response.writeHead(problem.status, headers);
      response.end(JSON.stringify(problem));
    };
  };
  const refuseHost = refuse('BAD_REQUEST');
  server.on('connection', (socket: Socket) => connections.admit(socket));
  server.on('request', (request, response) => {
    if (request.headers.host === undefined && request.httpVersion === '1.1') return refuseHost(request, response);
    connections.begin(request, response);
    handle(request, response);
  });
  server.on('checkExpectation', refuse('EXPECTATION_FAILED'));
  server.on('clientError', (error: ClientError, socket: Socket) => {
    // Behind the head of an answer nothing can be said any more.
    if (error.code === 'ECONNRESET' || connections.isAnswering(socket)) {
      socket.destroy();
      return;
    }
    const code = codeOf(error);
    if (code === 'REQUEST_TIMEOUT') connections.timedOut();
    // Most who end their side in the middle of a request are gone.
    if (error.code !== 'HPE_INVALID_EOF_STATE') countRefused(counters, code);
    const [, origin] = /\norigin:[ \t]*([^\s]+)/i.exec(String(error.rawPacket)) ?? [];
    writeProblem(socket, { code }, cors(origin));
  });
  // For want of files, say. The connection waits, or the system drops it; those that there are go on.
  server.on('error', (error) => {
    if (!server.listening) return;
    counters.faultsAccept += 1;
    logger.error({ err: error }, 'a connection to the API could not be accepted');
  });
  return server;
}

/** The code of what Node could not read, or would not wait for. */
function codeOf({ code }: NodeJS.ErrnoException): RefusalCode {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'REQUEST_TIMEOUT';
  return code === 'HPE_HEADER_OVERFLOW' ? 'HEADERS_TOO_LARGE' : 'BAD_REQUEST';
}
