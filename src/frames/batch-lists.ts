/** Lists of batches of one room, oldest first: what of them is wanted. */
import type { EncodedBatch, NumberedBatch } from './batch.ts';

/** A batch without its bytes. */
export interface BatchOutline {
  readonly seq: number;
  /** Comments in it that are not recalled. */
  readonly count: number;
}

type ListedBatch = NumberedBatch & EncodedBatch;

/**
 * The first of `batches`, at least one where there is any, and as many more as stay within `maxBytes` of shown bytes and
 * `maxComments` together.
 */
export function takeWithin<T extends ListedBatch>(
  batches: readonly T[],
  maxBytes: number,
  maxComments = Number.POSITIVE_INFINITY,
): readonly T[] {
  let bytes = 0;
  let comments = 0;
  for (const [i, batch] of batches.entries()) {
    bytes += batch.bytes.length;
    comments += batch.count;
    if (i > 0 && (bytes > maxBytes || comments > maxComments)) return batches.slice(0, i);
  }
  return batches;
}

/** The place of the first of `batches` with a seq above `seq`, by halving. */
export function firstAbove(batches: readonly BatchOutline[], seq: number): number {
  let low = 0;
  let high = batches.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((batches[middle] as BatchOutline).seq > seq) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Those with `after` < seq ≤ `upTo`, as many as {@link takeWithin} takes. */
export function takeRange<T extends ListedBatch>(
  batches: readonly T[],
  after: number,
  upTo: number,
  maxBytes: number,
): readonly T[] {
  return takeWithin(batches.slice(firstAbove(batches, after), firstAbove(batches, upTo)), maxBytes);
}

/**
 * Adds to `found` those with `notBelow` < seq ≤ `upTo`, newest first: until they hold `comments` comments, and no more
 * than make `most` in all. Gives how many comments are left to find.
 */
export function takeOutlines(
  found: BatchOutline[],
  batches: readonly BatchOutline[],
  upTo: number,
  comments: number,
  notBelow: number,
  most: number,
): number {
  let left = comments;
  for (let i = firstAbove(batches, upTo) - 1; i >= 0 && left > 0 && found.length < most; i -= 1) {
    const { seq, count } = batches[i] as BatchOutline;
    if (seq <= notBelow) break;
    found.push({ seq, count });
    left -= count;
  }
  return left;
}
