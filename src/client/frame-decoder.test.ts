import { deflateRawSync, deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { encodeBatch, type TimedDraft } from '../frames/batch.ts';
import { encodeMsgpackFrame, joinBatches } from '../frames/codecs.ts';
import { codePoint } from '../testing/properties.ts';
import { canInflate, decodeFrame, inflate as inflateUpTo, readMsgpack } from './frame-decoder.ts';

const AT = 1_764_000_000_000;

const drafts: fc.Arbitrary<TimedDraft[]> = fc.array(
  fc.record({
    text: fc.string({ minLength: 1, maxLength: 30, unit: 'grapheme' }),
    mode: fc.nat(2),
    color: fc.nat(0xffffff),
    size: fc.integer({ min: 1, max: 255 }),
    user: fc.string({ maxLength: 5 }),
    name: fc.string({ maxLength: 5 }),
    extra: fc.string({ maxLength: 5 }),
    at: fc.oneof(fc.constant(AT), fc.integer({ min: AT, max: AT + 100_000 })),
  }),
  { minLength: 1, maxLength: 20 },
);

/** A buffer of exactly these bytes, as a WebSocket hands it over. */
function exact(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}

const MIB = 1_048_576;

function inflate(bytes: ArrayBuffer): Promise<ArrayBuffer> {
  return inflateUpTo(bytes, 16 * MIB);
}

afterEach(() => {
  vi.unstubAllGlobals();
});

describe('decodeFrame', () => {
  it('reads what the server packs as the message that it would have sent as JSON', () => {
    fc.assert(
      fc.property(fc.array(drafts, { minLength: 1, maxLength: 3 }), fc.nat(10_000_000), (all, viewers) => {
        const batches = all.map((batch, i) => ({ seq: 7 + 2 * i, prev: 5 + 2 * i, bytes: encodeBatch(batch).bytes }));
        expect(decodeFrame(exact(encodeMsgpackFrame(batches, viewers)))).toStrictEqual(joinBatches(batches, viewers));
      }),
      { numRuns: 100 },
    );
  });

  it('throws at anything else', () => {
    const frame = encodeMsgpackFrame([{ seq: 1, prev: 0, bytes: encodeBatch([]).bytes }], 1);
    for (const bytes of [new Uint8Array(), frame.slice(0, -1), Uint8Array.of(0xc1), Uint8Array.of(0x92, 2, 1)]) {
      expect(() => decodeFrame(exact(bytes))).toThrow(Error);
    }
  });
});

describe('inflate', () => {
  it('gives the bytes that were deflated', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 3_000 }), async (bytes) => {
        expect(new Uint8Array(await inflate(exact(deflateRawSync(bytes))))).toStrictEqual(bytes);
      }),
      { numRuns: 30 },
    );
    const large = new Uint8Array(3_000_000).map((_, i) => i * i);
    const inflated = new Uint8Array(await inflate(exact(deflateRawSync(large))));
    expect(Buffer.compare(inflated, large)).toBe(0);
  });

  it('rejects what is cut short, of another format, or no deflate at all', async () => {
    const deflated = deflateRawSync(Buffer.from('hello hello hello hello'));
    for (const bytes of [deflated.subarray(0, -3), deflateSync(Buffer.from('hello')), Uint8Array.of(0xff, 0xff)]) {
      await expect(inflate(exact(bytes))).rejects.toThrow(Error);
    }
  });
});

describe('inflate, of what stands for more than may be', () => {
  it('gives as many bytes as may be, and one more is TOO_LARGE', async () => {
    const deflated = exact(deflateRawSync(Buffer.alloc(100_000)));
    expect((await inflateUpTo(deflated, 100_000)).byteLength).toBe(100_000);
    await expect(inflateUpTo(deflated, 99_999)).rejects.toMatchObject({ code: 'TOO_LARGE' });
  });
});

describe('canInflate', () => {
  it('is true where there is a DecompressionStream that knows raw deflate', () => {
    expect(canInflate()).toBe(true);
  });

  it('is false where there is none, or none that knows the format', () => {
    vi.stubGlobal('DecompressionStream', undefined);
    expect(canInflate()).toBe(false);
    vi.stubGlobal(
      'DecompressionStream',
      class {
        constructor(format: string) {
          throw new TypeError(`Unsupported compression format: ${format}`);
        }
      },
    );
    expect(canInflate()).toBe(false);
  });
});

/** Another implementation than ours. */
const packr = new Packr({ useRecords: false, variableMapSize: true });

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
