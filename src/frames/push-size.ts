import { VolleyError } from '../codes.ts';
import { BOUNDS } from '../comment.ts';
import { LARGEST_RING, MOST_SHARDS } from '../settings.ts';
import { ALL_CODECS } from './codec.ts';
import { entrySize } from './frame-ring.ts';

/** Bytes of UTF-8 that a code point takes at most. */
const POINT = 4;

/** Longest topic: a codec's name, a colon, a room's name of 64. */
const TOPIC = 72;

/** Room for a header, and for the framing of columns and fields, in bytes a batch and a comment. */
const HEADER = 128;
const MSGPACK_FRAMING = 32;
const JSON_FRAMING = 200;

/** A character of `extra` may be a control character, which JSON writes as six bytes. */
const JSON_ESCAPE = 6;

/** The most bytes that the batch of `maxBatch` comments can have. */
export function largestBatch(maxBatch: number, maxText: number): number {
  const points = maxText + BOUNDS.user + BOUNDS.name;
  return HEADER + maxBatch * (points * POINT + BOUNDS.extra + MSGPACK_FRAMING);
}

/** The most bytes of ring that one push can take: a frame of every codec, none of them compressible. */
export function largestPush(maxBatch: number, maxText: number): number {
  const points = maxText + BOUNDS.user + BOUNDS.name;
  const msgpack = largestBatch(maxBatch, maxText);
  const json = HEADER + maxBatch * (points * POINT + BOUNDS.extra * JSON_ESCAPE + JSON_FRAMING);
  const deflate = msgpack + (msgpack >>> 10) + 64;
  return [msgpack, json, deflate].reduce((sum, frame) => sum + entrySize(MOST_SHARDS, TOPIC, frame), 0);
}

/**
 * Checks that the ring can take a largest push while the one before it is still being read.
 * @throws VolleyError RING_TOO_SMALL
 */
export function checkRingSize(ringSize: number, maxBatch: number, maxText: number): void {
  const needed = 2 * largestPush(maxBatch, maxText);
  if (ringSize >= needed) return;
  if (needed > LARGEST_RING) {
    throw new VolleyError(
      'RING_TOO_SMALL',
      `--max-batch ${maxBatch} cannot go with --max-text ${maxText}: allowed is what fits twice into the largest --ring-size, ${LARGEST_RING}`,
    );
  }
  throw new VolleyError(
    'RING_TOO_SMALL',
    `--ring-size cannot be ${ringSize}: allowed is at least ${needed}, two of the largest pushes with --max-batch ${maxBatch} and --max-text ${maxText}`,
  );
}

/** Bytes of an id in a recall message, with quotes and comma: a seq of 2⁵³ and a place of five digits. */
const RECALLED_ID = 25;

/** Most ids of recalled comments that a push may carry: with all codecs an eighth of the ring, and never over 50 KB each. */
export function mostRecalled(ringSize: number): number {
  return Math.min(2_000, Math.floor(ringSize / 8 / ALL_CODECS.length / RECALLED_ID));
}
