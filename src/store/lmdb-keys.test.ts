import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeBatchKey,
  decodeOrderKey,
  decodePlace,
  decodeRecall,
  decodeSeq,
  encodeBatchKey,
  encodeOrderKey,
  encodePlace,
  encodeRecall,
  encodeSeq,
  MOST_U48,
} from './lmdb-keys.ts';

const u48 = fc.oneof(fc.integer({ min: 0, max: MOST_U48 }), fc.constantFrom(0, 1, 255, 256, 2 ** 32, MOST_U48));
const room = fc.stringMatching(/^[A-Za-z0-9._:-]{1,64}$/);
const batch = fc.record({ seq: u48, prev: u48, count: fc.nat(0xffff_ffff), at: u48 });

describe('keys', () => {
  it('come back from bytes as they were', () => {
    fc.assert(
      fc.property(room, batch, u48, u48, (name, key, at, counter) => {
        expect(decodeBatchKey(encodeBatchKey(name, key))).toEqual(key);
        expect(decodePlace(encodePlace(name, key.seq))).toEqual({ room: name, seq: key.seq });
        expect(decodeOrderKey(encodeOrderKey(at, counter))).toEqual({ at, counter });
        expect(decodeSeq(encodeSeq(at))).toBe(at);
      }),
    );
  });

  it('of recalls come back with their places, and sort by time', () => {
    const places = fc.array(fc.nat(0xffff_ffff), { minLength: 1, maxLength: 1_000 });
    const entry = fc.record({ at: u48, room, seq: u48, places });
    fc.assert(
      fc.property(entry, entry, (a, b) => {
        const [first, second] = [encodeRecall(a), encodeRecall(b)];
        expect(decodeRecall(first.key, first.value)).toEqual(a);
        if (a.at !== b.at) expect(Buffer.compare(first.key, second.key)).toBe(Math.sign(a.at - b.at));
      }),
    );
  });

  it('are read from a plain view too', () => {
    const key = encodeBatchKey('room', { seq: 7, prev: 6, count: 5, at: 4 });
    const plain = new Uint8Array([9, 9, ...key]).subarray(2);
    expect(decodeBatchKey(plain)).toEqual({ seq: 7, prev: 6, count: 5, at: 4 });
  });

  it('of a batch sort by room and then by seq, whatever else is in them', () => {
    fc.assert(
      fc.property(room, batch, room, batch, (nameA, a, nameB, b) => {
        const order = Buffer.compare(encodeBatchKey(nameA, a), encodeBatchKey(nameB, b));
        if (nameA !== nameB) expect(order).toBe(Buffer.compare(Buffer.from(`${nameA}\0`), Buffer.from(`${nameB}\0`)));
        else if (a.seq !== b.seq) expect(order).toBe(Math.sign(a.seq - b.seq));
      }),
    );
  });

  it('of a place stand before all batches from there on, and after those before', () => {
    fc.assert(
      fc.property(room, batch, u48, (name, key, seq) => {
        expect(Buffer.compare(encodePlace(name, seq), encodeBatchKey(name, key))).toBe(seq <= key.seq ? -1 : 1);
      }),
    );
  });

  it('of the order sort by time and then by counter', () => {
    fc.assert(
      fc.property(u48, u48, u48, u48, (atA, counterA, atB, counterB) => {
        const order = Buffer.compare(encodeOrderKey(atA, counterA), encodeOrderKey(atB, counterB));
        expect(order).toBe(Math.sign(atA - atB || counterA - counterB));
      }),
    );
  });

  it('of numbers beyond a u48 are the nearest that there is', () => {
    expect(decodePlace(encodePlace('a', Number.MAX_SAFE_INTEGER)).seq).toBe(MOST_U48);
    expect(decodePlace(encodePlace('a', -1)).seq).toBe(0);
    expect(decodeOrderKey(encodeOrderKey(-5, 1)).at).toBe(0);
  });
});
