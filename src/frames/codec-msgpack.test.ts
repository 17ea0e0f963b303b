import { describe, expect, it } from 'vitest';
import { encodeBatch, type NumberedBatch } from './batch.ts';
import { decodeMsgpackFrame, encodeMsgpackFrame } from './codecs.ts';

const AT = 1_764_000_000_000;
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
