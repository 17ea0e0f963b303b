import { isVisible } from '../../comment.ts';

/** A refusal as the SDK gives it. */
export interface Refusal {
  readonly refused: string;
  readonly message: string;
  readonly retryAfterMs?: number | undefined;
}

/** What a reader is told by code; the server's own sentence stands in for codes that are not here. */
const SENTENCES: Readonly<Record<string, string>> = {
  TOO_LARGE: 'This comment is too long.',
  RATE_LIMITED: 'You are writing too fast.',
  ROOM_BUSY: 'Too many people are writing in this room right now.',
  BUSY: 'The server has more comments than it can take right now.',
  SHUTTING_DOWN: 'The server is restarting.',
  STORE_FAILED: 'The server could not keep your comment. Try again in a while.',
  STORE_FULL: 'The server has no room for more comments. Try again later.',
};

/** Why a comment was not taken, in words, and when to try again where that is known. */
export function describeRefusal({ refused, message, retryAfterMs }: Refusal): string {
  const sentence = SENTENCES[refused] ?? `Not taken: ${message}.`;
  return retryAfterMs === undefined ? sentence : `${sentence} Try again in ${countSeconds(retryAfterMs)}.`;
}

/** `1 second`, `3 seconds`; whole ones, rounded up, so that who waits that long does not come too soon. */
export function countSeconds(ms: number): string {
  const seconds = Math.max(1, Math.ceil(ms / 1_000));
  return `${seconds} ${seconds === 1 ? 'second' : 'seconds'}`;
}

/** What is wrong with a text before it is sent, null where nothing is. */
export function checkText(text: string, maxText: number): string | null {
  if (!isVisible(text)) return 'Write something first.';
  const excess = countPoints(text) - maxText;
  return excess > 0 ? `Too long by ${excess} ${excess === 1 ? 'character' : 'characters'}.` : null;
}

/** Code points, as the server counts them. */
export function countPoints(text: string): number {
  return [...text].length;
}
