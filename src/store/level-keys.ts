/**
 * Keys and values of the LevelDB store, to bytes and back. Numbers in keys are big-endian, so that LevelDB's byte order is
 * theirs. A room's name holds no 0x00, so no room sorts between the batches of another whose name it begins with.
 *
 *   'b' room 0x00 seq:u48   a batch            envelope (frames/batch.ts), crc:u32
 *   'o' counter:u48         batches written    msgpack [at, [room, seq, size], …], crc:u32
 *   'c' counter:u48         comments recalled  msgpack [at, room, seq, [index, …]], crc:u32
 *   'r' room                a room             msgpack newest seq that was dropped, crc:u32
 *   't'                     totals             msgpack [bytes of all batches, number of the newest write], crc:u32
 *
 * Counters rise from write to write, whatever the clock says: the oldest batches of all rooms are at the beginning of `o`.
 * The crc is over key and value, so that a flipped bit in either is found, whichever file it is in.
 */
import { crc32 } from 'node:zlib';
import { pack, unpack } from 'msgpackr';
import { decodeEnvelope, type EncodedBatch, encodeEnvelope, envelopeLength } from '../frames/batch.ts';
import type { Level } from './level-database.ts';

/** The largest number that a u48 holds. A seq is always below it, so that there is an end above every seq. */
const MOST_U48 = 2 ** 48 - 1;

const U48 = 6;
const CRC = 4;

export type Entry = [key: Buffer, value: Buffer];

/** Where a batch is, and the bytes that it counts for `--retain-bytes`. */
export type OrderedBatch = [room: string, seq: number, size: number];

/** Batches that were written together, and when, Unix ms. */
export type OrderValue = [at: number, ...batches: OrderedBatch[]];

/** Comments of one batch that were recalled together. */
export type RecallValue = [at: number, room: string, seq: number, indexes: readonly number[]];

export const TOTALS_KEY = Buffer.from('t');
export type TotalsValue = [bytes: number, number: number];

/** The key of a batch. A seq beyond what a u48 holds becomes the nearest that it does. */
export function batchKey(room: string, seq: number): Buffer {
  const key = Buffer.allocUnsafe(room.length + 2 + U48);
  writeBatchKey(key, room, seq);
  return key;
}

/** Gives the offset after it. */
function writeBatchKey(target: Buffer, room: string, seq: number): number {
  target[0] = 0x62;
  target.write(room, 1, 'latin1');
  target[room.length + 1] = 0;
  return target.writeUIntBE(Math.min(MOST_U48, Math.max(0, seq)), room.length + 2, U48);
}

export function counterKey(kind: 'o' | 'c', counter: number): Buffer {
  const key = Buffer.allocUnsafe(1 + U48);
  key.write(kind, 0, 'latin1');
  key.writeUIntBE(Math.min(MOST_U48, counter), 1, U48);
  return key;
}

export function roomKey(room: string): Buffer {
  return Buffer.from(`r${room}`, 'latin1');
}

/** The seq in a batch's key, the counter in another. */
export function numberOf(key: Buffer): number {
  return key.readUIntBE(key.length - U48, U48);
}

/** Key and value lie in one buffer, so that it takes one allocation and one crc. */
export function batchEntry(room: string, seq: number, batch: EncodedBatch): Entry {
  const keyLength = room.length + 2 + U48;
  const entry = Buffer.allocUnsafe(keyLength + envelopeLength(batch) + CRC);
  writeBatchKey(entry, room, seq);
  encodeEnvelope(batch, entry, keyLength);
  entry.writeUInt32BE(crc32(entry.subarray(0, -CRC)), entry.length - CRC);
  return [entry.subarray(0, keyLength), entry.subarray(keyLength)];
}

/** The entry of any other key. */
export function packEntry(key: Buffer, value: OrderValue | RecallValue | TotalsValue | number): Entry {
  const packed = pack(value);
  const crc = Buffer.allocUnsafe(CRC);
  crc.writeUInt32BE(crc32(packed, crc32(key)), 0);
  return [key, Buffer.concat([packed, crc])];
}

/**
 * Reads a batch; null when its bytes are not those that were written.
 * @throws VolleyError BATCH_CORRUPT when a later volley wrote it
 */
export function readBatch(key: Buffer, value: Buffer): EncodedBatch | null {
  return isSealed(key, value) ? decodeEnvelope(value.subarray(0, -CRC)) : null;
}

/** Reads any other value; null when its bytes are not those that were written, or when there are none. */
export function readPacked<T extends OrderValue | RecallValue | TotalsValue | number>(
  key: Buffer,
  value: Buffer | undefined,
): T | null {
  return value !== undefined && isSealed(key, value) ? (unpack(value.subarray(0, -CRC)) as T) : null;
}

/** Up to `limit` entries of a range, and not many more bytes than `bytes`. */
export async function readRange(
  db: Level,
  range: { gt?: Buffer; gte?: Buffer; lt?: Buffer; lte?: Buffer; reverse?: boolean },
  limit: number,
  bytes: number,
): Promise<Entry[]> {
  const iterator = db.iterator({ ...range, highWaterMarkBytes: bytes });
  try {
    return await iterator.nextv(limit);
  } finally {
    await iterator.close();
  }
}

function isSealed(key: Buffer, value: Buffer): boolean {
  if (value.length < CRC) return false;
  return crc32(value.subarray(0, -CRC), crc32(key)) === value.readUInt32BE(value.length - CRC);
}
