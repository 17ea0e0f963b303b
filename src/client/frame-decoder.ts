/** Binary messages: msgpack frames, deflated or not. */
import { decode } from '@msgpack/msgpack';
import { type BatchMessage, readFrame } from '../frames/batch-message.ts';

/**
 * Reads a msgpack frame.
 * @throws Error when it is not one
 */
export function decodeFrame(bytes: ArrayBuffer): BatchMessage {
  return readFrame(decode(bytes));
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
 * Inflates raw deflate (RFC 1951).
 * @throws TypeError when the bytes are something else, or cut short
 */
export async function inflate(bytes: ArrayBuffer): Promise<ArrayBuffer> {
  const inflated = new Blob([bytes]).stream().pipeThrough(new DecompressionStream(RAW));
  return new Response(inflated).arrayBuffer();
}

const RAW = 'deflate-raw';
