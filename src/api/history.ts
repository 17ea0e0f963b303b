import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { RefusalCode } from '../codes.ts';
import { isRoomName } from '../comment.ts';
import { parseCommentId, parseWhole } from '../comment-id.ts';
import { countRefused, type MainCounters } from '../counters.ts';
import { AssExport } from '../exports/ass-export.ts';
import { type ExportFormat, NdjsonExport, renderExport } from '../exports/export-format.ts';
import { type HistoryRange, type HistorySource, type Place, walkHistory } from '../exports/history.ts';
import { XmlExport } from '../exports/xml-export.ts';
import { isGone, sendRefusal } from '../problem.ts';
import type { Store } from '../store/store.ts';
import type { TurnQueue } from '../turn-queue.ts';
import type { LongAnswers } from './stream.ts';

const DEFAULT_LIMIT = 100;
const MOST_LIMIT = 1_000;

const FORMATS = ['json', 'ndjson', 'xml', 'ass'] as const;

type HistoryFormat = (typeof FORMATS)[number];

/** The query string as fastify gives it: what is given twice comes as an array. */
type RawQuery = Readonly<
  Partial<Record<'since' | 'until' | 'limit' | 'order' | 'format' | 'origin', string | string[]>>
>;

/** What a query asks for. */
interface HistoryQuery {
  readonly format: HistoryFormat;
  readonly range: HistoryRange;
  /** Unix ms at which a recording begins; null for the first comment's. */
  readonly origin: number | null;
}

type ReadRequest = FastifyRequest<{ Params: { room: string }; Querystring: RawQuery }>;

/**
 * Bytes of a page, and one comment more: a page of the longest comments ends before its limit. Its reader may leave it
 * unread for a minute and a half.
 */
const PAGE_BYTES = 1_048_576;

/** Pages that are being read when another is refused `BUSY`: it would wait for seconds. */
const MOST_PAGES = 500;

/** When a client that is refused may try again, in ms. */
const RETRY_MS = 1_000;

export interface HistoryOptions {
  readonly store: Store;
  /** Shared by all who read much, so that together they hold nothing up for longer than one does. */
  readonly turns: TurnQueue;
  readonly answers: LongAnswers;
  readonly counters: MainCounters;
}

/** `GET /rooms/:room/comments`: a page of what is kept as JSON, or all of it as a document that is streamed. */
export function serveHistory(app: FastifyInstance, { store, turns, answers, counters }: HistoryOptions): void {
  let pages = 0;
  app.get('/rooms/:room/comments', async (request: ReadRequest, reply) => {
    const { room } = request.params;
    if (!isRoomName(room)) return sendRefusal(reply, { code: 'ROOM_NAME_INVALID' });
    const query = readHistoryQuery(request.query);
    if (typeof query === 'string') return sendRefusal(reply, { code: query });
    const source = { store, turns, room, isGone: () => isGone(reply) };
    if (query.format === 'json') {
      if (pages >= MOST_PAGES) {
        countRefused(counters, 'BUSY');
        return sendRefusal(reply, { code: 'BUSY', retryAfterMs: RETRY_MS });
      }
      pages += 1;
      try {
        const page = await readPage(source, query, request.query);
        return reply.type(PAGE_TYPE).send(page);
      } finally {
        pages -= 1;
      }
    }
    const format = createFormat(query.format, room, query.origin);
    const headers = { 'Content-Disposition': `attachment; filename="${nameFile(room)}.${format.extension}"` };
    return answers.send(reply, format.contentType, renderExport(format, walkHistory(source, query.range)), headers);
  });
}

/**
 * A name for a file, which needs no quoting, as no room's does: not hidden, as one that begins with a dot is, and
 * without the colon, behind which Windows looks for a stream of the file that is named before it.
 */
function nameFile(room: string): string {
  return room.replace(/^\.+|:/g, '_');
}

function createFormat(name: Exclude<HistoryFormat, 'json'>, room: string, origin: number | null): ExportFormat {
  if (name === 'ndjson') return new NdjsonExport();
  return name === 'xml' ? new XmlExport(room, origin) : new AssExport(room, origin);
}

const PAGE_TYPE = 'application/json; charset=utf-8';

/**
 * A page as JSON: `room`, `seq` (its newest batch), `comments`, `next` (where the next page begins: `since` of it, or
 * `until` where the newest come first) and `more`. Written piece by piece, each in the turn of the loop in which it was
 * read.
 */
async function readPage(
  source: HistorySource,
  { range }: HistoryQuery,
  { since = '0', until }: RawQuery,
): Promise<Buffer> {
  const { store, room } = source;
  const parts: Buffer[] = [];
  let count = 0;
  let bytes = 0;
  let last: string | undefined;
  let more = false;
  // One more than the page holds tells whether there is another.
  for await (const piece of walkHistory(source, { ...range, limit: range.limit + 1 })) {
    let text = '';
    for (const comment of piece) {
      more = count === range.limit || bytes + text.length >= PAGE_BYTES;
      if (more) break;
      text += `${count === 0 ? '' : ','}${JSON.stringify(comment)}`;
      count += 1;
      last = comment.id;
    }
    const part = Buffer.from(text);
    parts.push(part);
    bytes += part.length;
    if (more) break;
  }
  const { seq } = await store.head(room);
  const next = last ?? (range.newestFirst ? (until ?? String(seq + 1)) : since);
  const head = Buffer.from(`{"room":${JSON.stringify(room)},"seq":${seq},"comments":[`);
  return Buffer.concat([head, ...parts, Buffer.from(`],"next":${JSON.stringify(next)},"more":${more}}`)]);
}

/** Reads a query, or gives the code of the first thing that is wrong with it. */
function readHistoryQuery(raw: RawQuery): HistoryQuery | RefusalCode {
  const { since = '0', until, order = 'asc', format: named = 'json', origin: start } = raw;
  const format = FORMATS.find((known) => known === named);
  if (format === undefined) return 'FORMAT_INVALID';
  const after = parsePlace(since);
  if (after === null) return 'SINCE_INVALID';
  const before = until === undefined ? null : parsePlace(until);
  if (before === null && until !== undefined) return 'UNTIL_INVALID';
  const limit = readLimit(raw.limit, format === 'json');
  if (limit === null) return 'LIMIT_INVALID';
  const isTimed = format === 'xml' || format === 'ass';
  if (order !== 'asc' && (order !== 'desc' || isTimed)) return 'ORDER_INVALID';
  const origin = typeof start === 'string' ? parseWhole(start) : null;
  if (origin === null && start !== undefined) return 'ORIGIN_INVALID';
  const from = isTimed && origin !== null ? origin : Number.NEGATIVE_INFINITY;
  return { format, range: { after, before, newestFirst: order === 'desc', limit, from }, origin };
}

/** A page has a bound; a document of any size has one only where it is asked for. */
function readLimit(text: string | string[] | undefined, isPage: boolean): number | null {
  if (text === undefined) return isPage ? DEFAULT_LIMIT : Number.POSITIVE_INFINITY;
  const limit = typeof text === 'string' ? parseWhole(text) : null;
  return limit === null || limit < 1 || (isPage && limit > MOST_LIMIT) ? null : limit;
}

/** `42`: the batch 42; `42.7`: its comment 7. */
function parsePlace(text: string | string[]): Place | null {
  if (typeof text !== 'string') return null;
  if (text.includes('.')) return parseCommentId(text);
  const seq = parseWhole(text);
  return seq === null ? null : { seq, place: null };
}
