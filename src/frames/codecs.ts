import { promisify } from 'node:util';
import { deflateRaw, deflateRawSync } from 'node:zlib';
import { Unpackr } from 'msgpackr';
import { VolleyError } from '../codes.ts';
import type { Comment } from '../comment.ts';
import { decodeBatch, type NumberedBatch } from './batch.ts';
import { appendBatch, FRAME_VERSION, readFrame } from './columns.ts';
import type { BatchMessage } from './messages.ts';

const encoder = new TextEncoder();

/** Puts whole batches, in order and at least one, into one message. */
export function joinBatches(batches: readonly NumberedBatch[], viewers: number): BatchMessage {
  const message: BatchMessage = { type: 'batch', seq: 0, prev: 0, at: 0, viewers, comments: [] };
  for (const [i, batch] of batches.entries()) {
    appendBatch(message, batch, decodeBatch(batch), i === 0);
  }
  return message;
}

/** The JSON frame of whole batches: a `batch` message as UTF-8, byte for byte what `JSON.stringify` makes of it. */
export function encodeJsonFrame(batches: readonly NumberedBatch[], viewers: number): Uint8Array {
  const { seq, prev, at, comments } = joinBatches(batches, viewers);
  let json = `{"type":"batch","seq":${seq},"prev":${prev},"at":${at},"viewers":${viewers},"comments":[`;
  for (let i = 0; i < comments.length; i += 1) {
    if (i > 0) json += ',';
    json += writeComment(comments[i] as Comment);
  }
  return encoder.encode(`${json}]}`);
}

/** A fixed shape put together by hand takes a third of the time that `JSON.stringify` needs to look at every key. */
function writeComment(comment: Comment): string {
  const { id, user, name, text, mode, color, size, at, extra } = comment;
  const rest = extra === undefined ? '' : `,"extra":${quote(extra)}`;
  return (
    `{"id":"${id}","user":${quote(user)},"name":${quote(name)},"text":${quote(text)},` +
    `"mode":"${mode}","color":${color},"size":${size},"at":${at}${rest}}`
  );
}

/** Nothing that JSON escapes: no control character, no lone surrogate. */
const PLAIN = /^[^"\\\p{Cc}\p{Cs}]*$/u;

function quote(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}

/**
 * The msgpack frame: a header and whole batches, put together by copying bytes. Canonical bytes are never decoded
 * here.
 *
 *   [ 1, viewers, [seq, prev, batch], … ]
 *
 *   93 | 01 | viewers | 93 | seq | prev | batch bytes as stored | …
 *
 * Integers up to 2^32 - 1 are msgpack's smallest unsigned form, larger ones float64 (exact up to 2^53), so that no
 * decoder hands out a BigInt.
 */

/** Most bytes that an integer or an array header takes. */
const WIDEST = 9;

/** The msgpack frame of whole batches, in order, at least one. The bytes are the caller's own. */
export function encodeMsgpackFrame(batches: readonly NumberedBatch[], viewers: number): Uint8Array {
  let most = 3 * WIDEST;
  for (const batch of batches) most += batch.bytes.length + 3 * WIDEST;
  const frame = new Uint8Array(most);
  const view = new DataView(frame.buffer);
  let end = putArray(view, 0, batches.length + 2);
  end = putInteger(view, end, FRAME_VERSION);
  end = putInteger(view, end, viewers);
  for (const batch of batches) {
    end = putArray(view, end, 3);
    end = putInteger(view, end, batch.seq);
    end = putInteger(view, end, batch.prev);
    frame.set(batch.bytes, end);
    end += batch.bytes.length;
  }
  return frame.subarray(0, end);
}

function putArray(view: DataView, at: number, length: number): number {
  if (length < 16) {
    view.setUint8(at, 0x90 | length);
    return at + 1;
  }
  if (length <= 0xffff) {
    view.setUint8(at, 0xdc);
    view.setUint16(at + 1, length);
    return at + 3;
  }
  view.setUint8(at, 0xdd);
  view.setUint32(at + 1, length);
  return at + 5;
}

function putInteger(view: DataView, at: number, value: number): number {
  if (value < 0x80) {
    view.setUint8(at, value);
    return at + 1;
  }
  if (value <= 0xff) {
    view.setUint16(at, 0xcc00 | value);
    return at + 2;
  }
  if (value <= 0xffff) {
    view.setUint8(at, 0xcd);
    view.setUint16(at + 1, value);
    return at + 3;
  }
  if (value <= 0xffffffff) {
    view.setUint8(at, 0xce);
    view.setUint32(at + 1, value);
    return at + 5;
  }
  view.setUint8(at, 0xcb);
  view.setFloat64(at + 1, value);
  return at + 9;
}

const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number' });

/**
 * Reads a msgpack frame into the message that the JSON codec would have sent.
 * @throws VolleyError BATCH_CORRUPT when the bytes are not a frame
 */
export function decodeMsgpackFrame(frame: Uint8Array): BatchMessage {
  let parts: unknown;
  try {
    parts = unpackr.unpack(frame);
  } catch (cause) {
    throw new VolleyError('BATCH_CORRUPT', 'the frame is not msgpack', { cause });
  }
  return readFrame(parts);
}

/**
 * Raw deflate for the deflate codec. A small frame is deflated in place; a large one on libuv's threads, so that
 * the main thread goes on taking comments meanwhile.
 */

const deflateAsync = promisify(deflateRaw);

/** Frames over this many bytes are deflated off the loop: below it the hand-over costs more than the work. */
const OFF_LOOP = 8_192;

export type Deflated = Uint8Array | Promise<Uint8Array>;

export function deflateFrame(frame: Uint8Array): Deflated {
  return frame.length > OFF_LOOP ? deflateAsync(frame) : deflateRawSync(frame);
}

export function deflateFrameNow(frame: Uint8Array): Uint8Array {
  return deflateRawSync(frame);
}
