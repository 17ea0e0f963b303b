import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { codePoint } from '../property-runs.fixture.ts';
import { readMsgpack } from './msgpack-reader.ts';

/** Another implementation than ours. */
const packr = new Packr({ useRecords: false, variableMapSize: true });

function exact(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}

function read(...bytes: number[]): unknown {
  return readMsgpack(exact(Uint8Array.from(bytes)));
}

/** What frames are made of, nested as deep as it may be. */
const value: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 14 },
    fc.constantFrom(null, true, false),
    fc.double({ noNaN: true }),
    fc.maxSafeInteger(),
    fc.integer({ min: -40, max: 300 }),
    fc.string({ unit: codePoint, maxLength: 300 }),
    fc.string({ unit: 'grapheme', maxLength: 40 }),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie('value'), { maxLength: 20 }),
  ),
})).value;

describe('readMsgpack', () => {
  it('gives what was packed', () => {
    fc.assert(
      fc.property(value, (packed) => {
        const bytes = packr.pack(packed);
        expect(plain(readMsgpack(exact(bytes)))).toStrictEqual(plain(packed));
      }),
      { numRuns: 500 },
    );
  });

  it('reads every form in which a number may stand', () => {
    for (const bytes of [
      [7],
      [0xcc, 7],
      [0xcd, 0, 7],
      [0xce, 0, 0, 0, 7],
      [0xcf, 0, 0, 0, 0, 0, 0, 0, 7],
      [0xd0, 7],
      [0xd1, 0, 7],
      [0xd2, 0, 0, 0, 7],
      [0xd3, 0, 0, 0, 0, 0, 0, 0, 7],
      [0xca, 0x40, 0xe0, 0, 0],
      [0xcb, 0x40, 0x1c, 0, 0, 0, 0, 0, 0],
    ]) {
      expect(read(...bytes)).toBe(7);
    }
    expect([read(0xff), read(0xe0), read(0xd0, 0x80)]).toStrictEqual([-1, -32, -128]);
  });

  it('steps over maps and extensions, which a later version may have', () => {
    const map = [0x82, 1, 2, 0xa1, 0x61, 0x81, 3, 4];
    const extensions = [0xd4, 1, 9, 0xd8, 1, ...new Array(16).fill(9), 0xc7, 2, 1, 9, 9, 0xc8, 0, 1, 1, 9];
    const wide = [0xde, 0, 1, 1, 2, 0xdf, 0, 0, 0, 1, 1, 2, 0xc9, 0, 0, 0, 1, 1, 9];
    const values = read(0x9a, 1, ...map, ...extensions, ...wide, 5);
    expect(values).toStrictEqual([1, ...new Array(8).fill(undefined), 5]);
  });

  it('keeps a text that begins with a byte order mark as it is, short or long', () => {
    for (const text of ['\uFEFFa', `\uFEFF${'a'.repeat(300)}`, `\uFEFFé`]) {
      expect(readMsgpack(exact(packr.pack(text)))).toBe(text);
    }
  });

  it('takes bytes that are no UTF-8 for replacement characters', () => {
    expect(read(0xa2, 0xff, 0x61)).toBe('\uFFFDa');
    expect(read(0xa2, 0xe7, 0xa5)).toBe('\uFFFD');
  });

  it.each([
    ['nothing', []],
    ['a byte that begins no value', [0xc1]],
    ['bytes after the value', [1, 1]],
    ['an array that is cut short', [0x92, 1]],
    ['a text that is cut short', [0xa3, 0x61]],
    ['a bin that is cut short', [0xc4, 2, 1]],
    ['an extension that is cut short', [0xc7, 255, 1]],
    ['a number that is cut short', [0xcb, 0, 0]],
    ['a map that is cut short', [0x81, 1]],
    ['an array of 4,294,967,295 elements that are not there', [0xdd, 0xff, 0xff, 0xff, 0xff]],
    ['a map of as many', [0xdf, 0xff, 0xff, 0xff, 0xff]],
    ['arrays within each other, 17 deep', [...new Array(17).fill(0x91), 1]],
    ['maps within each other, 17 deep', new Array(17).fill([0x81, 1]).flat()],
  ])('does not read %s', (_, bytes) => {
    expect(() => read(...bytes)).toThrow(expect.objectContaining({ code: 'UNREADABLE' }));
  });

  it('reads arrays that are 16 deep', () => {
    expect(JSON.stringify(read(...new Array(16).fill(0x91), 1))).toBe(`${'['.repeat(16)}1${']'.repeat(16)}`);
  });

  it('reads as many values as 262,144, and one more is TOO_LARGE', () => {
    const ofNils = (length: number): ArrayBuffer => {
      const bytes = Buffer.alloc(5 + length, 0xc0);
      bytes[0] = 0xdd;
      bytes.writeUInt32BE(length, 1);
      return exact(bytes);
    };
    expect(readMsgpack(ofNils(262_144))).toHaveLength(262_144);
    expect(() => readMsgpack(ofNils(262_145))).toThrow(expect.objectContaining({ code: 'TOO_LARGE' }));
  });

  it('throws nothing but its own errors, and gives no more values than there are bytes, whatever comes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        try {
          expect(count(readMsgpack(exact(bytes)))).toBeLessThanOrEqual(bytes.length);
        } catch (error) {
          expect(error).toMatchObject({ code: 'UNREADABLE' });
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

/** Lone surrogates have no UTF-8, -0 and 0 are one number, and bytes may come as a Buffer. */
function plain(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (value instanceof Uint8Array) return [...value];
  if (Array.isArray(value)) return value.map(plain);
  return value === 0 ? 0 : value;
}

function count(value: unknown): number {
  return Array.isArray(value) ? value.reduce((sum: number, one) => sum + count(one), 1) : 1;
}
