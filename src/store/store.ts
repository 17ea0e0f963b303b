/** The log behind the rooms. One interface; implementations are `store-*.ts`. */
import type { EncodedBatch, NumberedBatch } from '../frames/batch.ts';

/** A batch in a room's log. */
export interface StoredBatch extends NumberedBatch {
  readonly room: string;
  /** Comments in it that are not recalled. */
  readonly count: number;
}

/** A batch's place in its room's log, and what it holds. */
export type BatchOutline = Pick<StoredBatch, 'seq' | 'prev' | 'count'>;

export interface StoreStats {
  /** What is kept now takes so many bytes. */
  readonly bytes: number;
  /** Batches dropped since the start because they were too old or too much. */
  readonly pruned: number;
}

/** How long a store that outlives its process remembers what was recalled, in ms. */
export const RECALLS_REMEMBERED_MS = 300_000;

/** Most comments that are remembered so, the ones recalled last. */
export const RECALLS_REMEMBERED = 200_000;

/** A comment that was recalled not long ago. */
export interface RecalledComment {
  readonly room: string;
  readonly id: string;
  /** When it was recalled, Unix ms. */
  readonly at: number;
}

/** Takes the tail: batches of any rooms, in order within each room, every stored batch exactly once. */
export type TailListener = (batches: readonly StoredBatch[]) => void;

/**
 * A log of batches per room.
 *
 * Within a room `seq` rises and is never used twice, but may have holes. What is pushed comes from the tail, never
 * from an append's answer: an append may be answered before its batch is in the tail or after, answers of different
 * rooms come in any order, and other nodes' batches may stand in between.
 */
export interface Store {
  /** What the ready line and the log call it: `memory`, or `lmdb:` and the directory. */
  readonly name: string;

  /**
   * Opens the log and starts the tail after what is there already. Called once, before anything else. Resolves with
   * what was recalled in the five minutes before, oldest first, as far as this store knows: the newest 200,000.
   * @throws VolleyError with a fault code (`STORE_…`) when the log cannot be opened; then nothing is left open
   */
  start(listener: TailListener): Promise<readonly RecalledComment[]>;

  /**
   * Appends a batch and answers with its seq once it is as safe as this store makes it. Appends made in one turn of
   * the loop share one transaction, unless there are more of them than a store takes into one: then they make several.
   * @throws VolleyError with a refusal code (`STORE_FULL`, `STORE_FAILED`); then nothing was stored
   */
  append(room: string, batch: EncodedBatch): Promise<number>;

  /** The newest seq of the room that the tail has delivered or that was there at the start; 0 for none. */
  lastSeq(room: string): number;

  /**
   * Batches with `after` < seq ≤ `upTo`, oldest first, as many as fit in `maxBytes` and at least one if there is
   * any. A first batch whose `prev` is above `after` tells that older ones are not kept.
   */
  read(room: string, after: number, upTo: number, maxBytes: number): Promise<StoredBatch[]>;

  /**
   * The largest seq such that the batches after it, up to `upTo`, hold at least `comments` comments; 0 when all that
   * is kept holds fewer (or nothing is kept). Looks no further back than `notBelow`, which is the answer then.
   */
  seqBefore(room: string, upTo: number, comments: number, notBelow?: number): Promise<number>;

  /**
   * Batches with `notBelow` < seq ≤ `upTo`, newest first and without their bytes: until they hold `comments` comments,
   * at most `most`.
   */
  outline(room: string, upTo: number, comments: number, notBelow: number, most: number): Promise<BatchOutline[]>;

  /**
   * Takes the comment at `place` of batch `seq` out of what is kept, for good: its place stays, empty, so that the
   * others keep their ids. Resolves once no read finds it any more, with false when there is no such comment.
   * @throws VolleyError with a refusal code (`STORE_FULL`, `STORE_FAILED`); then it is still there
   */
  recall(room: string, seq: number, place: number): Promise<boolean>;

  stats(): StoreStats;

  /** Finishes what was appended and closes. */
  close(): Promise<void>;
}
