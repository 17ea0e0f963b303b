/** The real comments of bench/comments.xml, in the forms in which volley's functions take them. */
import { readFileSync } from 'node:fs';
import { parseRecording, type RecordedComment } from '../../scripts/bilibili-xml.ts';
import type { Draft } from '../../src/comment.ts';
import { checkComment } from '../../src/intake/comment-check.ts';
import type { Origin, Waiting } from '../../src/rooms/room.ts';
import { BenchError } from '../bench-error.ts';
import { SAMPLE } from '../run/feed.ts';

const AT = 1_764_000_000_000;
const SECOND_MS = 1_000;
const MAX_TEXT = 200;

/** Windows over the sample begin at most this many comments apart, so that there are several of large ones. */
const STEP = 128;

export const COMMENTS: readonly RecordedComment[] = parseRecording(readFileSync(SAMPLE, 'utf8')).moments.map(
  ({ comment }) => comment,
);

/** Comments as sockets brought them, without an identity. */
export const SOCKET_DRAFTS: readonly Draft[] = COMMENTS.map((comment) => draftOf(comment, false));

/** Nobody in particular: a sender that wants to know nothing. */
const ORIGIN: Origin = { stored: () => undefined, failed: () => undefined };

/** Gives the same things over and over, so that no two calls in a row have the same input. */
export class Carousel<T> {
  readonly all: readonly T[];
  #place = 0;

  constructor(things: readonly T[]) {
    if (things.length === 0) throw new BenchError(`${SAMPLE} holds too few comments`);
    this.all = things;
  }

  next(): T {
    this.#place = this.#place + 1 === this.all.length ? 0 : this.#place + 1;
    return this.last;
  }

  /** What {@link next} gave. */
  get last(): T {
    return this.all[this.#place] as T;
  }
}

/**
 * Every run of `count` comments, as a room takes them to the store: spread over one second, in the shape that
 * `Rooms.offer` gives them. A single one comes from a socket; more come over HTTP, so each says whose it is.
 */
export function takenBatches(count: number): Waiting[][] {
  const identity = count > 1;
  const batches: Waiting[][] = [];
  for (let first = 0; first + count <= COMMENTS.length; first += Math.min(count, STEP)) {
    batches.push(COMMENTS.slice(first, first + count).map((comment, i) => waitingOf(comment, identity, i, count)));
  }
  return batches;
}

function waitingOf(comment: RecordedComment, identity: boolean, number: number, count: number): Waiting {
  const { text, mode, color, size, user, name, extra } = draftOf(comment, identity);
  const at = AT + Math.floor((number * SECOND_MS) / count);
  return { text, mode, color, size, user, name, extra, at, origin: ORIGIN, number };
}

function draftOf(comment: RecordedComment, identity: boolean): Draft {
  const draft = checkComment(comment, MAX_TEXT, identity);
  if (typeof draft === 'string') throw new BenchError(`${SAMPLE} holds a comment that volley refuses: ${draft}`);
  return draft;
}

/** The text message in which a viewer sends `comment`. */
export function socketMessage(comment: RecordedComment, ref: string): string {
  const { text, mode, color, size } = comment;
  return JSON.stringify({ type: 'comment', ref, text, mode, color, size });
}
