/**
 * Frames told apart without decoding them. All viewers of a room on one codec get the same bytes, so a frame is decoded
 * once a thread; the other copies are known by their length, their first and their last bytes.
 */

/**
 * So many bytes at the beginning of a frame decide its first batch's seq and prev on every codec. JSON and msgpack have
 * them in the first 64. Deflate: a block's header takes at most 286 bytes, and the msgpack up to the end of prev, at
 * most 34 bytes, is literals of at most 15 bits.
 */
export const HEAD_BYTES = 384;

/** Tells frames apart that begin with the same batch and hold more or fewer after it. */
export const TAIL_BYTES = 8;

/** Frames of a room that are remembered. Viewers are rarely further apart, and then a frame is decoded once more. */
const MOST_KNOWN = 8;

/** What a frame says of itself when decoded. */
export interface FrameIdentity {
  /** The last batch's seq. */
  readonly seq: number;
  /** The seq before the first batch. */
  readonly prev: number;
  readonly comments: number;
  /** The seqs of all its batches, rising; the last is `seq`. */
  readonly batches: readonly number[];
}

/** When copies of a frame came to the viewers of this thread that count for the spread. */
export interface Copies {
  /** What one who has the frame has: another may get two batches in one frame, and has the same then. */
  readonly batches: readonly number[];
  /** Since the last report. */
  count: number;
  /** benchNow() of the first and the last of those; meaningless while `count` is 0. */
  firstAt: number;
  lastAt: number;
}

/** A frame that was decoded once. */
export interface KnownFrame extends FrameIdentity, Copies {
  readonly batches: readonly number[];
  readonly length: number;
  readonly head: Buffer;
  readonly tail: Buffer;
}

/** The last frames of one room, newest first. */
export class KnownFrames {
  readonly #frames: KnownFrame[] = [];

  /** The known frame that is `bytes[start, end)`, if any is. */
  find(bytes: Buffer, start: number, end: number): KnownFrame | undefined {
    const length = end - start;
    for (const frame of this.#frames) {
      if (frame.length !== length) continue;
      if (!endsWith(bytes, end, frame.tail)) continue;
      const { head } = frame;
      if (bytes.compare(head, 0, head.length, start, start + head.length) === 0) return frame;
    }
    return undefined;
  }

  /** The known frame of this length that begins with `head`, so that its rest need not be gathered. */
  findByHead(length: number, head: Buffer): KnownFrame | undefined {
    return this.#frames.find((frame) => frame.length === length && frame.head.equals(head));
  }

  /** Remembers the frame in `bytes[start, end)`, whose ends it copies. */
  learn(identity: FrameIdentity, bytes: Buffer, start: number, end: number): KnownFrame {
    const length = end - start;
    const frame: KnownFrame = {
      seq: identity.seq,
      prev: identity.prev,
      comments: identity.comments,
      batches: identity.batches,
      length,
      head: Buffer.from(bytes.subarray(start, start + Math.min(length, HEAD_BYTES))),
      tail: Buffer.from(bytes.subarray(end - Math.min(length, TAIL_BYTES), end)),
      count: 0,
      firstAt: 0,
      lastAt: 0,
    };
    this.#frames.unshift(frame);
    if (this.#frames.length > MOST_KNOWN) this.#frames.pop();
    return frame;
  }
}

/** In a loop of its own: for so few bytes a call of `compare` costs more than they do. */
function endsWith(bytes: Buffer, end: number, tail: Buffer): boolean {
  const from = end - tail.length;
  for (let i = 0; i < tail.length; i += 1) if (bytes[from + i] !== tail[i]) return false;
  return true;
}
