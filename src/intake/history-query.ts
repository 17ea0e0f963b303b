import type { RefusalCode } from '../codes.ts';
import { parseCommentId } from '../comment-id.ts';
import type { HistoryRange, Place } from '../exports/history.ts';
import { parseWhole } from './number-check.ts';

const DEFAULT_LIMIT = 100;
const MOST_LIMIT = 1_000;

const FORMATS = ['json', 'ndjson', 'xml', 'ass'] as const;

export type HistoryFormat = (typeof FORMATS)[number];

/** The query string as fastify gives it: what is given twice comes as an array. */
export type RawQuery = Readonly<
  Partial<Record<'since' | 'until' | 'limit' | 'order' | 'format' | 'origin', string | string[]>>
>;

/** What a query asks for. */
export interface HistoryQuery {
  readonly format: HistoryFormat;
  readonly range: HistoryRange;
  /** Unix ms at which a recording begins; null for the first comment's. */
  readonly origin: number | null;
}

/** Reads a query, or gives the code of the first thing that is wrong with it. */
export function readHistoryQuery(raw: RawQuery): HistoryQuery | RefusalCode {
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
