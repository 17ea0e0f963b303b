/**
 * A batch in bytes: what is stored is what is pushed and what is replayed.
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
 * Readers ignore columns that they do not know and take absent ones for nil. docs/protocol.md has a test vector.
 */
import { Packr, Unpackr } from 'msgpackr';
import { VolleyError } from '../codes.ts';
import { type Comment, DEFAULT_COLOR, DEFAULT_MODE, DEFAULT_SIZE, type Draft, MODES } from '../comment.ts';

const BATCH_VERSION = 1;

/** A draft with its arrival, Unix ms. */
export interface TimedDraft extends Draft {
  readonly at: number;
}

/** A batch before the store has numbered it. Whoever holds it may share `bytes` but never writes to them. */
export interface EncodedBatch {
  readonly bytes: Uint8Array;
  /** Comments in it, 1 or more. */
  readonly count: number;
}

/** A batch that has its place in the room's log. */
export interface NumberedBatch {
  readonly seq: number;
  /** The seq of the room's batch before it, 0 for none. */
  readonly prev: number;
  readonly bytes: Uint8Array;
}

const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number' });

/** Encodes comments, in their order, as one batch. `comments` must not be empty. */
export function encodeBatch(comments: readonly TimedDraft[]): EncodedBatch {
  const count = comments.length;
  const at = comments[0]?.at ?? 0;
  const texts: string[] = new Array(count);
  let users: string[] | null = null;
  let names: string[] | null = null;
  let extras: string[] | null = null;
  let modes: Uint8Array | null = null;
  let colours: Uint8Array | null = null;
  let sizes: Uint8Array | null = null;
  let farthest = 0;
  for (let i = 0; i < count; i += 1) {
    const comment = comments[i] as TimedDraft;
    texts[i] = comment.text;
    if (comment.user !== '') {
      users ??= new Array<string>(count).fill('');
      users[i] = comment.user;
    }
    if (comment.name !== '') {
      names ??= new Array<string>(count).fill('');
      names[i] = comment.name;
    }
    if (comment.extra !== '') {
      extras ??= new Array<string>(count).fill('');
      extras[i] = comment.extra;
    }
    if (comment.mode !== DEFAULT_MODE) {
      modes ??= new Uint8Array(count).fill(DEFAULT_MODE);
      modes[i] = comment.mode;
    }
    if (comment.color !== DEFAULT_COLOR) {
      colours ??= new Uint8Array(count * 3).fill(0xff);
      colours[i * 3] = comment.color >>> 16;
      colours[i * 3 + 1] = comment.color >>> 8;
      colours[i * 3 + 2] = comment.color;
    }
    if (comment.size !== DEFAULT_SIZE) {
      sizes ??= new Uint8Array(count).fill(DEFAULT_SIZE);
      sizes[i] = comment.size;
    }
    farthest = Math.max(farthest, comment.at - at);
  }
  const offsets = farthest > 0 ? encodeOffsets(comments, at, farthest) : null;
  const packed = packr.pack([BATCH_VERSION, at, users, names, texts, modes, colours, sizes, offsets, extras]);
  // A copy of its own size: what msgpackr gives is a view on its scratch buffer, and a store that kept the view of a
  // small batch would keep the scratch of the largest one too.
  return { bytes: new Uint8Array(packed), count };
}

/** The host's clock may be set back between two comments, so an offset is never taken below 0. */
function encodeOffsets(comments: readonly TimedDraft[], at: number, farthest: number): Uint8Array | number[] {
  if (farthest > 0xffff) return comments.map((comment) => Math.max(0, comment.at - at));
  const offsets = new Uint8Array(comments.length * 2);
  for (const [i, comment] of comments.entries()) {
    const offset = Math.max(0, comment.at - at);
    offsets[i * 2] = offset >>> 8;
    offsets[i * 2 + 1] = offset;
  }
  return offsets;
}

/** A batch's comments as rows, with their ids; each comment's `at` is ms after the batch's. */
export interface DecodedBatch {
  readonly at: number;
  readonly comments: Comment[];
}

/**
 * Reads stored bytes.
 * @throws VolleyError BATCH_CORRUPT when they are not a batch of a version that this code reads
 */
export function decodeBatch(batch: NumberedBatch): DecodedBatch {
  let columns: unknown;
  try {
    columns = unpackr.unpack(batch.bytes);
  } catch (cause) {
    throw new VolleyError('BATCH_CORRUPT', `batch ${batch.seq} is not msgpack`, { cause });
  }
  return decodeColumns(columns, batch.seq);
}

/** The same, from columns that were unpacked already as a part of a frame. */
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
  const comments: Comment[] = new Array(texts.length);
  for (let i = 0; i < texts.length; i += 1) {
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
    comments[i] = comment;
  }
  return { at, comments };
}

type Columns = [
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
