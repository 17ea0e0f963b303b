import type { StoredBatch } from '../store/store.ts';

/**
 * The first of `batches`, at least one where there is any, and as many more as stay within `maxBytes` of stored bytes
 * and `maxComments` together.
 */
export function takeWithin(
  batches: readonly StoredBatch[],
  maxBytes: number,
  maxComments = Number.POSITIVE_INFINITY,
): readonly StoredBatch[] {
  let bytes = 0;
  let comments = 0;
  for (const [i, batch] of batches.entries()) {
    bytes += batch.bytes.length;
    comments += batch.count;
    if (i > 0 && (bytes > maxBytes || comments > maxComments)) return batches.slice(0, i);
  }
  return batches;
}
