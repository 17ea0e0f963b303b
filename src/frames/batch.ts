/**
 * A batch in bytes: what is stored is what is pushed and what is replayed. columns.ts has the layout.
 */
import { Packr, Unpackr } from 'msgpackr';
import { VolleyError } from '../codes.ts';
import { DEFAULT_COLOR, DEFAULT_MODE, DEFAULT_SIZE, type Draft } from '../comment.ts';
import { BATCH_VERSION, type Columns, type DecodedBatch, decodeColumns } from './columns.ts';

/** A draft with its arrival, Unix ms. */
export interface TimedDraft extends Draft {
  readonly at: number;
}

/** A batch before the store has numbered it. Its bytes may be shared, and nobody writes to them. */
export interface EncodedBatch {
  /** The shown batch: what is pushed, caught up and read as history. */
  readonly bytes: Uint8Array;
  /** Comments in the shown batch that are not recalled. */
  readonly count: number;
  /** A batch of comments that are stored but not shown; left out when there are none. */
  readonly rest?: Uint8Array | undefined;
  /** What the server keeps with the batch and sends to nobody; left out when there is nothing. */
  readonly private?: Uint8Array | undefined;
}

/** A batch that has its place in the room's log. */
export interface NumberedBatch {
  readonly seq: number;
  /** The seq of the room's batch before it, 0 for none. */
  readonly prev: number;
  readonly bytes: Uint8Array;
}

/** Bytes of a batch's header and column headers, and of what frames a comment's fields, at most. */
const BATCH_FRAMING = 128;
const COMMENT_FRAMING = 32;

/** A UTF-16 code unit is at most three bytes of UTF-8. */
const UNIT_BYTES = 3;

const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number' });

/** How many of `comments`, from the first, make one batch: at most `most`, of at most `maxBytes`, and at least one. */
export function fittingComments(comments: readonly TimedDraft[], most: number, maxBytes: number): number {
  const end = Math.min(comments.length, most);
  let units = 0;
  for (let i = 0; i < end; i += 1) units += unitsOf(comments[i] as TimedDraft);
  if (BATCH_FRAMING + end * COMMENT_FRAMING + units * UNIT_BYTES <= maxBytes) return end;
  // It may be too much: now it is worth counting.
  let bytes = BATCH_FRAMING;
  for (let i = 0; i < end; i += 1) {
    const { text, user, name, extra } = comments[i] as TimedDraft;
    bytes += COMMENT_FRAMING + Buffer.byteLength(text) + Buffer.byteLength(user);
    bytes += Buffer.byteLength(name) + Buffer.byteLength(extra);
    if (bytes > maxBytes) return Math.max(1, i);
  }
  return end;
}

function unitsOf({ text, user, name, extra }: TimedDraft): number {
  return text.length + user.length + name.length + extra.length;
}

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

/** A batch without some of its comments. */
export interface BlankedBatch {
  readonly batch: EncodedBatch;
  /** The indexes of the comments that were taken out, in the order in which they were named. */
  readonly indexes: readonly number[];
}

/**
 * `batch` without its comments at `indexes`: every column has its default there, and the text is ''. Indexes of the
 * rest batch go on after those of the shown batch. Columns that this code does not know are kept as they are. Null when
 * there are no such comments, or all of them were recalled before.
 * @throws VolleyError BATCH_CORRUPT
 */
export function blankComments(batch: EncodedBatch & NumberedBatch, indexes: Iterable<number>): BlankedBatch | null {
  const shown = new BlankableColumns(batch.bytes, batch.seq);
  const rest = batch.rest === undefined ? null : new BlankableColumns(batch.rest, batch.seq);
  const blanked: number[] = [];
  for (const index of indexes) {
    const found = shown.blank(index) || (rest?.blank(index - shown.length) ?? false);
    if (found) blanked.push(index);
  }
  if (blanked.length === 0) return null;
  const { private: secret } = batch;
  return {
    batch: {
      bytes: shown.encode(),
      count: batch.count - shown.blanked,
      ...(rest === null ? {} : { rest: rest.encode() }),
      ...(secret === undefined ? {} : { private: secret }),
    },
    indexes: blanked,
  };
}

/** The columns of one stored batch, from which comments can be taken out. */
class BlankableColumns {
  readonly #bytes: Uint8Array;
  readonly #columns: unknown[];
  /** Comments taken out here. */
  blanked = 0;

  /** @throws VolleyError BATCH_CORRUPT */
  constructor(bytes: Uint8Array, seq: number) {
    this.#bytes = bytes;
    const unpacked = unpackColumns({ bytes, seq });
    decodeColumns(unpacked, seq);
    // msgpackr gives binary columns as views on the batch's bytes, which others share.
    this.#columns = (unpacked as unknown[]).map((column) => (column instanceof Uint8Array ? column.slice() : column));
  }

  /** Comments in it, the recalled ones included. */
  get length(): number {
    return (this.#columns as unknown as Columns)[4].length;
  }

  /** Takes out the comment at `index`; false when it is not there, or no longer. */
  blank(index: number): boolean {
    const [, , users, names, texts, modes, colours, sizes, , extras] = this.#columns as unknown as Columns;
    if (!texts[index]) return false;
    for (const column of [users, names, texts, extras]) if (column) column[index] = '';
    if (modes) modes[index] = DEFAULT_MODE;
    colours?.fill(0xff, index * 3, index * 3 + 3);
    if (sizes) sizes[index] = DEFAULT_SIZE;
    this.blanked += 1;
    return true;
  }

  encode(): Uint8Array {
    return this.blanked === 0 ? this.#bytes : new Uint8Array(packr.pack(this.#columns));
  }
}

/**
 * Reads stored bytes.
 * @throws VolleyError BATCH_CORRUPT when they are not a batch of a version that this code reads
 */
export function decodeBatch(batch: NumberedBatch): DecodedBatch {
  return decodeColumns(unpackColumns(batch), batch.seq);
}

function unpackColumns({ bytes, seq }: Pick<NumberedBatch, 'bytes' | 'seq'>): unknown {
  try {
    return unpackr.unpack(bytes);
  } catch (cause) {
    throw new VolleyError('BATCH_CORRUPT', `batch ${seq} is not msgpack`, { cause });
  }
}

/**
 * The stored value of a batch: what a log keeps under one seq. Numbers are big-endian.
 *
 *   0    u8    version, 1
 *   1    u32   count: comments in the shown batch that are not recalled
 *   5    u32   length of the shown batch in bytes
 *   9    u32   length of the rest batch in bytes, 0 for none
 *   13         shown batch ┃ rest batch ┃ private part
 *
 * Only the shown batch is pushed, caught up and read as history, by copying its bytes. The rest batch holds comments that
 * are stored but not shown; their indexes go on after those of the shown batch. The private part is never sent.
 */

const VERSION = 1;
const HEADER = 13;
const NOTHING = new Uint8Array(0);

/** Bytes that {@link encodeEnvelope} takes for `batch`. */
export function envelopeLength({ bytes, rest = NOTHING, private: secret = NOTHING }: EncodedBatch): number {
  return HEADER + bytes.length + rest.length + secret.length;
}

/** Writes the stored value of `batch` into `target` from `offset` on: {@link envelopeLength} bytes. */
export function encodeEnvelope(batch: EncodedBatch, target: Buffer, offset: number): void {
  const { bytes, count, rest = NOTHING, private: secret = NOTHING } = batch;
  target[offset] = VERSION;
  target.writeUInt32BE(count, offset + 1);
  target.writeUInt32BE(bytes.length, offset + 5);
  target.writeUInt32BE(rest.length, offset + 9);
  target.set(bytes, offset + HEADER);
  target.set(rest, offset + HEADER + bytes.length);
  target.set(secret, offset + HEADER + bytes.length + rest.length);
}

/**
 * Reads a stored value. The parts are views on it, and an empty part is left out.
 * @throws VolleyError BATCH_CORRUPT when it is not an envelope of a version that this code reads
 */
export function decodeEnvelope(value: Buffer): EncodedBatch {
  if (value.length < HEADER || value[0] !== VERSION) {
    throw new VolleyError('BATCH_CORRUPT', `a stored value is not an envelope of version ${VERSION}`);
  }
  const shownEnd = HEADER + value.readUInt32BE(5);
  const restEnd = shownEnd + value.readUInt32BE(9);
  if (restEnd > value.length) throw new VolleyError('BATCH_CORRUPT', 'a stored value is shorter than it says');
  return {
    bytes: viewOf(value, HEADER, shownEnd),
    count: value.readUInt32BE(1),
    rest: restEnd > shownEnd ? viewOf(value, shownEnd, restEnd) : undefined,
    private: value.length > restEnd ? viewOf(value, restEnd, value.length) : undefined,
  };
}

/** A plain Uint8Array: `slice` of a Buffer is a view, where the owner of these bytes expects a copy. */
function viewOf(value: Buffer, start: number, end: number): Uint8Array {
  return new Uint8Array(value.buffer, value.byteOffset + start, end - start);
}
