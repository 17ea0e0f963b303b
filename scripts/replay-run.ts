import type { Clock } from '../src/clock.ts';
import { MOST_NOTES, type RecordedMoment } from './bilibili-xml.ts';

/** Most comments that the API takes in one request. */
export const MOST_PER_REQUEST = 1_000;

/** A timer of Node.js holds at most 2³¹ ms; a longer sleep is slept in pieces. */
const LONGEST_SLEEP_MS = 3_600_000;

/** What was done so far. All are totals since the start, over all rounds. */
export interface ReplayTally {
  /** Comments that the server answered, each counted once however often it was sent. */
  sent: number;
  accepted: number;
  /** Times that the server asked to send something again later. */
  waits: number;
  /** Comments refused for good, by code. */
  readonly refused: Map<string, number>;
  /** The first {@link MOST_NOTES} of these: the line of the file, and the code. */
  readonly notes: Set<string>;
}

export interface Replay {
  readonly moments: readonly RecordedMoment[];
  /** How many times the recording is replayed, one after the other. */
  readonly times: number;
  /** How many times faster than recorded. */
  readonly speed: number;
  readonly clock: Clock;
  /** Posts a JSON array of comments. What it throws ends the run. */
  post(body: string): Promise<Answer>;
  /** Ends the run early: after the answer to a request that is under way. */
  readonly signal: AbortSignal;
  /** Counted up as the run goes, so that it holds what was done however the run ends. */
  readonly tally: ReplayTally;
  /** Called whenever `tally` has changed. */
  progress?(): void;
}

/** A comment with the time at which it is due, in the clock's ms. */
interface Due {
  readonly at: number;
  readonly moment: RecordedMoment;
}

export function emptyTally(): ReplayTally {
  return { sent: 0, accepted: 0, waits: 0, refused: new Map(), notes: new Set() };
}

/**
 * Posts the comments in their own timing, one request at a time, in order. What the server refuses for now is sent
 * again before anything later; what has fallen due meanwhile goes along, up to {@link MOST_PER_REQUEST} comments.
 *
 * The recording starts at its second 0, not at its first comment; the next round starts where its last comment is.
 *
 * @throws ReplayError when the server's answer leaves no way to go on, and whatever `post` throws
 */
export async function runReplay(replay: Replay): Promise<void> {
  const { clock, signal, tally } = replay;
  const schedule = scheduleOf(replay, clock.now());
  let next = schedule.next();
  let again: readonly RecordedMoment[] = [];
  let retryAt = 0;
  while (again.length > 0 || !next.done) {
    await sleepUntil(again.length > 0 || next.done ? retryAt : next.value.at, clock, signal);
    if (signal.aborted) return;
    const batch = [...again];
    for (const now = clock.now(); !next.done && next.value.at <= now; next = schedule.next()) {
      if (batch.length >= MOST_PER_REQUEST) break;
      batch.push(next.value.moment);
    }
    const body = JSON.stringify(batch.map(({ comment }) => comment));
    const outcome = readAnswer(await replay.post(body), batch.length);
    tally.sent += batch.length - again.length;
    tally.accepted += batch.length - outcome.again.size - outcome.refused.size;
    for (const [index, code] of outcome.refused) {
      tally.refused.set(code, (tally.refused.get(code) ?? 0) + 1);
      if (tally.notes.size < MOST_NOTES) tally.notes.add(`line ${batch[index]?.line}: refused: ${code}`);
    }
    again = batch.filter((_, index) => outcome.again.has(index));
    if (again.length > 0) {
      tally.waits += 1;
      retryAt = clock.now() + outcome.waitMs;
    }
    replay.progress?.();
  }
}

/** Made as it is used: many rounds take no more memory than one. */
function* scheduleOf({ moments, times, speed }: Replay, start: number): Generator<Due, undefined> {
  const length = moments.at(-1)?.at ?? 0;
  for (let round = 0; round < times; round += 1) {
    for (const moment of moments) yield { at: start + (round * length + moment.at) / speed, moment };
  }
  return undefined;
}

async function sleepUntil(at: number, clock: Clock, signal: AbortSignal): Promise<void> {
  for (let rest = at - clock.now(); rest > 0 && !signal.aborted; rest = at - clock.now()) {
    await sleep(Math.ceil(Math.min(rest, LONGEST_SLEEP_MS)), clock, signal);
  }
}

function sleep(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const wake = () => {
      cancel();
      signal.removeEventListener('abort', wake);
      resolve();
    };
    const cancel = clock.after(ms, wake);
    signal.addEventListener('abort', wake);
  });
}

/** An HTTP answer, its body not yet parsed. */
export interface Answer {
  readonly status: number;
  /** The header `Retry-After`, null without one. */
  readonly retryAfter: string | null;
  readonly body: string;
}

/** What became of the comments of one request; those in neither collection were accepted. */
export interface Outcome {
  /** Places of the comments to send again, after `waitMs` milliseconds. */
  readonly again: ReadonlySet<number>;
  /** Codes of the comments that were refused for good, by their place. */
  readonly refused: ReadonlyMap<number, string>;
  readonly waitMs: number;
}

/** Thrown when the replay cannot go on. The message is one sentence for the user. */
export class ReplayError extends Error {}

/** Refusals that pass by themselves. */
const TRANSIENT: ReadonlySet<string> = new Set(['ROOM_BUSY', 'BUSY', 'RATE_LIMITED']);

const DEFAULT_WAIT_MS = 1_000;

/**
 * Reads the answer to a request that carried `count` comments.
 *
 * @throws ReplayError when the answer is about the request or the server and not about the comments, or is none that
 *   volley gives
 */
export function readAnswer(answer: Answer, count: number): Outcome {
  const body = parseObject(answer.body);
  const codes = readRefused(body?.refused, count);
  const code = typeof body?.code === 'string' ? body.code : undefined;
  const isPassing = answer.status === 429 || (code !== undefined && TRANSIENT.has(code));
  if (answer.status === 202) {
    if (codes === undefined) throw new ReplayError('the server answered 202 with a body that volley does not send');
  } else if (!isPassing && (codes === undefined || answer.status >= 500)) {
    throw new ReplayError(describeStop(answer.status, code, body?.detail));
  }
  // Any other status takes nothing: the body's code stands for what the list leaves out, if there is a list.
  const rest = answer.status === 202 ? undefined : (code ?? (answer.status === 429 ? 'RATE_LIMITED' : 'no code'));
  const again = new Set<number>();
  const refused = new Map<number, string>();
  for (let index = 0; index < count; index += 1) {
    const reason = codes?.get(index) ?? rest;
    if (reason === undefined) continue;
    if (TRANSIENT.has(reason)) again.add(index);
    else refused.set(index, reason);
  }
  return { again, refused, waitMs: readWait(body?.retryAfterMs, answer.retryAfter) };
}

/** The codes of refused comments by their place; undefined when `value` is not such a list. */
function readRefused(value: unknown, count: number): Map<number, string> | undefined {
  if (!Array.isArray(value)) return undefined;
  const codes = new Map<number, string>();
  for (const item of value as unknown[]) {
    const { index, code } = (item ?? {}) as Record<string, unknown>;
    if (typeof index !== 'number' || !Number.isInteger(index) || index < 0 || index >= count) return undefined;
    if (typeof code !== 'string') return undefined;
    codes.set(index, code);
  }
  return codes;
}

function readWait(retryAfterMs: unknown, retryAfter: string | null): number {
  if (typeof retryAfterMs === 'number' && retryAfterMs > 0) return retryAfterMs;
  const seconds = Number(retryAfter ?? '');
  return seconds > 0 && Number.isFinite(seconds) ? seconds * 1_000 : DEFAULT_WAIT_MS;
}

function describeStop(status: number, code: string | undefined, detail: unknown): string {
  const what = code === undefined ? `${status} without a code of volley's` : `${status} ${code}`;
  return `the server answered ${what}${typeof detail === 'string' ? `: ${detail}` : ''}`;
}

function parseObject(body: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
