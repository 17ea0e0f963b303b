/**
 * What a load thread knows of a room. All viewers of a room on one codec get the same bytes, so a frame is decoded and
 * checked once per thread; other copies are compared with it.
 */

/** Viewers are rarely further apart than so many frames; then a frame is decoded once more. */
const MOST_KNOWN = 8;

/** Pushes of an opaque server that may be under way at once. */
const MOST_UNDER_WAY = 256;

/** Batches of a room whose prev is remembered, to count how many a viewer missed. */
const MOST_LINKS = 4_096;

/** What a frame says of itself when decoded. */
export interface FrameIdentity {
  readonly seq: number;
  /** The seq before the first batch. */
  readonly prev: number;
  readonly comments: number;
  /** The seqs of all its batches, rising; the last is `seq`. */
  readonly batches: readonly number[];
}

/** When copies of a frame came to this thread's viewers that count for the spread. */
export interface Copies {
  /** A viewer that has the frame has these: another may get two batches in one frame. */
  readonly batches: readonly number[];
  count: number;
  /** benchNow() of the first and the last of those; meaningless while `count` is 0. */
  firstAt: number;
  lastAt: number;
}

export interface KnownFrame extends FrameIdentity, Copies {
  readonly batches: readonly number[];
  readonly bytes: Buffer;
}

export class Room {
  readonly index: number;
  /** Two or more steady viewers, in all threads: there is a first and a last. */
  readonly isShared: boolean;
  /** A sampled viewer, in any thread: comments of this room are timed. */
  readonly isTimed: boolean;
  readonly #pushes = new Map<number, Copies>();
  readonly #frames: KnownFrame[] = [];
  readonly #prevOf = new Map<number, number>();

  constructor(index: number, steady: number, sampled: number) {
    this.index = index;
    this.isShared = steady > 1;
    this.isTimed = sampled > 0;
  }

  /** The known frame that is `bytes[start, end)`, if any is. */
  find(bytes: Buffer, start: number, end: number): KnownFrame | undefined {
    const length = end - start;
    return this.#frames.find((frame) => {
      return frame.bytes.length === length && frame.bytes.compare(bytes, start, end) === 0;
    });
  }

  learn(identity: FrameIdentity, bytes: Buffer): KnownFrame {
    let { prev } = identity;
    for (const seq of identity.batches) {
      this.#prevOf.set(seq, prev);
      prev = seq;
    }
    while (this.#prevOf.size > MOST_LINKS) this.#prevOf.delete(this.#prevOf.keys().next().value ?? 0);
    const frame = { ...identity, bytes: Buffer.from(bytes), count: 0, firstAt: 0, lastAt: 0 };
    this.#frames.unshift(frame);
    if (this.#frames.length > MOST_KNOWN) this.#frames.pop();
    return frame;
  }

  /** Push `number` of an opaque server, which must begin to push once all its viewers are there. */
  push(number: number): Copies {
    let copies = this.#pushes.get(number);
    if (copies === undefined) {
      copies = { batches: [number], count: 0, firstAt: 0, lastAt: 0 };
      this.#pushes.set(number, copies);
      this.#pushes.delete(number - MOST_UNDER_WAY);
    }
    return copies;
  }

  /** Batches after `last` up to `prev`, at least one. What this thread does not know of the chain counts as one. */
  countMissing(last: number, prev: number): number {
    let missing = 0;
    for (let seq: number | undefined = prev; seq !== undefined && seq > last; seq = this.#prevOf.get(seq)) missing += 1;
    return missing;
  }
}
