/** What an answer of volley's HTTP API means for the comments that were posted. */

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
