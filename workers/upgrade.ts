import { STATUS_CODES } from 'node:http';
import type { RefusalCode } from '../src/codes.ts';
import { isRoomName } from '../src/comment.ts';
import { parseWhole } from '../src/comment-id.ts';
import { chooseCodec, SUBPROTOCOLS } from '../src/frames/codec.ts';
import { describeProblem, PROBLEM_TYPE } from '../src/problem.ts';
import type { JoinPoint } from '../src/shards/messages.ts';
import type { HttpRequest, HttpResponse } from './uws.ts';
import { Viewer } from './viewer.ts';

/** Everything below this path is a room. */
export const ROOMS_PATH = '/rooms/';

/** A handshake that was accepted: the viewer to be, and the subprotocol to answer ('' when none was offered). */
export interface Accepted {
  readonly viewer: Viewer;
  readonly subprotocol: string;
}

/** Reads a handshake: whom to let in, or the code of what is wrong. Copies what it needs out of `req`. */
export function readHandshake(req: HttpRequest): Accepted | RefusalCode {
  const room = readName(req.getUrl().slice(ROOMS_PATH.length));
  if (room === null) return 'ROOM_NAME_INVALID';
  const offered = readOffered(req);
  const codec = chooseCodec(offered);
  if (codec === null) return 'UNKNOWN_SUBPROTOCOL';
  const point = readPoint(req.getQuery('since'), req.getQuery('history'));
  if (typeof point === 'string') return point;
  // Last, so that a client that asks over HTTP why its handshake was refused hears what else is wrong with it.
  if (req.getHeader('sec-websocket-version') !== '13') return 'UPGRADE_REQUIRED';
  return { viewer: new Viewer(room, codec, point), subprotocol: offered === '' ? '' : SUBPROTOCOLS[codec] };
}

/** The subprotocols that are offered, comma-separated. All lines are read only where the first has none that we know. */
function readOffered(req: HttpRequest): string {
  const first = req.getHeader('sec-websocket-protocol');
  if (first !== '' && chooseCodec(first) !== null) return first;
  const lines: string[] = [];
  req.forEach((name, value) => {
    if (name === 'sec-websocket-protocol' && value !== '') lines.push(value);
  });
  return lines.join(',');
}

/**
 * Names by the segment that they came in, so that a room's viewers share one string: of its own, each would take 24
 * bytes and more. Begun anew when full; whoever makes up names fills it and costs others only that.
 */
const known = new Map<string, string>();
const MOST_KNOWN = 1_024;

/** The room that a path segment names, null where it names none. */
function readName(segment: string): string | null {
  const name = known.get(segment) ?? decodeName(segment);
  if (name === null || known.has(segment)) return name;
  if (known.size === MOST_KNOWN) known.clear();
  known.set(segment, name);
  return name;
}

function decodeName(segment: string): string | null {
  let name: string;
  try {
    name = decodeURIComponent(segment);
  } catch (error) {
    if (error instanceof URIError) return null;
    throw error;
  }
  return isRoomName(name) ? name : null;
}

const NOW: JoinPoint = { kind: 'now' };

/** `since` beats `history`. */
function readPoint(since: string | undefined, history: string | undefined): JoinPoint | RefusalCode {
  if (since !== undefined) {
    const seq = parseWhole(since);
    return seq === null ? 'SINCE_INVALID' : { kind: 'since', seq };
  }
  if (history === undefined) return NOW;
  const comments = parseWhole(history);
  if (comments === null) return 'HISTORY_INVALID';
  return comments === 0 ? NOW : { kind: 'history', comments };
}

/** Lets pages of any origin read plain answers: there is nothing in them that is not for everybody. */
export const CORS = ['Access-Control-Allow-Origin', '*'] as const;

/** Answers a request with a refusal, as the HTTP API would, and closes the connection: no other request follows. */
export function answerProblem(
  res: HttpResponse,
  code: RefusalCode,
  headers: Record<string, string> = {},
  method = 'get',
): void {
  const problem = describeProblem({ code });
  res.cork(() => {
    res.writeStatus(`${problem.status} ${STATUS_CODES[problem.status]}`);
    res.writeHeader('Content-Type', PROBLEM_TYPE).writeHeader(...CORS);
    for (const [name, value] of Object.entries(headers)) res.writeHeader(name, value);
    const body = JSON.stringify(problem);
    if (method === 'head') endWithoutBody(res, Buffer.byteLength(body));
    else res.end(body, true);
  });
}

/** Ends the answer to a HEAD, for a body of so many bytes, and closes the connection. */
export function endWithoutBody(res: HttpResponse, bytes: number): void {
  // Before 20.57 the connection is closed before the answer counts as given: without a handler the process aborts.
  res.onAborted(() => undefined);
  res.endWithoutBody(bytes, true);
}
