/**
 * Keys of the LMDB store's tables, to bytes and back. Numbers are big-endian, so that LMDB's byte order is theirs.
 *
 *   batches   room, 0x00, seq u48, prev u48, count u32, at u48   value: the batch's bytes
 *   order     at u48, counter u48                                value: room, 0x00, seq u48 (how its batch's key begins)
 *   rooms     room                                               value: last seq u48
 *   recalls   at u48, room, 0x00, seq u48, place u32             value: that place and those recalled with it, u32 each
 *
 * A room's name holds no 0x00, so a room never sorts between the batches of another whose name it begins.
 */

/** The largest number that a u48 holds. A seq is always below it, so that there is an end above every seq. */
export const MOST_U48 = 2 ** 48 - 1;

const U48 = 6;
const U32 = 4;
const PLACE_TAIL = 1 + U48;
const BATCH_TAIL = PLACE_TAIL + U48 + U32 + U48;

/** Everything about a batch but its bytes. */
export interface BatchKey {
  readonly seq: number;
  /** The seq of the room's batch before it, 0 for none. */
  readonly prev: number;
  /** Comments in it that are not recalled. */
  readonly count: number;
  /** When it was stored, Unix ms. */
  readonly at: number;
}

/** Where a batch stands: how its key in `batches` begins. Seqs beyond what a u48 holds become the nearest that it does. */
export function encodePlace(room: string, seq: number): Buffer {
  const length = Buffer.byteLength(room);
  const key = Buffer.allocUnsafe(length + PLACE_TAIL);
  writePlace(key, room, length, seq);
  return key;
}

export function decodePlace(place: Uint8Array): { room: string; seq: number } {
  const bytes = viewOf(place);
  const end = bytes.length - PLACE_TAIL;
  return { room: bytes.toString('utf8', 0, end), seq: bytes.readUIntBE(end + 1, U48) };
}

export function encodeBatchKey(room: string, { seq, prev, count, at }: BatchKey): Buffer {
  const length = Buffer.byteLength(room);
  const key = Buffer.allocUnsafe(length + BATCH_TAIL);
  const next = writePlace(key, room, length, seq);
  key.writeUIntBE(prev, next, U48);
  key.writeUInt32BE(count, next + U48);
  key.writeUIntBE(clampU48(at), next + U48 + U32, U48);
  return key;
}

export function decodeBatchKey(key: Uint8Array): BatchKey {
  const bytes = viewOf(key);
  const start = bytes.length - BATCH_TAIL + 1;
  return {
    seq: bytes.readUIntBE(start, U48),
    prev: bytes.readUIntBE(start + U48, U48),
    count: bytes.readUInt32BE(start + 2 * U48),
    at: bytes.readUIntBE(start + 2 * U48 + U32, U48),
  };
}

export function encodeOrderKey(at: number, counter: number): Buffer {
  const key = Buffer.allocUnsafe(2 * U48);
  key.writeUIntBE(clampU48(at), 0, U48);
  key.writeUIntBE(counter, U48, U48);
  return key;
}

export function decodeOrderKey(key: Uint8Array): { at: number; counter: number } {
  const bytes = viewOf(key);
  return { at: bytes.readUIntBE(0, U48), counter: bytes.readUIntBE(U48, U48) };
}

/** Comments of one batch that were recalled together. */
export interface RecallEntry {
  /** Unix ms. */
  readonly at: number;
  readonly room: string;
  readonly seq: number;
  /** At least one. */
  readonly places: readonly number[];
}

/** A place is recalled once, so its first place makes an entry's key its own. */
export function encodeRecall({ at, room, seq, places }: RecallEntry): { key: Buffer; value: Buffer } {
  const value = Buffer.allocUnsafe(places.length * U32);
  for (const [i, place] of places.entries()) value.writeUInt32BE(place, i * U32);
  return { key: Buffer.concat([encodeTime(at), encodePlace(room, seq), value.subarray(0, U32)]), value };
}

export function decodeRecall(key: Uint8Array, value: Uint8Array): RecallEntry {
  const bytes = viewOf(key);
  const numbers = viewOf(value);
  const places = Array.from({ length: numbers.length / U32 }, (_, i) => numbers.readUInt32BE(i * U32));
  return { at: bytes.readUIntBE(0, U48), ...decodePlace(bytes.subarray(U48, -U32)), places };
}

/** How the keys in `recalls` of this time, Unix ms, begin. */
export function encodeTime(at: number): Buffer {
  return encodeSeq(clampU48(at));
}

/** A room's key in `rooms`. */
export function encodeRoom(room: string): Buffer {
  return Buffer.from(room);
}

/** A last seq, the value in `rooms`. */
export function encodeSeq(seq: number): Buffer {
  const value = Buffer.allocUnsafe(U48);
  value.writeUIntBE(seq, 0, U48);
  return value;
}

export function decodeSeq(value: Uint8Array): number {
  return viewOf(value).readUIntBE(0, U48);
}

/** The offset after it. */
function writePlace(key: Buffer, room: string, length: number, seq: number): number {
  key.write(room, 0, length);
  key[length] = 0;
  return key.writeUIntBE(clampU48(seq), length + 1, U48);
}

function clampU48(value: number): number {
  return Math.min(MOST_U48, Math.max(0, Math.trunc(value)));
}

/** The same bytes as a Buffer, for its readers of numbers. */
function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
