/** The log behind the rooms. One interface; the implementations are `store-*.ts`. */
import type { EncodedBatch, NumberedBatch } from '../frames/batch.ts';
import type { BatchOutline } from '../frames/batch-lists.ts';

/** A batch in a room's log. */
export interface StoredBatch extends EncodedBatch, NumberedBatch {
  readonly room: string;
  readonly bytes: Uint8Array;
}

/** Where a room's log begins and ends. */
export interface Head {
  /** The newest seq that the tail has delivered or that is kept, 0 for none. */
  readonly seq: number;
  /** Batches with this seq or a lower one may be gone; 0: none are. */
  readonly lost: number;
  /** No batch of the room has a higher seq, not even one on its way: only a `since` above it is a reset. */
  readonly ceiling: number;
}

/** Consecutive batches of one room. */
export interface Reading {
  /** Oldest first. Nothing that is kept lies between a batch's `prev` and its `seq`; the first one's `prev` is `after`. */
  readonly batches: readonly StoredBatch[];
  /** Batches with this seq or a lower one may be gone. Above `after`, it is the `prev` of the first batch. */
  readonly lost: number;
}

/** A comment that was recalled. */
export interface RecalledComment {
  readonly room: string;
  readonly id: string;
  /** When it was recalled, Unix ms. */
  readonly at: number;
}

/** How long a store that outlives its process remembers what was recalled, in ms. */
export const RECALLS_REMEMBERED_MS = 300_000;

/** Most comments that are remembered so, the ones recalled last. */
export const RECALLS_REMEMBERED = 200_000;

export interface StoreStats {
  /** Bytes of what is kept. */
  readonly bytes: number;
  /** Batches dropped since the start because they were too old or too much. */
  readonly pruned: number;
}

/** `stalled`: appends wait, so new comments are to be refused. */
export type StoreState = 'ready' | 'stalled';

/** What a store tells its server. */
export interface StoreEvents {
  /** Batches of followed rooms: in order within a room, each of them once, without a gap. */
  tail(batches: readonly StoredBatch[]): void;
  /** Comments that were recalled, by whichever node; at the start, those of the last five minutes, oldest first. */
  recalled(comments: readonly RecalledComment[]): void;
  state(state: StoreState, why: string): void;
}

/**
 * A log of batches per room.
 *
 * Within a room `seq` rises and is never used twice, but may have holes. What is pushed comes from the tail, never
 * from an append's answer: an append may be answered before its batch is in the tail or after, the answers of different
 * rooms come in any order, and other nodes' batches may stand in between.
 */
export interface Store {
  /** What the ready line and the log call it: `memory`, or `level:` and the directory. */
  readonly name: string;

  /** The largest stored value that one append may have, in bytes. */
  readonly maxBatchBytes: number;

  /**
   * Opens the log. Called once, before anything else.
   * @throws VolleyError with a fault code (`STORE_…`) when the log cannot be opened; then nothing is left open
   */
  start(events: StoreEvents): Promise<void>;

  /**
   * From the answer on, every batch of the room with a seq above the answer's comes by the tail.
   * @throws VolleyError STORE_FAILED; then the room is not followed
   */
  follow(room: string): Promise<Head>;

  /** Ends {@link follow}. No append of the room may be on its way. */
  unfollow(room: string): void;

  /**
   * Where the log of any room ends.
   * @throws VolleyError STORE_FAILED
   */
  head(room: string): Promise<Head>;

  /**
   * Appends a batch to a followed room; resolves with its seq once it is as safe as this store makes it.
   * @throws VolleyError STORE_FULL or STORE_FAILED: it is surely not stored; STORE_UNKNOWN: it may still appear in the
   * tail and in readings
   */
  append(room: string, batch: EncodedBatch): Promise<number>;

  /**
   * Batches with `after` < seq ≤ `upTo`, as many as fit in `maxBytes` of shown bytes, and at least one if there is any.
   * @throws VolleyError STORE_FAILED
   */
  read(room: string, after: number, upTo: number, maxBytes: number): Promise<Reading>;

  /**
   * Batches with `notBelow` < seq ≤ `upTo`, newest first: until they hold `comments` comments, and at most `most`.
   * @throws VolleyError STORE_FAILED
   */
  outline(room: string, upTo: number, comments: number, notBelow: number, most: number): Promise<BatchOutline[]>;

  /**
   * Takes comments out of batch `seq` for good: their places stay, empty, so that the others keep their ids. Resolves
   * with how many of them were there, once no reading finds them any more and `recalled` was told.
   * @throws VolleyError STORE_FULL, STORE_FAILED; then they are still there
   */
  recall(room: string, seq: number, indexes: readonly number[]): Promise<number>;

  /** As last known; never waits. */
  stats(): StoreStats;

  /** Finishes what was appended and closes. */
  close(): Promise<void>;
}

/** The largest stored value of the stores of one node, in bytes. */
export const LARGEST_VALUE = 16_777_216;

/** `batches`, read after `after` and oldest first, as a {@link Reading}. Their `prev`s are right but for the first one's. */
export function readingOf(batches: readonly StoredBatch[], after: number, lost: number): Reading {
  const [first] = batches;
  if (first === undefined) return { batches, lost };
  // `lost` may have passed a batch that was read just before it was dropped.
  const prev = Math.min(first.seq - 1, Math.max(after, lost));
  return { batches: first.prev === prev ? batches : [{ ...first, prev }, ...batches.slice(1)], lost };
}

/** Batches looked at in one step by {@link seqBefore}. */
const STRETCH = 1_000;

/** Batches without comments, all recalled, that {@link seqBefore} walks over at most. */
const MOST_EMPTY = 20_000;

/**
 * The largest seq such that the batches after it, up to `upTo`, hold at least `comments` comments; `notBelow` when those
 * after `notBelow` hold fewer. Where more than 20,000 batches in a row hold no comment any more, it stops there: the
 * answer is always below `upTo`, so that a caller that goes on from it gets on.
 * @throws VolleyError STORE_FAILED
 */
export async function seqBefore(
  store: Pick<Store, 'outline'>,
  room: string,
  upTo: number,
  comments: number,
  notBelow = 0,
): Promise<number> {
  if (comments <= 0) return Math.max(upTo, notBelow);
  let left = comments;
  let empty = 0;
  for (let from = upTo; ; ) {
    const stretch = await store.outline(room, from, left, notBelow, STRETCH);
    for (const { seq, count } of stretch) {
      left -= count;
      if (count === 0) empty += 1;
      from = seq - 1;
      if (left <= 0 || empty === MOST_EMPTY) return Math.max(from, notBelow);
    }
    if (stretch.length < STRETCH) return notBelow;
  }
}
