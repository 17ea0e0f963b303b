/** Binary messages: msgpack frames, deflated or not. */
import { readFrame } from '../frames/columns.ts';
import type { BatchMessage } from '../frames/messages.ts';
import { VolleyClientError } from './client-error.ts';

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

/**
 * Reads msgpack that nobody vouches for. A general decoder reserves what a length promises, so that 1 KB of nested
 * arrays ends the process; here a length counts only as far as there are bytes for it, and values and depth are bounded.
 *
 * https://github.com/msgpack/msgpack/blob/master/spec.md
 */

/** Values in one message. 10,000 comments, the most that a server pushes at once, are 50,000 at most. */
const MOST_VALUES = 262_144;

/** Arrays and maps within each other. A frame has 4. */
const MOST_DEPTH = 16;

/** Texts of at least so many bytes are decoded by the platform; below, the call costs more than the work. */
const LONG_TEXT = 128;

/** A text may begin with U+FEFF, which stays. */
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * The one value that `bytes` hold. Maps and extensions, which no frame has, are stepped over and read as undefined.
 * @throws VolleyClientError UNREADABLE when the bytes are no msgpack, are cut short, go on after the value, or nest
 *   too deep; TOO_LARGE when there are too many values
 */
export function readMsgpack(bytes: ArrayBuffer): unknown {
  const reader = new MsgpackReader(bytes);
  const value = reader.read(0);
  reader.end();
  return value;
}

class MsgpackReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  #values = 0;

  constructor(bytes: ArrayBuffer) {
    this.#bytes = new Uint8Array(bytes);
    this.#view = new DataView(bytes);
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw unreadable('bytes after the value');
  }

  read(depth: number): unknown {
    const head = this.#view.getUint8(this.#skip(1));
    if (head < 0x80) return head;
    if (head < 0x90) return this.#map(head & 0x0f, depth);
    if (head < 0xa0) return this.#array(head & 0x0f, depth);
    if (head < 0xc0) return this.#text(head & 0x1f);
    if (head >= 0xe0) return head - 0x100;
    const view = this.#view;
    switch (head) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
        return this.#bin(this.#uint8());
      case 0xc5:
        return this.#bin(this.#uint16());
      case 0xc6:
        return this.#bin(this.#uint32());
      case 0xc7:
        return this.#extension(this.#uint8());
      case 0xc8:
        return this.#extension(this.#uint16());
      case 0xc9:
        return this.#extension(this.#uint32());
      case 0xca:
        return view.getFloat32(this.#skip(4));
      case 0xcb:
        return view.getFloat64(this.#skip(8));
      case 0xcc:
        return this.#uint8();
      case 0xcd:
        return this.#uint16();
      case 0xce:
        return this.#uint32();
      case 0xcf:
        return Number(view.getBigUint64(this.#skip(8)));
      case 0xd0:
        return view.getInt8(this.#skip(1));
      case 0xd1:
        return view.getInt16(this.#skip(2));
      case 0xd2:
        return view.getInt32(this.#skip(4));
      case 0xd3:
        return Number(view.getBigInt64(this.#skip(8)));
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.#extension(1 << (head - 0xd4));
      case 0xd9:
        return this.#text(this.#uint8());
      case 0xda:
        return this.#text(this.#uint16());
      case 0xdb:
        return this.#text(this.#uint32());
      case 0xdc:
        return this.#array(this.#uint16(), depth);
      case 0xdd:
        return this.#array(this.#uint32(), depth);
      case 0xde:
        return this.#map(this.#uint16(), depth);
      case 0xdf:
        return this.#map(this.#uint32(), depth);
      default:
        throw unreadable(`no value begins with byte ${head}`);
    }
  }

  /** Where the next `length` bytes begin, which are read with this. */
  #skip(length: number): number {
    const at = this.#at;
    if (length > this.#bytes.length - at) throw unreadable('the bytes are cut short');
    this.#at = at + length;
    return at;
  }

  #uint8(): number {
    return this.#view.getUint8(this.#skip(1));
  }

  #uint16(): number {
    return this.#view.getUint16(this.#skip(2));
  }

  #uint32(): number {
    return this.#view.getUint32(this.#skip(4));
  }

  #array(length: number, depth: number): unknown[] {
    this.#enter(length, depth);
    const array: unknown[] = new Array(length);
    for (let i = 0; i < length; i += 1) array[i] = this.read(depth + 1);
    return array;
  }

  #map(length: number, depth: number): undefined {
    this.#enter(2 * length, depth);
    for (let i = 0; i < 2 * length; i += 1) this.read(depth + 1);
  }

  /** Each value takes a byte at least, so there cannot be more of them than bytes. */
  #enter(values: number, depth: number): void {
    this.#values += values;
    if (values > this.#bytes.length - this.#at) throw unreadable('the bytes are cut short');
    if (this.#values > MOST_VALUES) throw new VolleyClientError('TOO_LARGE', `a frame of over ${MOST_VALUES} values`);
    if (depth >= MOST_DEPTH) throw unreadable(`nested over ${MOST_DEPTH} deep`);
  }

  #bin(length: number): Uint8Array {
    const at = this.#skip(length);
    return this.#bytes.subarray(at, at + length);
  }

  #extension(length: number): undefined {
    this.#skip(1 + length);
  }

  #text(length: number): string {
    const at = this.#skip(length);
    const bytes = this.#bytes;
    if (length >= LONG_TEXT) return utf8.decode(bytes.subarray(at, at + length));
    return shortText(bytes, at, at + length);
  }
}

function unreadable(detail: string): VolleyClientError {
  return new VolleyClientError('UNREADABLE', `a frame that is not msgpack: ${detail}`);
}

/** ASCII and Chinese, Japanese or Korean here, the rest by the platform. */
function shortText(bytes: Uint8Array, from: number, to: number): string {
  const units: number[] = [];
  for (let at = from; at < to; ) {
    const byte = bytes[at] as number;
    if (byte < 0x80) {
      units.push(byte);
      at += 1;
    } else if (byte >= 0xe0 && byte < 0xf0 && at + 3 <= to) {
      units.push(
        ((byte & 0x0f) << 12) | (((bytes[at + 1] as number) & 0x3f) << 6) | ((bytes[at + 2] as number) & 0x3f),
      );
      at += 3;
    } else {
      return utf8.decode(bytes.subarray(from, to));
    }
  }
  return String.fromCharCode(...units);
}
