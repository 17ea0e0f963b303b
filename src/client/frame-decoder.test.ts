import { deflateRawSync, deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { encodeBatch, type TimedDraft } from '../frames/batch.ts';
import { encodeMsgpackFrame, joinBatches } from '../frames/codecs.ts';
import { canInflate, decodeFrame, inflate as inflateUpTo } from './frame-decoder.ts';

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
