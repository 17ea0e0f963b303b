/** Binary messages: msgpack frames, deflated or not. */
import { readFrame } from '../frames/columns.ts';
import type { BatchMessage } from '../frames/messages.ts';
import { VolleyClientError } from './client-error.ts';
import { readMsgpack } from './msgpack-reader.ts';

/**
 * Reads a msgpack frame. The caller checks the message: a server may have put anything into the columns.
 * @throws Error when it is not a frame
 */
export function decodeFrame(bytes: ArrayBuffer): BatchMessage {
  return readFrame(readMsgpack(bytes));
}

/** Whether this JavaScript inflates raw deflate by itself: browsers since 2023, Node from 20.12 on. */
export function canInflate(): boolean {
  try {
    new DecompressionStream(RAW);
    return true;
  } catch {
    // Missing altogether (ReferenceError), or without this format (TypeError): either way the answer is no.
    return false;
  }
}

/**
 * Inflates raw deflate (RFC 1951), up to `most` bytes: 1 MB of it may stand for 1 GB.
 * @throws TypeError when the bytes are something else, or cut short; VolleyClientError TOO_LARGE
 */
export async function inflate(bytes: ArrayBuffer, most: number): Promise<ArrayBuffer> {
  const { readable, writable } = new DecompressionStream(RAW);
  const writer = writable.getWriter();
  const fed = Promise.all([writer.write(new Uint8Array(bytes)), writer.close()]);
  // The reader below meets the same error.
  fed.catch(() => {});
  const reader = readable.getReader();
  const parts: Uint8Array[] = [];
  let length = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
    length += part.value.length;
    if (length > most) {
      // Whether that works out or not, nobody reads on.
      reader.cancel().catch(() => {});
      throw new VolleyClientError('TOO_LARGE', `${bytes.byteLength} bytes inflate to over ${most}`);
    }
  }
  await fed;
  const inflated = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    inflated.set(part, at);
    at += part.length;
  }
  return inflated.buffer;
}

const RAW = 'deflate-raw';
