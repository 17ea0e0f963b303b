import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type Comment, isRoomName } from '../comment.ts';
import { AssExport } from '../exports/ass-export.ts';
import { type ExportFormat, renderExport } from '../exports/export-format.ts';
import { type HistorySource, walkHistory } from '../exports/history.ts';
import { NdjsonExport } from '../exports/ndjson-export.ts';
import { XmlExport } from '../exports/xml-export.ts';
import type { Tally } from '../metrics/tally.ts';
import type { Store } from '../store/store.ts';
import type { TurnQueue } from '../turn-queue.ts';
import { type HistoryFormat, type HistoryQuery, type RawQuery, readHistoryQuery } from './history-query.ts';
import { sendRefusal } from './http-refusal.ts';
import { isGone, type LongAnswers } from './http-stream.ts';

type ReadRequest = FastifyRequest<{ Params: { room: string }; Querystring: RawQuery }>;

/** Pages that are being read when another is refused `BUSY`: it would wait for seconds. */
const MOST_PAGES = 500;

/** When a client that is refused may try again, in ms. */
const RETRY_MS = 1_000;

export interface HistoryOptions {
  readonly store: Store;
  /** Shared by all who read much, so that together they hold nothing up for longer than one does. */
  readonly turns: TurnQueue;
  readonly answers: LongAnswers;
  readonly tally: Tally;
}

/** A page of comments as it is answered. */
interface Page {
  readonly room: string;
  /** The room's newest batch. */
  readonly seq: number;
  readonly comments: readonly Comment[];
  /** Where the next page begins: `since` of it, or `until` where the newest come first. */
  readonly next: string;
  readonly more: boolean;
}

/** `GET /rooms/:room/comments`: a page of what is kept as JSON, or all of it as a document that is streamed. */
export function serveHistory(app: FastifyInstance, { store, turns, answers, tally }: HistoryOptions): void {
  let pages = 0;
  app.get('/rooms/:room/comments', async (request: ReadRequest, reply) => {
    const { room } = request.params;
    if (!isRoomName(room)) return sendRefusal(reply, { code: 'ROOM_NAME_INVALID' });
    const query = readHistoryQuery(request.query);
    if (typeof query === 'string') return sendRefusal(reply, { code: query });
    const source = { store, turns, room, isGone: () => isGone(reply) };
    if (query.format === 'json') {
      if (pages >= MOST_PAGES) {
        tally.refuse('BUSY');
        return sendRefusal(reply, { code: 'BUSY', retryAfterMs: RETRY_MS });
      }
      pages += 1;
      try {
        return await readPage(source, query, request.query);
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

async function readPage(
  source: HistorySource,
  { range }: HistoryQuery,
  { since = '0', until }: RawQuery,
): Promise<Page> {
  const { store, room } = source;
  const found: Comment[] = [];
  // One more than the page holds tells whether there is another.
  for await (const piece of walkHistory(source, { ...range, limit: range.limit + 1 })) found.push(...piece);
  const comments = found.slice(0, range.limit);
  const { seq } = await store.head(room);
  const here = range.newestFirst ? (until ?? String(seq + 1)) : since;
  return { room, seq, comments, next: comments.at(-1)?.id ?? String(here), more: found.length > comments.length };
}
