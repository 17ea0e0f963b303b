/**
 * A batch's columns, and the frames of binary codecs, read by server and browser alike: no `node:` import, and no msgpack
 * library.
 *
 * One msgpack array of columns; a column in which every comment has the default is nil:
 *
 *   0 version   1
 *   1 at        Unix ms of the first comment's arrival
 *   2 users     nil | [str …]
 *   3 names     nil | [str …]
 *   4 texts     [str …]                      its length is the number of comments
 *   5 modes     nil | bin, 1 byte each       place in MODES, default 0
 *   6 colours   nil | bin, 3 bytes each      big-endian RGB, default ff ff ff
 *   7 sizes     nil | bin, 1 byte each       px, default 25
 *   8 offsets   nil | bin, 2 bytes each | [int …]   ms after `at`; big-endian; the array when one is over 65,535
 *   9 extras    nil | [str …]
 *
 * A text that is '' was recalled: its place stays, so that the ids of the others do.
 * Readers ignore columns that they do not know and take absent ones for nil. docs/protocol.md has a test vector.
 */
import { VolleyError } from '../codes.ts';
import { type Comment, DEFAULT_COLOR, DEFAULT_MODE, DEFAULT_SIZE, MODES } from '../comment.ts';
import type { BatchMessage } from './messages.ts';

export const BATCH_VERSION = 1;
export const FRAME_VERSION = 1;

/** A batch's comments as rows, with their ids; each comment's `at` is ms after the batch's. */
export interface DecodedBatch {
  readonly at: number;
  readonly comments: Comment[];
}

/**
 * Reads the columns of batch `seq`, unpacked by whatever msgpack library.
 * @throws VolleyError BATCH_CORRUPT when they are not a batch of a version that this code reads
 */
export function decodeColumns(columns: unknown, seq: number): DecodedBatch {
  if (!Array.isArray(columns) || columns[0] !== BATCH_VERSION) {
    throw new VolleyError('BATCH_CORRUPT', `batch ${seq} is not of format version ${BATCH_VERSION}`);
  }
  const [, at, users, names, texts, modes, colours, sizes, offsets, extras] = columns as Columns;
  if (!Number.isSafeInteger(at) || !Array.isArray(texts)) {
    throw new VolleyError('BATCH_CORRUPT', `batch ${seq} has no time or no texts`);
  }
  const strings = [texts, users ?? [], names ?? [], extras ?? []];
  if (!strings.every(isStrings) || (Array.isArray(offsets) && !offsets.every(Number.isSafeInteger))) {
    throw new VolleyError('BATCH_CORRUPT', `batch ${seq} has a column of the wrong type`);
  }
  const comments: Comment[] = [];
  for (let i = 0; i < texts.length; i += 1) {
    if (texts[i] === '') continue;
    const comment: Comment = {
      id: `${seq}.${i}`,
      user: users?.[i] ?? '',
      name: names?.[i] ?? '',
      text: texts[i] ?? '',
      mode: MODES[modes?.[i] ?? DEFAULT_MODE] ?? 'scroll',
      color: colours ? readBytes(colours, i, 3) : DEFAULT_COLOR,
      size: sizes?.[i] ?? DEFAULT_SIZE,
      at: offsets ? (Array.isArray(offsets) ? (offsets[i] ?? 0) : readBytes(offsets, i, 2)) : 0,
    };
    const extra = extras?.[i];
    if (extra) comment.extra = extra;
    comments.push(comment);
  }
  return { at, comments };
}

export type Columns = [
  version: number,
  at: number,
  users: string[] | null | undefined,
  names: string[] | null | undefined,
  texts: string[],
  modes: Uint8Array | null | undefined,
  colours: Uint8Array | null | undefined,
  sizes: Uint8Array | null | undefined,
  offsets: Uint8Array | number[] | null | undefined,
  extras: string[] | null | undefined,
];

function isStrings(column: unknown): boolean {
  return Array.isArray(column) && column.every((value) => typeof value === 'string');
}

/** The big-endian number in the `width` bytes of row `i`. */
function readBytes(column: Uint8Array, i: number, width: number): number {
  let value = 0;
  for (let k = i * width; k < (i + 1) * width; k += 1) value = value * 256 + (column[k] ?? 0);
  return value;
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
