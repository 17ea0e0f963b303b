/**
 * DPlayer's danmaku API, version 3, so that a stock DPlayer works against volley: `danmaku: { id: ROOM, api: '…/dplayer/' }`.
 * As its source has it (dplayer 1.27.1, src/js/danmaku.js and api.js): it reads `{api}v3/?id=ID&max=N`, posts JSON to
 * `{api}v3/`, shows `msg` of an answer whose `code` is not 0, and shows nothing of an answer whose status is not 2xx.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { RefusalCode } from '../codes.ts';
import { BOUNDS, type Comment, isRoomName, MODES } from '../comment.ts';
import { parseWhole, placeOf } from '../comment-id.ts';
import { countRefused } from '../counters.ts';
import { type ExportFormat, renderExport } from '../exports/export-format.ts';
import { type HistorySource, type Place, WHOLE_HISTORY, walkHistory } from '../exports/history.ts';
import { isGone, type Problem, sendRefusal } from '../problem.ts';
import { parseJson } from './body.ts';
import { largestComment } from './comment-list.ts';
import { type CommentRoutesOptions, Posting, readDraft, takeIn } from './comments.ts';

const PATHS = ['/dplayer/v3/', '/dplayer/v3'] as const;

const DEFAULT_MAX = 1_000;
const MOST_COMMENTS = 10_000;

/** The latest `time` in s: a DASH live stream may count from 1970, nothing counts from earlier. */
const MOST_TIME = 9_999_999_999;

/** What DPlayer's manual writes for the types 0, 1, 2, which are the places in {@link MODES} too. */
const TYPE_NAMES = ['right', 'top', 'bottom'];

export interface DplayerOptions extends CommentRoutesOptions, Pick<HistorySource, 'store' | 'turns'> {
  /** Sends a long answer piece by piece. */
  readonly answers: { send(reply: FastifyReply, type: string, pieces: AsyncGenerator<string, undefined>): unknown };
}

type ReadRequest = FastifyRequest<{ Querystring: Partial<Record<'id' | 'max' | 'limit', string | string[]>> }>;
type PostRequest = FastifyRequest<{ Body: Buffer | undefined }>;

/**
 * `GET` and `POST /dplayer/v3/`. A refusal, which is a problem document everywhere else, is 200
 * `{"code":1,"msg","error"}` here, whoever refuses: `error` is volley's code.
 */
export function serveDplayer(app: FastifyInstance, options: DplayerOptions): void {
  const onSend = async (_request: unknown, reply: FastifyReply, payload: unknown): Promise<unknown> => {
    if (reply.statusCode < 400 || typeof payload !== 'string') return payload;
    const { code, detail } = JSON.parse(payload) as Problem;
    reply.code(200).type('application/json');
    return JSON.stringify({ code: 1, msg: MESSAGES.get(code) ?? detail, error: code });
  };
  for (const path of PATHS) {
    app.get(path, { onSend }, (request: ReadRequest, reply) => sendNewest(request, reply, options));
    app.post(path, { onSend }, (request: PostRequest, reply) => takePost(request, reply, options));
  }
}

/** Refusals in the words of DPlayer's fields; people read them over the video. */
const MESSAGES: ReadonlyMap<string, string> = new Map<RefusalCode, string>([
  ['ROOM_NAME_INVALID', 'id must be 1 to 64 of the characters A-Z, a-z, 0-9 and . _ : -, or a whole number below 2^53'],
  ['LIMIT_INVALID', 'max must be a whole number, 1 or more'],
  ['MODE_INVALID', 'type must be 0 (scroll), 1 (top) or 2 (bottom)'],
  ['COLOR_INVALID', 'color must be a whole number from 0 to 16777215 or like #ff00ff'],
  ['NAME_INVALID', 'author must be text without control characters, or a whole number below 2^53'],
]);

/** Stores one comment; answers once the store holds it. */
async function takePost({ body }: PostRequest, reply: FastifyReply, options: DplayerOptions): Promise<unknown> {
  const posted = readPost(body, options.maxText);
  if (typeof posted === 'string') {
    countRefused(options.counters, posted);
    return sendRefusal(reply, { code: posted });
  }
  const posting = new Posting(1);
  takeIn(posted.room, [readDraft(posted.comment, options.maxText)], posting, options, true);
  await posting.settled();
  if (posting.accepted === 0) return sendRefusal(reply, posting.firstRefusal);
  return { code: 0, data: { id: posting.ids[0] } };
}

/** A body of DPlayer's as the comment that it stands for; what is in its fields is checked with every other comment. */
function readPost(bytes: Buffer | undefined, maxText: number): { room: string; comment: unknown } | RefusalCode {
  if (bytes === undefined) return 'NOT_JSON';
  if (bytes.length > largestComment(maxText)) return 'TOO_LARGE';
  const body = parseJson(bytes);
  if ('refused' in body) return body.refused;
  if (typeof body.value !== 'object' || body.value === null || Array.isArray(body.value)) return 'NOT_AN_OBJECT';
  const { id, author, time, text, color, type } = body.value as Record<string, unknown>;
  // A page may well give its danmaku a number as its id, which reads as text in the GET.
  const room = readNumberName(id);
  if (typeof room !== 'string' || !isRoomName(room)) return 'ROOM_NAME_INVALID';
  if (typeof time !== 'number' || !(time >= 0 && time <= MOST_TIME)) return 'TIME_INVALID';
  return {
    room,
    comment: {
      text,
      mode: readType(type),
      color: readColor(color),
      name: readAuthor(author),
      extra: dplayerExtra(time),
    },
  };
}

/** The form sends 0 to 2, a page that follows DPlayer's manual sends words. Null is no mode. */
function readType(type: unknown): unknown {
  if (type === undefined) return undefined;
  const place = typeof type === 'string' ? TYPE_NAMES.indexOf(type) : type;
  return (typeof place === 'number' && MODES[place]) || null;
}

/** The form sends a number, a page that follows DPlayer's manual `#b7daff`; without any DPlayer draws white. */
function readColor(color: unknown): unknown {
  if (color === null) return undefined;
  if (typeof color !== 'string') return color;
  const digits = /^#(?:[0-9a-f]{3}){1,2}$/i.test(color) ? color.slice(1) : '';
  return digits === '' ? null : Number.parseInt(digits.length === 3 ? digits.replace(/./g, '$&$&') : digits, 16);
}

/**
 * The author is a setting of the page, which DPlayer never shows: whoever types a comment can neither see nor change it.
 * So a long one is cut, where a refusal would shut this viewer out for good.
 */
function readAuthor(author: unknown): unknown {
  if (author === null) return undefined;
  const name = readNumberName(author);
  if (typeof name !== 'string') return name;
  // 32 code points are at most 64 units; a pair that this first cut parts is behind them.
  return Array.from(name.slice(0, BOUNDS.name * 2))
    .slice(0, BOUNDS.name)
    .join('');
}

/**
 * A name that may have been sent as a number, as text. JSON's numbers hold 53 bits: a larger one has been rounded on
 * the way to that of somebody else, so it stays what it is, which no name may be.
 */
function readNumberName(value: unknown): unknown {
  return Number.isSafeInteger(value) ? String(value) : value;
}

/** Answers with the newest comments, written as they are read: neither a long room nor a slow reader holds much. */
async function sendNewest(request: ReadRequest, reply: FastifyReply, options: DplayerOptions): Promise<unknown> {
  const { id: room, max, limit } = request.query;
  if (typeof room !== 'string' || !isRoomName(room)) return sendRefusal(reply, { code: 'ROOM_NAME_INVALID' });
  const asked = max ?? limit ?? String(DEFAULT_MAX);
  const most = typeof asked === 'string' ? parseWhole(asked) : null;
  if (most === null || most === 0) return sendRefusal(reply, { code: 'LIMIT_INVALID' });
  const source = { store: options.store, turns: options.turns, room, isGone: () => isGone(reply) };
  return options.answers.send(reply, DPLAYER_TYPE, renderNewest(source, Math.min(most, MOST_COMMENTS)));
}

/** The answer in chunks. The times count from the oldest, which is known only once all have been counted from the end. */
async function* renderNewest(source: HistorySource, limit: number): AsyncGenerator<string, undefined> {
  const range = { ...WHOLE_HISTORY, limit };
  let oldest: Comment | undefined;
  for await (const piece of walkHistory(source, { ...range, newestFirst: true })) oldest = piece.at(-1);
  if (oldest === undefined) {
    const { head, foot } = new DplayerExport(0);
    yield head + foot;
    return;
  }
  const newest = walkHistory(source, { ...range, after: placeBefore(oldest.id) });
  yield* renderExport(new DplayerExport(oldest.at), newest);
}

/** The place just before a comment's: -1 in its batch where it is the first. */
function placeBefore(id: string): Place {
  const { seq, place } = placeOf(id);
  return { seq, place: place - 1 };
}

const DPLAYER_TYPE = 'application/json; charset=utf-8';

/** The place in a video, in s, as it stands in the `extra` of a comment that a DPlayer sent. */
const TIME = /^dplayer:(\d{1,10}(?:\.\d{1,3})?)$/;

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** `extra` of a comment that a DPlayer sent at `seconds`, 0 to 9,999,999,999, of its video; kept to the ms. */
function dplayerExtra(seconds: number): string {
  return `dplayer:${Math.round(seconds * 1_000) / 1_000}`;
}

/**
 * The answer that DPlayer reads: `{"code":0,"data":[[time,type,color,author,text],…]}`, its types being the places in
 * {@link MODES}. A comment that was not sent by a DPlayer has no place in a video, so it plays as the room did: `time` is
 * the seconds after `origin`, which is Unix ms.
 */
class DplayerExport implements ExportFormat {
  readonly contentType = DPLAYER_TYPE;
  readonly extension = 'json';
  readonly head = '{"code":0,"data":[';
  readonly foot = ']}';
  readonly #origin: number;
  #comma = '';

  constructor(origin: number) {
    this.#origin = origin;
  }

  render(comments: readonly Comment[]): string {
    let text = '';
    for (const { extra = '', at, mode, color, name, text: said } of comments) {
      const sent = TIME.exec(extra)?.[1];
      const time = sent === undefined ? Math.max(0, at - this.#origin) / 1_000 : Number(sent);
      const row = [time, MODES.indexOf(mode), color, escapeHtml(name), escapeHtml(said)];
      text += this.#comma + JSON.stringify(row);
      this.#comma = ',';
    }
    return text;
  }
}

/** DPlayer makes HTML of what it is given. For text and attribute values in either kind of quotes. */
function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}
