import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  blankComments,
  decodeBatch,
  decodeEnvelope,
  type EncodedBatch,
  encodeBatch,
  encodeEnvelope,
  envelopeLength,
  fittingComments,
  type NumberedBatch,
  type TimedDraft,
} from './batch.ts';

const AT = 1_764_000_000_000;
const PLAIN: TimedDraft = { text: 'gj', mode: 0, color: 0xffffff, size: 25, user: '', name: '', extra: '', at: AT };
const FULL: TimedDraft = {
  text: '神',
  mode: 1,
  color: 0x0000ff,
  size: 30,
  user: 'u',
  name: 'bob',
  extra: 'gift:1',
  at: AT + 137,
};

const CORRUPT = expect.objectContaining({ name: 'VolleyError', code: 'BATCH_CORRUPT' });

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));
}

function decode(bytes: Uint8Array) {
  return decodeBatch({ seq: 42, prev: 41, bytes });
}

describe('the bytes of a batch', () => {
  it('have nil for every column in which all comments have the default', () => {
    const { bytes, count } = encodeBatch([PLAIN]);
    expect(hex(bytes)).toBe('9a 01 cb4279ab697e800000 c0 c0 91 a2676a c0 c0 c0 c0 c0'.replaceAll(' ', ''));
    expect(count).toBe(1);
  });

  it('have all columns, defaults filled in for the comments that have them', () => {
    const columns = [
      '9a 01 cb4279ab697e800000',
      '92 a0 a175',
      '92 a0 a3626f62',
      '92 a2676a a3e7a59e',
      'c402 00 01',
      'c406 ffffff 0000ff',
      'c402 19 1e',
      'c404 0000 0089',
      '92 a0 a6676966743a31',
    ];
    const { bytes, count } = encodeBatch([PLAIN, FULL]);
    expect(hex(bytes)).toBe(columns.join('').replaceAll(' ', ''));
    expect(count).toBe(2);
  });

  it('hold offsets of up to 65,535 ms in two bytes each, and larger ones as integers', () => {
    const near = encodeBatch([PLAIN, { ...PLAIN, at: AT + 65_535 }]).bytes;
    expect(hex(near)).toContain('c4040000ffff');
    const far = encodeBatch([PLAIN, { ...PLAIN, at: AT + 65_536 }]).bytes;
    expect(hex(far)).toContain('9200ce00010000');
    expect(decode(near).comments.map(({ at }) => at)).toEqual([0, 65_535]);
    expect(decode(far).comments.map(({ at }) => at)).toEqual([0, 65_536]);
  });
});

describe('a batch read back', () => {
  it('gives every comment its batch and its place as id, and the time after the first', () => {
    expect(decode(encodeBatch([PLAIN, FULL]).bytes)).toStrictEqual({
      at: AT,
      comments: [
        { id: '42.0', user: '', name: '', text: 'gj', mode: 'scroll', color: 0xffffff, size: 25, at: 0 },
        {
          id: '42.1',
          user: 'u',
          name: 'bob',
          text: '神',
          mode: 'top',
          color: 0x0000ff,
          size: 30,
          at: 137,
          extra: 'gift:1',
        },
      ],
    });
  });

  it('has the colours and sizes that went in, over their whole range', () => {
    const styles = fc.array(
      fc.record({ color: fc.integer({ min: 0, max: 0xffffff }), size: fc.integer({ min: 1, max: 255 }) }),
      { minLength: 1 },
    );
    fc.assert(
      fc.property(styles, (given) => {
        const { comments } = decode(encodeBatch(given.map((style) => ({ ...PLAIN, ...style }))).bytes);
        expect(comments.map(({ color, size }) => ({ color, size }))).toEqual(given);
      }),
    );
  });

  it('has no time before its first comment, wherever the clock was set between two', () => {
    const arrivals = fc.array(fc.integer({ min: AT - 100_000, max: AT + 100_000 }), { minLength: 1 });
    fc.assert(
      fc.property(arrivals, (times) => {
        const first = times[0] ?? 0;
        const { at, comments } = decode(encodeBatch(times.map((time) => ({ ...PLAIN, at: time }))).bytes);
        expect(at).toBe(first);
        expect(comments.map((comment) => comment.at)).toEqual(times.map((time) => Math.max(0, time - first)));
      }),
    );
  });

  it('may have columns that this reader does not know', () => {
    const known = encodeBatch([PLAIN, FULL]).bytes;
    const more = fromHex(`9c${hex(known).slice(2)} 93010203 a16e`);
    expect(decode(more)).toStrictEqual(decode(known));
  });

  it('may lack columns at its end, which then hold defaults', () => {
    const short = fromHex('95 01 cb4279ab697e800000 c0 c0 91a2676a');
    expect(decode(short)).toStrictEqual(decode(encodeBatch([PLAIN]).bytes));
  });

  it('shows a mode that this reader does not know as scroll', () => {
    const { comments } = decode(encodeBatch([{ ...PLAIN, mode: 9 }]).bytes);
    expect(comments[0]?.mode).toBe('scroll');
  });
});

describe('bytes that are not a batch are refused as BATCH_CORRUPT:', () => {
  const cases = {
    'another format version': '9a 02 cb4279ab697e800000 c0 c0 91a2676a c0 c0 c0 c0 c0',
    'no time': '9a 01 c0 c0 c0 91a2676a c0 c0 c0 c0 c0',
    'no texts': '9a 01 cb4279ab697e800000 c0 c0 c0 c0 c0 c0 c0 c0',
    'a time that is no whole number': '9a 01 cb7ff8000000000000 c0 c0 91a2676a c0 c0 c0 c0 c0',
    'a text that is a number': '9a 01 cb4279ab697e800000 c0 c0 9107 c0 c0 c0 c0 c0',
    'an extra that is nil': '9a 01 cb4279ab697e800000 c0 c0 91a2676a c0 c0 c0 c0 91c0',
    'an offset that is a text': '9a 01 cb4279ab697e800000 c0 c0 91a2676a c0 c0 c0 91a131 c0',
    'not an array': 'a3 626f62',
    'an unassigned msgpack byte': 'c1',
    nothing: '',
    'bytes after its end': '9a 01 cb4279ab697e800000 c0 c0 91a2676a c0 c0 c0 c0 c0 c0',
  };
  for (const [name, bytes] of Object.entries(cases)) {
    it(name, () => {
      expect(() => decode(fromHex(bytes))).toThrow(CORRUPT);
    });
  }

  it('a batch that ends too early, wherever it was cut', () => {
    const { bytes } = encodeBatch([PLAIN, FULL]);
    for (let length = 0; length < bytes.length; length += 1) {
      expect(() => decode(bytes.subarray(0, length)), `cut to ${length} bytes`).toThrow(CORRUPT);
    }
  });
});

describe('encoded bytes', () => {
  it('hold no more memory than they are long, so that a store which keeps them keeps nothing else', () => {
    const draft = { mode: 0, color: 0xffffff, size: 25, user: '', name: '', extra: '', at: 0 };
    encodeBatch(Array.from({ length: 1_000 }, () => ({ ...draft, text: '长'.repeat(200) })));
    const { bytes } = encodeBatch([{ ...draft, text: 'short' }]);
    expect(bytes.buffer.byteLength).toBe(bytes.length);
  });
});

describe('comments that are recalled together', () => {
  const { bytes } = encodeBatch([FULL, PLAIN, { ...FULL, text: 'last' }]);
  const batch = { seq: 42, prev: 41, bytes, count: 3 };

  it('leave the same bytes as one after the other, and tell which of them were there', () => {
    const first = blankComments(batch, [2])?.batch as EncodedBatch;
    const both = blankComments({ ...batch, ...first }, [0])?.batch as EncodedBatch;
    const together = blankComments(batch, [2, 7, 0, 2, -1]);
    expect(together?.indexes).toEqual([2, 0]);
    expect(together?.batch.count).toBe(1);
    expect(hex(together?.batch.bytes ?? new Uint8Array())).toBe(hex(both.bytes));
    expect(blankComments({ ...batch, ...both }, [0, 1, 2])?.indexes).toEqual([1]);
  });

  it('are none where none of them is there', () => {
    expect(blankComments(batch, [])).toBeNull();
    expect(blankComments(batch, [3, -1, Number.NaN])).toBeNull();
  });
});

describe('as many comments as fit', () => {
  it('are at least one and at most as many as asked for, and their batch is never larger', () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(
        fc.array(text, { minLength: 1, maxLength: 30 }),
        fc.integer({ min: 1, max: 6_000 }),
        (texts, most) => {
          const drafts = texts.map((one) => ({ ...PLAIN, text: one, name: one.slice(0, 5), extra: 'x' }));
          const count = fittingComments(drafts, 20, most);
          expect(count).toBeGreaterThanOrEqual(1);
          expect(count).toBeLessThanOrEqual(20);
          if (count > 1) expect(encodeBatch(drafts.slice(0, count)).bytes.length).toBeLessThanOrEqual(most);
        },
      ),
    );
  });

  it('are all of 1,000 with 200 four-byte characters in a megabyte', () => {
    const drafts = Array.from({ length: 1_000 }, () => ({ ...PLAIN, text: '\u{1f44d}'.repeat(200) }));
    expect(fittingComments(drafts, 1_000, 1_048_576)).toBe(1_000);
    expect(encodeBatch(drafts).bytes.length).toBeLessThan(1_048_576);
  });
});

describe('a stored value', () => {
  it('is read as it was written, whatever is in its parts, and is a fault where it was cut short', () => {
    const bytes = fc.uint8Array({ maxLength: 40 });
    fc.assert(
      fc.property(bytes, bytes, bytes, fc.nat(), (shown, rest, secret, count) => {
        const batch = {
          bytes: shown,
          count,
          ...(rest.length > 0 ? { rest } : {}),
          ...(secret.length > 0 ? { private: secret } : {}),
        };
        const value = Buffer.alloc(envelopeLength(batch) + 3);
        encodeEnvelope(batch, value, 3);
        expect(decodeEnvelope(value.subarray(3))).toEqual(batch);
        const cut = value.subarray(3, 3 + 13 + shown.length + rest.length - 1);
        expect(() => decodeEnvelope(cut)).toThrow(CORRUPT);
      }),
    );
  });
});

/** The bytes of a batch of three without one of them; null where that is not there. */
function blankComment(batch: NumberedBatch, index: number): Uint8Array | null {
  return blankComments({ ...batch, count: 3 }, [index])?.batch.bytes ?? null;
}

describe('a comment that is recalled', () => {
  const { bytes } = encodeBatch([FULL, PLAIN, { ...FULL, text: 'last' }]);
  const batch = { seq: 42, prev: 41, bytes };

  it('leaves its place, and the others as they were', () => {
    const before = decode(bytes).comments;
    const blank = blankComment(batch, 0) as Uint8Array;
    expect(decode(blank)).toEqual({ at: decode(bytes).at, comments: before.slice(1) });
    const twice = blankComment({ ...batch, bytes: blank }, 2) as Uint8Array;
    expect(decode(twice).comments).toEqual([before[1]]);
  });

  it('leaves nothing of itself in the bytes', () => {
    const blank = hex(blankComment({ ...batch, bytes: encodeBatch([FULL]).bytes }, 0) as Uint8Array);
    expect(blank).toBe('9a 01 cb4279ab697e889000 91a0 91a0 91a0 c40100 c403ffffff c40119 c0 91a0'.replaceAll(' ', ''));
  });

  it('does not touch the bytes that were given, which others share', () => {
    const before = hex(bytes);
    for (const place of [0, 1, 2]) blankComment(batch, place);
    expect(hex(bytes)).toBe(before);
  });

  it('is not there twice, nor where the batch has no such place', () => {
    const blank = blankComment(batch, 1) as Uint8Array;
    expect(blankComment({ ...batch, bytes: blank }, 1)).toBeNull();
    for (const place of [3, -1, 0.5, Number.NaN]) expect(blankComment(batch, place)).toBeNull();
  });

  it('keeps columns that this version does not know', () => {
    const later = fromHex('9b 01 cb4279ab697e800000 c0 c0 92 a161 a162 c0 c0 c0 c0 c0 a5 6c61746572');
    expect(hex(blankComment({ ...batch, bytes: later }, 0) as Uint8Array)).toBe(
      '9b 01 cb4279ab697e800000 c0 c0 92 a0 a162 c0 c0 c0 c0 c0 a5 6c61746572'.replaceAll(' ', ''),
    );
  });

  it('is a fault where the bytes are no batch', () => {
    expect(() => blankComment({ ...batch, bytes: fromHex('92 01 02') }, 0)).toThrow(CORRUPT);
  });
});
