/**
 * A `batch` message, as the JSON codec writes it and as the others are read: by server and browser alike, so without
 * `node:` imports and without a msgpack library.
 */
import { VolleyError } from '../codes.ts';
import type { Comment } from '../comment.ts';
import { decodeColumns } from './batch-columns.ts';

export const FRAME_VERSION = 1;

/** A `batch` message of protocol v1, as JSON. */
export interface BatchMessage {
  type: 'batch';
  /** The last batch's seq. */
  seq: number;
  /** The seq before the first batch. */
  prev: number;
  /** Arrival of the first comment, Unix ms; every comment's `at` is ms after it. */
  at: number;
  viewers: number;
  comments: Comment[];
}

/** Adds one decoded batch to a message, its times made relative to the message's first batch. */
export function appendBatch(
  message: BatchMessage,
  batch: { seq: number; prev: number },
  decoded: { at: number; comments: Comment[] },
  first: boolean,
): void {
  if (first) {
    message.prev = batch.prev;
    message.at = decoded.at;
    message.comments = decoded.comments;
  } else {
    const later = decoded.at - message.at;
    for (const comment of decoded.comments) {
      comment.at = Math.max(0, comment.at + later);
      message.comments.push(comment);
    }
  }
  message.seq = batch.seq;
}

/**
 * The message that the JSON codec would have sent for a msgpack frame, unpacked by whatever library.
 * @throws VolleyError BATCH_CORRUPT when it is not a frame
 */
export function readFrame(parts: unknown): BatchMessage {
  if (!Array.isArray(parts) || parts[0] !== FRAME_VERSION || typeof parts[1] !== 'number') {
    throw new VolleyError('BATCH_CORRUPT', `not a frame of format version ${FRAME_VERSION}`);
  }
  const message: BatchMessage = { type: 'batch', seq: 0, prev: 0, at: 0, viewers: parts[1], comments: [] };
  for (const [i, part] of parts.slice(2).entries()) {
    if (!Array.isArray(part) || typeof part[0] !== 'number' || typeof part[1] !== 'number') {
      throw new VolleyError('BATCH_CORRUPT', 'the frame holds a batch without seq and prev');
    }
    const [seq, prev, columns] = part as [number, number, unknown];
    appendBatch(message, { seq, prev }, decodeColumns(columns, seq), i === 0);
  }
  return message;
}
