/** The only feeder: real comments, posted over HTTP, at a steady pace or at moments drawn at random. */
import { readFileSync } from 'node:fs';
import { Agent, type ClientRequest, request } from 'node:http';
import { parseRecording, type RecordedComment, RecordingError } from '../../scripts/bilibili-xml.ts';
import { checkComment } from '../../src/comment-check.ts';
import { compiledFile } from '../../src/compiled-file.ts';
import { seeded } from '../../src/seeded.ts';
import { makePace } from '../load/senders.ts';
import { addTo, benchNow, sumOf } from '../load/tally.ts';
import { BenchError } from '../options.ts';

export const SAMPLE = compiledFile('../bench/comments.xml');

/** The server's default `--max-text`. */
const MAX_TEXT = 200;

/**
 * Reads the comments of a Bilibili XML recording that a server with default settings accepts, and counts the entries
 * that it would refuse.
 * @throws BenchError when the file cannot be read, is no such recording, or holds no such comment
 */
export function readComments(file = SAMPLE): { comments: readonly RecordedComment[]; leftOut: number } {
  const { moments, leftOut } = readRecording(file);
  const all = moments.map(({ comment }) => comment);
  const comments = all.filter((comment) => typeof checkComment(comment, MAX_TEXT, 'full') === 'object');
  if (comments.length === 0)
    throw new BenchError(`the comments file ${file} has no comment that the server would take`);
  return { comments, leftOut: sumOf(leftOut) + all.length - comments.length };
}

function readRecording(file: string): ReturnType<typeof parseRecording> {
  try {
    const xml = readFileSync(file, 'utf8');
    if (xml.trim() === '') throw new BenchError(`the comments file ${file} is empty`);
    return parseRecording(xml);
  } catch (error) {
    if (error instanceof BenchError) throw error;
    const what = error instanceof RecordingError ? `used: ${error.message}` : `read (${(error as Error).message})`;
    throw new BenchError(`the comments file ${file} cannot be ${what}`);
  }
}

/** One post: the comments of one room that have come due. Times in ms since the feed began. */
export interface DuePost {
  readonly room: number;
  readonly at: number;
  /** When each of its comments was due, rising, none above `at`; may be empty. */
  readonly due: readonly number[];
}

type Schedule = Iterator<DuePost, never, undefined>;

/** `comments` comments to every room each `every` ms, the first at once. */
export function* steadySchedule(rooms: number, comments: number, every: number): Generator<DuePost, never, undefined> {
  for (let turn = 0; ; turn += 1) {
    const at = turn * every;
    for (let room = 0; room < rooms; room += 1) yield { room, at, due: new Array<number>(comments).fill(at) };
  }
}

/** Any number: two runs post at the same times. */
const SEED = 20_261_123;

/**
 * Each comment is due at a time of its own, drawn within its share of a second, so that over a run comments meet every
 * moment of the server's interval alike. A room whose comments are less than a gap apart has one post each gap, at a
 * time drawn within it, with what is due by then; otherwise each comment is posted when it is due.
 * @param rate comments a second in each room
 * @param gap ms
 */
export function* randomSchedule(rooms: number, rate: number, gap: number): Generator<DuePost, never, undefined> {
  const random = seeded(SEED);
  const isSingle = gap <= 1_000 / rate;
  const length = isSingle ? 1_000 / rate : gap;
  const paces = Array.from({ length: isSingle ? 0 : rooms }, () => makePace(rate, 0, 0, random));
  for (let turn = 0; ; turn += 1) {
    const posts = Array.from({ length: rooms }, (_, room) => ({ room, at: (turn + random()) * length }));
    posts.sort((one, other) => one.at - other.at);
    for (const { room, at } of posts) yield { room, at, due: isSingle ? [at] : (paces[room]?.(at) ?? []) };
  }
}

/** Posts a second that the bench can make without being the limit. */
const MOST_POSTS = 500;
const LEAST_GAP_MS = 10;
const MOST_GAP_MS = 100;

/** A room has at most so many posts in an interval, as those that wait for the store each hold a socket. */
const MOST_IN_INTERVAL = 200;

/**
 * The ms between two posts to a room: as few as the number of rooms allows, since the wait of a comment for its post
 * counts as latency; never more than 100 or the server's interval.
 */
export function chooseGap({ rooms, interval }: { rooms: number; interval: number }): number {
  const affordable = Math.max(LEAST_GAP_MS, (rooms * 1_000) / MOST_POSTS, interval / MOST_IN_INTERVAL);
  return Math.min(MOST_GAP_MS, interval, affordable);
}

/** Posts that may wait for the store at once, and sockets for them and for those that do not wait. */
export const MOST_WAITING = 256;
const MOST_SOCKETS = MOST_WAITING + 64;

/** Beyond this nothing is posted: the server takes posts more slowly than they come, and they take memory. */
const MOST_UNDER_WAY = 20_000;

/** A post without an answer after this long is given up, in ms. */
const ANSWER_MS = 15_000;

export interface FeedPlan {
  readonly apiUrl: string;
  readonly rooms: readonly string[];
  readonly schedule: Schedule;
  readonly comments: readonly RecordedComment[];
  /** Rooms, by index, whose posts wait for the store, so that `onPosted` is told their comments' ids. */
  readonly timed?: ReadonlySet<number>;
  /** A comment was stored under `id`; `at` is the `benchNow()` at which it was due. */
  readonly onPosted?: (room: number, id: string, at: number) => void;
}

/** What a feed did since `begin`. */
export type FeedFigures = Readonly<ReturnType<Feed['read']>>;

export type Feed = ReturnType<typeof makeFeed>;

/** Starts a feed of `comments` real comments to each room, every `every` ms. */
export function startSteadyFeed(apiUrl: string, rooms: readonly string[], comments: number, every: number): Feed {
  const schedule = steadySchedule(rooms.length, comments, every);
  const feed = makeFeed({ apiUrl, rooms, schedule, comments: readComments().comments });
  feed.start();
  return feed;
}

/** A feed that posts at the times of a schedule, whatever the answers are. */
export function makeFeed({ apiUrl, rooms, schedule, comments, timed, onPosted }: FeedPlan) {
  const texts = comments.map((comment) => JSON.stringify(comment));
  const agent = new Agent({ keepAlive: true, maxSockets: MOST_SOCKETS });
  const underWay = new Set<ClientRequest>();
  let next = schedule.next().value;
  let nextText = 0;
  let timer: NodeJS.Timeout | undefined;
  /** benchNow() at the schedule's 0. */
  let startedAt = 0;
  let wasPaused = false;
  let figures = emptyFigures();

  function postDue(): void {
    const now = benchNow() - startedAt;
    for (; next.at <= now; next = schedule.next().value) {
      if (next.due.length === 0) continue;
      figures.worstLate = Math.max(figures.worstLate, now - next.at);
      post(next);
    }
    timer = setTimeout(postDue, Math.max(0, next.at - (benchNow() - startedAt)));
  }

  function post({ room, at, due }: DuePost): void {
    if (underWay.size >= MOST_UNDER_WAY) {
      figures.unposted += due.length;
      return;
    }
    for (const time of due) figures.waited += at - time;
    const url = `${apiUrl}/rooms/${rooms[room]}/comments${timed?.has(room) ? '?wait=stored' : ''}`;
    const origin = startedAt;
    const body = Buffer.from(`[${due.map(() => texts[nextText++ % texts.length]).join(',')}]`);
    send(url, body, due.length, (ids) => {
      for (const [i, id] of ids.entries()) if (id !== null) onPosted?.(room, id, origin + (due[i] ?? at));
    });
  }

  function send(url: string, body: Buffer, count: number, onIds: (ids: readonly (string | null)[]) => void): void {
    const headers = { 'content-type': 'application/json', 'content-length': body.length };
    const since = figures;
    let isOver = false;
    // A post can fail more than once: when it is given up, and then when its socket goes.
    const fail = (error: NodeJS.ErrnoException): void => {
      if (!isOver) addTo(since.refused, error.code ?? error.message, count);
      isOver = true;
    };
    since.posts += 1;
    since.sent += count;
    const posting = request(url, { method: 'POST', agent, headers, timeout: ANSWER_MS }, (answer) => {
      const parts: Buffer[] = [];
      answer.on('data', (part: Buffer) => parts.push(part));
      answer.on('error', fail);
      answer.once('end', () => {
        isOver = true;
        const outcome = readPostAnswer(answer.statusCode ?? 0, Buffer.concat(parts).toString(), count);
        since.accepted += outcome.accepted;
        for (const [code, refused] of outcome.refused) addTo(since.refused, code, refused);
        onIds(outcome.ids);
      });
    });
    posting.once('timeout', () => posting.destroy(Object.assign(new Error('no answer'), { code: 'NO_ANSWER' })));
    posting.on('error', fail);
    posting.once('close', () => underWay.delete(posting));
    underWay.add(posting);
    posting.end(body);
  }

  return {
    /** Starts, or goes on after a pause with the next post, at once. */
    start(): void {
      startedAt = benchNow() - (wasPaused ? next.at : 0);
      postDue();
    },

    pause(): void {
      wasPaused ||= timer !== undefined;
      clearTimeout(timer);
      timer = undefined;
    },

    begin(): void {
      figures = emptyFigures();
    },

    read() {
      const { waited, ...counted } = figures;
      return { ...counted, meanWait: waited / Math.max(1, counted.sent), refused: new Map(counted.refused) };
    },

    /** Ends the feed without waiting for answers; returns how many comments were refused. Idempotent. */
    stop(): number {
      clearTimeout(timer);
      // The agent would open sockets anew for those that still wait for one.
      for (const posting of underWay) posting.destroy();
      agent.destroy();
      return sumOf(figures.refused);
    },
  };
}

function emptyFigures() {
  return {
    ...{ posts: 0, sent: 0, accepted: 0 },
    /** Refused comments by code; where a post failed altogether, by the system's code. */
    refused: new Map<string, number>(),
    /** Comments that were not posted because too many posts were under way. */
    unposted: 0,
    /** By how much the latest post missed its time, in ms. */
    worstLate: 0,
    /** How long comments waited for their posts, by the plan, in ms together: it is in their latency. */
    waited: 0,
  };
}

/**
 * Reads the API's answer to a post of `count` comments: how many were accepted, the id of each, null where it was
 * refused, and the refused by code. Any other answer refuses all under `HTTP` and its status.
 */
export function readPostAnswer(status: number, body: string, count: number) {
  type Answer = { code?: string; accepted?: number; refused?: { code: string }[]; ids?: (string | null)[] };
  const answer: Answer = /^\{.*\}$/s.test(body) ? (JSON.parse(body) as Answer) : {};
  const refused = new Map<string, number>();
  for (const { code } of answer.refused ?? []) addTo(refused, code, 1);
  const isTaken = status === 201 || status === 202;
  const rest = isTaken ? 0 : count - sumOf(refused);
  if (rest > 0) addTo(refused, answer.code ?? `HTTP ${status}`, rest);
  return { accepted: isTaken ? (answer.accepted ?? 0) : 0, ids: (isTaken && answer.ids) || [], refused };
}
