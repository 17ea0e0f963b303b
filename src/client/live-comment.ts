import type { Comment } from '../comment.ts';
import { placeOf } from '../comment-id.ts';
import type { BatchMessage } from '../frames/messages.ts';

/** A comment as the SDK hands it out. */
export interface LiveComment extends Comment {
  /** When it arrived at the server, Unix ms. (`at` is ms after the `at` of its batch.) */
  time: number;
}

/** The comments of one push, or of several while catching up. */
export interface LiveBatch {
  /** The last batch's number in the room. */
  readonly seq: number;
  /** The number before the first batch. */
  readonly prev: number;
  /** Arrival of the first comment, Unix ms. */
  readonly at: number;
  readonly viewers: number;
  readonly comments: readonly LiveComment[];
}

/**
 * What the SDK makes of a `batch` message, without the comments of batches up to `last`. The comments are the
 * message's own objects, which nobody else keeps.
 */
export function toLiveBatch(message: BatchMessage, last: number): LiveBatch {
  const { seq, at, viewers } = message;
  const comments: LiveComment[] = [];
  for (const comment of message.comments) {
    if (message.prev < last && placeOf(comment.id).seq <= last) continue;
    comments.push(Object.assign(comment, { time: at + comment.at }));
  }
  return { seq, prev: Math.max(message.prev, last), at, viewers, comments };
}
