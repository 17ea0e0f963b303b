/**
 * A batch in bytes: what is stored is what is pushed and what is replayed. batch-columns.ts has the layout.
 */
import { Packr, Unpackr } from 'msgpackr';
import { VolleyError } from '../codes.ts';
import { DEFAULT_COLOR, DEFAULT_MODE, DEFAULT_SIZE, type Draft } from '../comment.ts';
import { BATCH_VERSION, type Columns, type DecodedBatch, decodeColumns } from './batch-columns.ts';

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

/** A batch without some of its comments. */
export interface BlankedBatch {
  readonly bytes: Uint8Array;
  /** Where the comments stood that went. */
  readonly places: ReadonlySet<number>;
}

/**
 * The bytes of `batch` without its comments at `places`: every column has its default there, the text is ''. Columns
 * that this code does not know are kept as they are. Null when there are no such comments or all were recalled before.
 * @throws VolleyError BATCH_CORRUPT
 */
export function blankComments(batch: NumberedBatch, places: Iterable<number>): BlankedBatch | null {
  const unpacked = unpackColumns(batch);
  decodeColumns(unpacked, batch.seq);
  // msgpackr gives binary columns as views on the batch's bytes, which others share.
  const columns = (unpacked as unknown[]).map((column) => (column instanceof Uint8Array ? column.slice() : column));
  const [, , users, names, texts, modes, colours, sizes, , extras] = columns as unknown as Columns;
  const blanked = new Set<number>();
  for (const place of places) {
    if (!texts[place]) continue;
    blanked.add(place);
    for (const column of [users, names, texts, extras]) if (column) column[place] = '';
    if (modes) modes[place] = DEFAULT_MODE;
    colours?.fill(0xff, place * 3, place * 3 + 3);
    if (sizes) sizes[place] = DEFAULT_SIZE;
  }
  return blanked.size === 0 ? null : { bytes: new Uint8Array(packr.pack(columns)), places: blanked };
}

/** The bytes of `batch` without its comment at `place`, as {@link blankComments} makes them; null for no such comment. */
export function blankComment(batch: NumberedBatch, place: number): Uint8Array | null {
  return blankComments(batch, [place])?.bytes ?? null;
}

/**
 * Reads stored bytes.
 * @throws VolleyError BATCH_CORRUPT when they are not a batch of a version that this code reads
 */
export function decodeBatch(batch: NumberedBatch): DecodedBatch {
  return decodeColumns(unpackColumns(batch), batch.seq);
}

function unpackColumns({ bytes, seq }: NumberedBatch): unknown {
  try {
    return unpackr.unpack(bytes);
  } catch (cause) {
    throw new VolleyError('BATCH_CORRUPT', `batch ${seq} is not msgpack`, { cause });
  }
}
