/**
 * The stored value of a batch: what a log keeps under one seq. Numbers are big-endian.
 *
 *   0    u8    version, 1
 *   1    u32   count: comments in the shown batch that are not recalled
 *   5    u32   length of the shown batch in bytes
 *   9    u32   length of the rest batch in bytes, 0 for none
 *   13         shown batch ┃ rest batch ┃ private part
 *
 * Only the shown batch is pushed, caught up and read as history, by copying its bytes. The rest batch holds comments that
 * are stored but not shown; their indexes go on after those of the shown batch. The private part is never sent.
 */
import { VolleyError } from '../codes.ts';
import type { EncodedBatch } from './batch.ts';

const VERSION = 1;
const HEADER = 13;
const NOTHING = new Uint8Array(0);

/** Bytes that {@link encodeEnvelope} takes for `batch`. */
export function envelopeLength({ bytes, rest = NOTHING, private: secret = NOTHING }: EncodedBatch): number {
  return HEADER + bytes.length + rest.length + secret.length;
}

/** Writes the stored value of `batch` into `target` from `offset` on: {@link envelopeLength} bytes. */
export function encodeEnvelope(batch: EncodedBatch, target: Buffer, offset: number): void {
  const { bytes, count, rest = NOTHING, private: secret = NOTHING } = batch;
  target[offset] = VERSION;
  target.writeUInt32BE(count, offset + 1);
  target.writeUInt32BE(bytes.length, offset + 5);
  target.writeUInt32BE(rest.length, offset + 9);
  target.set(bytes, offset + HEADER);
  target.set(rest, offset + HEADER + bytes.length);
  target.set(secret, offset + HEADER + bytes.length + rest.length);
}

/**
 * Reads a stored value. The parts are views on it, and an empty part is left out.
 * @throws VolleyError BATCH_CORRUPT when it is not an envelope of a version that this code reads
 */
export function decodeEnvelope(value: Buffer): EncodedBatch {
  if (value.length < HEADER || value[0] !== VERSION) {
    throw new VolleyError('BATCH_CORRUPT', `a stored value is not an envelope of version ${VERSION}`);
  }
  const shownEnd = HEADER + value.readUInt32BE(5);
  const restEnd = shownEnd + value.readUInt32BE(9);
  if (restEnd > value.length) throw new VolleyError('BATCH_CORRUPT', 'a stored value is shorter than it says');
  return {
    bytes: viewOf(value, HEADER, shownEnd),
    count: value.readUInt32BE(1),
    rest: restEnd > shownEnd ? viewOf(value, shownEnd, restEnd) : undefined,
    private: value.length > restEnd ? viewOf(value, restEnd, value.length) : undefined,
  };
}

/** A plain Uint8Array: `slice` of a Buffer is a view, where the owner of these bytes expects a copy. */
function viewOf(value: Buffer, start: number, end: number): Uint8Array {
  return new Uint8Array(value.buffer, value.byteOffset + start, end - start);
}
