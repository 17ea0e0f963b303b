import { type FrameIdentity, type KnownFrame, KnownFrames } from './known-frames.ts';
import { Pushes } from './pushes.ts';

/** Batches of a room whose prev is remembered, to count how many somebody has missed. */
const MOST_LINKS = 4_096;

/** What a load thread knows of a room that its connections watch. */
export class Room {
  /** Place in `Seats.rooms`. */
  readonly index: number;
  readonly known = new KnownFrames();
  /** Two or more steady viewers, in all threads: there is a first and a last. */
  readonly isShared: boolean;
  /** A sampled viewer, in any thread: comments of this room are timed. */
  readonly isTimed: boolean;
  /** Of an opaque server. */
  readonly pushes: Pushes;
  readonly #prevOf = new Map<number, number>();

  /** @param steady,sampled so many viewers, in all threads */
  constructor(index: number, steady: number, sampled: number) {
    this.index = index;
    this.isShared = steady > 1;
    this.isTimed = sampled > 0;
    this.pushes = new Pushes(steady);
  }

  /** Remembers a frame that was decoded. */
  learn(identity: FrameIdentity, bytes: Buffer, start: number, end: number): KnownFrame {
    let { prev } = identity;
    for (const seq of identity.batches) {
      this.#prevOf.set(seq, prev);
      prev = seq;
    }
    while (this.#prevOf.size > MOST_LINKS) this.#prevOf.delete(this.#prevOf.keys().next().value ?? 0);
    return this.known.learn(identity, bytes, start, end);
  }

  /**
   * Batches after `last` up to `prev`, at least one. Where this thread does not know the chain, what it does not know
   * counts as one.
   */
  countMissing(last: number, prev: number): number {
    let missing = 0;
    let seq: number | undefined = prev;
    while (seq !== undefined && seq > last) {
      missing += 1;
      seq = this.#prevOf.get(seq);
    }
    return missing;
  }
}
