import { Packr } from 'msgpackr';
import type { Draft } from '../../src/comment.ts';
import { encodeBatch } from '../../src/frames/batch.ts';
import { encodeMsgpackFrame } from '../../src/frames/codec-msgpack.ts';
import { deflateFrameNow } from '../../src/frames/deflate.ts';
import { takeDrafts } from './peer-comments.ts';

/**
 * How a push is laid out. `columns` and `deflated` are volley's own frames, byte for byte. `rows` is what a server would
 * send that knows nothing of columns: a msgpack array of `[id, user, name, text, mode, color, size, at]`, the eight
 * members of a comment.
 */
export type FrameKind = 'columns' | 'deflated' | 'rows';

/** When the comments of the first push came, Unix ms. */
const START = 1_764_000_000_000;

/** Ids of rows are whole numbers that take five bytes, as they are after the first 65,536 comments of a site. */
const FIRST_ID = 10_000_000;

const packr = new Packr({ useRecords: false });

/** Frames of consecutive pushes of a room, with real comments. */
export interface FramesOrder {
  readonly kind: FrameKind;
  /** How many frames. */
  readonly count: number;
  /** Comments a push. */
  readonly comments: number;
  /** Milliseconds between two pushes. */
  readonly every: number;
  /** What the frames' headers say. */
  readonly viewers: number;
}

/** Makes frames. The comments of a push share one time, as those of one POST to volley do. */
export function makeFrames({ kind, count, comments, every, viewers }: FramesOrder): Uint8Array[] {
  return Array.from({ length: count }, (_, push) => {
    const drafts = takeDrafts(push * comments, comments);
    if (kind === 'rows') return encodeRows(drafts, FIRST_ID + push * comments);
    const at = START + push * every;
    const { bytes } = encodeBatch(drafts.map((draft) => ({ ...draft, at })));
    const frame = encodeMsgpackFrame([{ seq: push + 1, prev: push, bytes }], viewers);
    return kind === 'columns' ? frame : deflateFrameNow(frame);
  });
}

function encodeRows(drafts: readonly Draft[], firstId: number): Uint8Array {
  const rows = drafts.map(({ user, name, text, mode, color, size }, i) => {
    return [firstId + i, user, name, text, mode, color, size, 0];
  });
  // A copy: what msgpackr gives is a view on its scratch buffer.
  return new Uint8Array(packr.pack(rows));
}
