import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StoredBatch } from '../store/store.ts';
import { takeWithin } from './batch-lists.ts';

/** Batches of so many bytes and comments each. */
function batchesOf(...sizes: (readonly [bytes: number, count: number])[]): StoredBatch[] {
  return sizes.map(([bytes, count], i) => ({
    room: 'a',
    seq: i + 1,
    prev: i,
    count,
    bytes: new Uint8Array(bytes),
  }));
}

describe('the first batches', () => {
  it('are all of them where all are within the bounds', () => {
    const batches = batchesOf([10, 1], [20, 2], [30, 3]);
    expect(takeWithin(batches, 60, 6)).toEqual(batches);
    expect(takeWithin(batches, 60)).toEqual(batches);
  });

  it('end before the one that is beyond the bytes or the comments', () => {
    const batches = batchesOf([10, 1], [20, 2], [30, 3]);
    expect(takeWithin(batches, 59, 6)).toEqual(batches.slice(0, 2));
    expect(takeWithin(batches, 60, 5)).toEqual(batches.slice(0, 2));
    expect(takeWithin(batches, 29)).toEqual(batches.slice(0, 1));
  });

  it('are one that is larger than the bounds, and alone, since a batch is never cut', () => {
    const batches = batchesOf([10, 5], [0, 0]);
    expect(takeWithin(batches, 9)).toEqual(batches.slice(0, 1));
    expect(takeWithin(batches, 10, 4)).toEqual(batches.slice(0, 1));
    expect(takeWithin(batches, 0, 0)).toEqual(batches.slice(0, 1));
  });

  it('are none of none', () => {
    expect(takeWithin([], 0, 0)).toEqual([]);
  });

  it('are as many as the bounds allow, and no more', () => {
    const sizes = fc.array(fc.tuple(fc.nat(9), fc.nat(9)), { maxLength: 12 });
    fc.assert(
      fc.property(sizes, fc.nat(40), fc.nat(40), (drawn, maxBytes, maxComments) => {
        const batches = batchesOf(...drawn);
        const fits = (end: number): boolean =>
          batches.slice(0, end).reduce((sum, { bytes }) => sum + bytes.length, 0) <= maxBytes &&
          batches.slice(0, end).reduce((sum, { count }) => sum + count, 0) <= maxComments;
        const taken = takeWithin(batches, maxBytes, maxComments);
        expect(taken).toEqual(batches.slice(0, taken.length));
        expect(taken.length <= 1 || fits(taken.length)).toBe(true);
        expect(taken.length === batches.length || !fits(taken.length + 1)).toBe(true);
      }),
    );
  });
});
