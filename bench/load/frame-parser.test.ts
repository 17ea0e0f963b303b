import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { frame } from '../../workers/raw-client.fixture.ts';
import { FrameParser, type FrameReader } from './frame-parser.ts';
import { HEAD_BYTES, TAIL_BYTES } from './known-frames.ts';

/** Bytes of which each is another than its neighbours, so that a shifted copy is not the same. */
function payloadOf(length: number, seed = 0): Buffer {
  return Buffer.from(Array.from({ length }, (_, i) => (i * 31 + (i >> 8) + seed * 7) & 0xff));
}

function serverFrame(opcode: number, payload: Buffer): Buffer {
  return frame(opcode, payload, { masked: false });
}

/** Writes down what it is told, with a copy of the bytes. */
class Notes implements FrameReader {
  readonly frames: { first: number; payload: Buffer }[] = [];
  readonly skimmed: { first: number; length: number; head: Buffer; tail: Buffer }[] = [];
  readonly broken: string[] = [];
  readonly asked: number[] = [];
  readonly #whole: boolean;

  constructor(whole = true) {
    this.#whole = whole;
  }

  get payloads(): Buffer[] {
    return this.frames.map(({ payload }) => payload);
  }

  onFrame(first: number, bytes: Buffer, start: number, end: number): void {
    this.frames.push({ first, payload: Buffer.from(bytes.subarray(start, end)) });
  }

  needsWhole(_first: number, length: number): boolean {
    this.asked.push(length);
    return this.#whole;
  }

  onSkimmed(first: number, length: number, head: Buffer, tail: Buffer): void {
    this.skimmed.push({ first, length, head: Buffer.from(head), tail: Buffer.from(tail) });
  }

  onBroken(why: string): void {
    this.broken.push(why);
  }
}

/** What `toEqual` tells too, but byte by byte and a hundred times slower. */
function haveSameBytes(got: readonly Buffer[], wanted: readonly Buffer[]): boolean {
  return got.length === wanted.length && wanted.every((bytes, i) => got[i]?.equals(bytes));
}

/** Feeds the pieces of `stream` through one reused buffer, as a socket would. */
function feed(stream: Buffer, cuts: readonly number[], notes: FrameReader): void {
  const parser = new FrameParser(notes);
  const buffer = Buffer.alloc(stream.length + 3);
  let from = 0;
  for (const cut of [...cuts, stream.length]) {
    buffer.fill(0xee);
    const length = stream.copy(buffer, 0, from, cut);
    parser.parse(buffer, 0, length);
    from = cut;
  }
}

const LENGTHS = [0, 1, 125, 126, 300, HEAD_BYTES, HEAD_BYTES + TAIL_BYTES, HEAD_BYTES + TAIL_BYTES + 1, 700];

describe('frames in one read', () => {
  it('are told as they are, of every length', () => {
    const payloads = [...LENGTHS, 65_535, 65_536, 200_000].map((length) => payloadOf(length));
    const notes = new Notes();
    feed(Buffer.concat(payloads.map((payload) => serverFrame(2, payload))), [], notes);
    expect(notes.frames.map(({ first }) => first)).toEqual(payloads.map(() => 0x82));
    expect(haveSameBytes(notes.payloads, payloads)).toBe(true);
    expect(notes.asked).toEqual([]);
  });
});

describe('a frame cut in two', () => {
  it.each(LENGTHS)('of %i bytes comes out whole wherever it is cut', (length) => {
    const payload = payloadOf(length);
    const stream = Buffer.concat([serverFrame(1, payloadOf(3)), serverFrame(2, payload), serverFrame(1, payloadOf(5))]);
    for (let cut = 0; cut <= stream.length; cut += 1) {
      const notes = new Notes();
      feed(stream, [cut], notes);
      expect(notes.frames.map((got) => got.payload.length)).toEqual([3, length, 5]);
      expect(notes.frames[1]?.first).toBe(0x82);
      expect(haveSameBytes(notes.payloads.slice(1, 2), [payload])).toBe(true);
    }
  });

  it('is asked about once its beginning is here, and if nobody needs it only its two ends are kept', () => {
    const payload = payloadOf(1_000);
    const stream = Buffer.concat([serverFrame(2, payload), serverFrame(2, payloadOf(5))]);
    for (let cut = 1; cut < 1_004; cut += 1) {
      const notes = new Notes(false);
      feed(stream, [cut], notes);
      const [head, tail] = [payload.subarray(0, HEAD_BYTES), payload.subarray(-TAIL_BYTES)];
      expect(notes.skimmed.map(({ first, length }) => ({ first, length }))).toEqual([{ first: 0x82, length: 1_000 }]);
      expect(
        haveSameBytes(
          notes.skimmed.flatMap((got) => [got.head, got.tail]),
          [head, tail],
        ),
      ).toBe(true);
      expect(notes.frames).toEqual([{ first: 0x82, payload: payloadOf(5) }]);
      expect(notes.asked).toEqual([1_000]);
    }
  });
});

describe('a stream cut anywhere, any number of times', () => {
  const streams = fc.record({
    lengths: fc.array(fc.oneof(fc.constantFrom(...LENGTHS), fc.nat(1_500)), { minLength: 1, maxLength: 8 }),
    cuts: fc.array(fc.nat(8_000), { maxLength: 30 }),
  });

  it('gives the same frames as in one piece', () => {
    fc.assert(
      fc.property(streams, ({ lengths, cuts }) => {
        const payloads = lengths.map((length, i) => payloadOf(length, i));
        const stream = Buffer.concat(payloads.map((payload) => serverFrame(2, payload)));
        const notes = new Notes();
        feed(
          stream,
          cuts.filter((cut) => cut < stream.length).sort((one, other) => one - other),
          notes,
        );
        expect(haveSameBytes(notes.payloads, payloads)).toBe(true);
      }),
    );
  });

  it('gives every frame once, whole or its ends', () => {
    fc.assert(
      fc.property(streams, ({ lengths, cuts }) => {
        const payloads = lengths.map((length, i) => payloadOf(length, i));
        const stream = Buffer.concat(payloads.map((payload) => serverFrame(2, payload)));
        const notes = new Notes(false);
        feed(
          stream,
          cuts.filter((cut) => cut < stream.length).sort((one, other) => one - other),
          notes,
        );
        for (const { length, head, tail } of notes.skimmed) {
          expect(
            payloads.some((p) => p.length === length && p.indexOf(head) === 0 && p.subarray(-8).equals(tail)),
          ).toBe(true);
        }
        const told = [
          ...notes.frames.map(({ payload }) => payload.length),
          ...notes.skimmed.map(({ length }) => length),
        ];
        expect(told.sort()).toEqual(lengths.toSorted());
      }),
    );
  });
});

describe('what no server sends', () => {
  it.each([
    ['a mask', frame(2, Buffer.from('hello'))],
    ['a payload of 2^40 bytes', Buffer.from('827f0000010000000000', 'hex')],
  ])('%s ends the reading, in one read or byte by byte', (_what, bytes) => {
    const stream = Buffer.concat([serverFrame(1, payloadOf(2)), bytes, serverFrame(1, payloadOf(2))]);
    for (const cuts of [[], Array.from({ length: stream.length - 1 }, (_, i) => i + 1)]) {
      const notes = new Notes();
      feed(stream, cuts, notes);
      expect(notes.frames).toHaveLength(1);
      expect(notes.broken).toHaveLength(1);
    }
  });
});
