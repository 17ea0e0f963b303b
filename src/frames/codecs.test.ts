import { randomBytes } from 'node:crypto';
import { inflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { codePoint } from '../testing/properties.ts';
import { encodeBatch, type NumberedBatch, type TimedDraft } from './batch.ts';
import {
  decodeMsgpackFrame,
  deflateFrame,
  deflateFrameNow,
  encodeJsonFrame,
  encodeMsgpackFrame,
  joinBatches,
} from './codecs.ts';

const AT = 1_764_000_000_000;

function draft(text: string, at: number, more: Partial<TimedDraft> = {}): TimedDraft {
  return { text, mode: 0, color: 0xffffff, size: 25, user: '', name: '', extra: '', at, ...more };
}

function numbered(seq: number, prev: number, ...drafts: TimedDraft[]): NumberedBatch {
  return { seq, prev, bytes: encodeBatch(drafts).bytes };
}

function text(frame: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(frame);
}

describe('a JSON frame', () => {
  it('is the batch message of the protocol, every comment with all eight fields', () => {
    const frame = encodeJsonFrame([numbered(42, 41, draft('神之感动', AT))], 51_234);
    expect(text(frame)).toBe(
      '{"type":"batch","seq":42,"prev":41,"at":1764000000000,"viewers":51234,"comments":[' +
        '{"id":"42.0","user":"","name":"","text":"神之感动","mode":"scroll","color":16777215,"size":25,"at":0}]}',
    );
  });

  it('has extra only in the comments that brought one', () => {
    const { comments } = joinBatches([numbered(1, 0, draft('a', AT, { extra: 'gift:1' }), draft('b', AT))], 1);
    expect(comments.map((comment) => 'extra' in comment)).toEqual([true, false]);
    expect(comments[0]?.extra).toBe('gift:1');
  });

  it('keeps quotes, line breaks in extra and emoji as they were sent', () => {
    const given = draft('say "hi" \\ 👩‍👩‍👧', AT, { extra: '{"a":"1\n\u0000"}' });
    const message = JSON.parse(text(encodeJsonFrame([numbered(1, 0, given)], 1)));
    expect(message.comments[0]).toMatchObject({ text: given.text, extra: given.extra });
  });
});

describe('several batches in one message', () => {
  const message = joinBatches(
    [
      numbered(7, 3, draft('a', AT), draft('b', AT + 5)),
      numbered(9, 7, draft('c', AT + 1_000), draft('d', AT + 1_200)),
      numbered(10, 9, draft('e', AT + 2_000)),
    ],
    3,
  );

  it('have the seq of the last and the prev of the first', () => {
    expect(message).toMatchObject({ type: 'batch', seq: 10, prev: 3, viewers: 3 });
  });

  it('hold their comments by seq, then place, under the ids of their own batches', () => {
    expect(message.comments.map(({ id, text: words }) => `${id} ${words}`)).toEqual([
      '7.0 a',
      '7.1 b',
      '9.0 c',
      '9.1 d',
      '10.0 e',
    ]);
  });

  it('count the time of every comment from the first batch', () => {
    expect(message.at).toBe(AT);
    expect(message.comments.map(({ at }) => at)).toEqual([0, 5, 1_000, 1_200, 2_000]);
  });

  it('take no time below 0 from a batch of a node whose clock is behind', () => {
    const merged = joinBatches([numbered(1, 0, draft('a', AT)), numbered(2, 1, draft('b', AT - 50))], 1);
    expect(merged.at).toBe(AT);
    expect(merged.comments.map(({ at }) => at)).toEqual([0, 0]);
  });
});

describe('a batch that cannot be read', () => {
  it('is refused, not left out', () => {
    const broken = { seq: 2, prev: 1, bytes: new Uint8Array([0xc1]) };
    expect(() => encodeJsonFrame([numbered(1, 0, draft('a', AT)), broken], 1)).toThrow(
      expect.objectContaining({ code: 'BATCH_CORRUPT' }),
    );
  });
});

describe('the bytes of a JSON frame', () => {
  it('are what JSON.stringify makes of the message, whatever is in the texts', () => {
    const words = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.string({ unit: codePoint }),
      fc.constantFrom('"', '\\', '\ud800'),
    );
    const drafts = fc.array(fc.record({ text: words, name: words, user: words, extra: words, at: fc.nat(100_000) }), {
      minLength: 1,
      maxLength: 5,
    });
    fc.assert(
      fc.property(drafts, fc.nat(), (given, viewers) => {
        const batch = numbered(3, 1, ...given.map(({ text: of, at, ...more }) => draft(of, AT + at, more)));
        const same = JSON.stringify(joinBatches([batch], viewers));
        expect(text(encodeJsonFrame([batch], viewers))).toBe(same);
      }),
    );
  });
});

describe('a deflated frame', () => {
  it('is there at once up to 8,192 bytes, and a promise above', async () => {
    expect(deflateFrame(randomBytes(8_192))).toBeInstanceOf(Uint8Array);
    const large = deflateFrame(randomBytes(8_193));
    expect(large).toBeInstanceOf(Promise);
    await large;
  });

  it('inflates, as raw deflate, to the frame, whatever its size', async () => {
    for (const size of [0, 1, 1_000, 8_192, 8_193, 200_000]) {
      const frame = randomBytes(size);
      expect(inflateRawSync(await deflateFrame(frame)).equals(frame), `${size} bytes`).toBe(true);
    }
  });

  it('is made on the spot when it cannot wait, with the same bytes', async () => {
    const frame = Buffer.from('神之感动 '.repeat(2_000));
    const now = deflateFrameNow(frame);
    expect(now).toBeInstanceOf(Uint8Array);
    expect(Buffer.compare(now, await deflateFrame(frame))).toBe(0);
    expect(now.length).toBeLessThan(frame.length / 10);
  });
});

const CORRUPT = expect.objectContaining({ name: 'VolleyError', code: 'BATCH_CORRUPT' });

function bytesOf(text: string): Uint8Array {
  return encodeBatch([{ text, mode: 0, color: 0xffffff, size: 25, user: '', name: '', extra: '', at: AT }]).bytes;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** `count` batches of one comment each, with seqs from 1 up. */
function chain(count: number): NumberedBatch[] {
  const bytes = bytesOf('gj');
  return Array.from({ length: count }, (_, i) => ({ seq: i + 1, prev: i, bytes }));
}

describe('a msgpack frame', () => {
  it('is a header and the stored bytes of each batch, copied as they are', () => {
    const batches = [
      { seq: 42, prev: 41, bytes: bytesOf('gj') },
      { seq: 300, prev: 42, bytes: bytesOf('神') },
    ];
    const parts = ['94 01 cdc822', '93 2a 29', hex(bytesOf('gj')), '93 cd012c 2a', hex(bytesOf('神'))];
    expect(hex(encodeMsgpackFrame(batches, 51_234))).toBe(parts.join('').replaceAll(' ', ''));
  });

  it('copies even bytes that this version cannot decode', () => {
    const frame = encodeMsgpackFrame([{ seq: 1, prev: 0, bytes: new Uint8Array([0x92, 0x63, 0xc0]) }], 1);
    expect(hex(frame)).toBe('93010193010092 63c0'.replaceAll(' ', ''));
  });

  it('shares no memory with the batches that it was made of', () => {
    const batch = { seq: 1, prev: 0, bytes: bytesOf('gj') };
    const frame = encodeMsgpackFrame([batch], 1);
    const before = hex(frame);
    batch.bytes.fill(0);
    expect(hex(frame)).toBe(before);
  });

  const integers: [value: number, written: string][] = [
    [0, '00'],
    [0x7f, '7f'],
    [0x80, 'cc80'],
    [0xff, 'ccff'],
    [0x100, 'cd0100'],
    [0xffff, 'cdffff'],
    [0x10000, 'ce00010000'],
    [0xffffffff, 'ceffffffff'],
    [0x100000000, 'cb41f0000000000000'],
    [Number.MAX_SAFE_INTEGER, 'cb433fffffffffffff'],
  ];
  for (const [value, written] of integers) {
    it(`writes ${value} in its smallest form, and reads it back exactly`, () => {
      const frame = encodeMsgpackFrame([{ seq: value, prev: value, bytes: bytesOf('gj') }], value);
      expect(hex(frame)).toBe(`9301${written}93${written}${written}${hex(bytesOf('gj'))}`);
      expect(decodeMsgpackFrame(frame)).toMatchObject({ seq: value, prev: value, viewers: value });
    });
  }

  // Where msgpack's array header grows: 15 and 65,535 elements, two of them the frame's own. A backfill with a
  // large --max-backpressure has room for more than 65,533 batches.
  const headers: [count: number, header: string][] = [
    [1, '93'],
    [13, '9f'],
    [14, 'dc0010'],
    [65_533, 'dcffff'],
    [65_534, 'dd00010000'],
    [70_000, 'dd00011172'],
  ];
  for (const [count, header] of headers) {
    it(`holds ${count} batches`, () => {
      const frame = encodeMsgpackFrame(chain(count), 1);
      expect(hex(frame.subarray(0, 16))).toMatch(new RegExp(`^${header}0101`));
      const message = decodeMsgpackFrame(frame);
      expect(message).toMatchObject({ seq: count, prev: 0 });
      expect(message.comments.map(({ id }) => id)).toEqual(chain(count).map(({ seq }) => `${seq}.0`));
    });
  }
});

describe('bytes that are not a frame are refused as BATCH_CORRUPT:', () => {
  const frame = encodeMsgpackFrame(chain(2), 300);
  const cases = {
    'another format version': Uint8Array.from(frame, (byte, i) => (i === 1 ? 2 : byte)),
    'viewers that are not a number': Uint8Array.from([0x93, 0x01, 0xc0, 0x93, 0x01, 0x00, ...bytesOf('gj')]),
    'a batch of another version': encodeMsgpackFrame([{ seq: 1, prev: 0, bytes: new Uint8Array([0x91, 0x02]) }], 1),
    'a part that is no batch': new Uint8Array([0x93, 0x01, 0x01, 0xc0]),
    'a seq that is not a number': Uint8Array.from([0x93, 0x01, 0x01, 0x93, 0xc0, 0x00, ...bytesOf('gj')]),
    'bytes after its end': Uint8Array.from([...frame, 0]),
    'JSON text': new TextEncoder().encode('{"type":"batch"}'),
  };
  for (const [name, bytes] of Object.entries(cases)) {
    it(name, () => {
      expect(() => decodeMsgpackFrame(bytes)).toThrow(CORRUPT);
    });
  }

  it('a frame that ends too early, wherever it was cut', () => {
    for (let length = 0; length < frame.length; length += 1) {
      expect(() => decodeMsgpackFrame(frame.subarray(0, length)), `cut to ${length} bytes`).toThrow(CORRUPT);
    }
  });
});
