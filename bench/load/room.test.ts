import { deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { encodeBatch } from '../../src/frames/batch.ts';
import type { Codec } from '../../src/frames/codec.ts';
import { encodeJsonFrame, encodeMsgpackFrame } from '../../src/frames/codecs.ts';
import { Room } from './room.ts';
import { decodeFrame, identify } from './viewers.ts';

/** Many comments, always the same: only seq and prev tell these frames apart. */
const COMMENTS = Array.from({ length: 300 }, (_, i) => {
  return {
    text: `同じ comment ${i}`,
    mode: 0,
    color: i * 77,
    size: 25,
    user: '',
    name: '',
    extra: '',
    at: 1_764_000_000_000,
  };
});
const { bytes: BATCH } = encodeBatch(COMMENTS);

function encode(codec: Codec, seq: number, prev: number): Buffer {
  const batches = [{ seq, prev, bytes: BATCH }];
  if (codec === 0) return Buffer.from(encodeJsonFrame(batches, 4_000));
  const frame = encodeMsgpackFrame(batches, 4_000);
  return Buffer.from(codec === 1 ? frame : deflateRawSync(frame));
}

describe.each<[string, Codec]>([
  ['json', 0],
  ['msgpack', 1],
  ['deflate', 2],
])('on %s', (_name, codec) => {
  it('frames with the very same comments are told apart by seq and prev', () => {
    const known = new Room(0, 2, 1);
    const frames = new Map<number, Buffer>();
    for (let seq = 200; seq < 208; seq += 1) {
      const payload = encode(codec, seq, seq - 1);
      expect(known.find(payload, 0, payload.length)).toBeUndefined();
      known.learn(identify(decodeFrame(codec, payload)), payload);
      frames.set(seq, payload);
    }
    for (const [seq, payload] of frames) {
      const inBuffer = Buffer.concat([Buffer.alloc(11, 7), payload, Buffer.alloc(5, 9)]);
      expect(known.find(inBuffer, 11, 11 + payload.length)).toMatchObject({ seq, prev: seq - 1, comments: 300 });
    }
    const longest = encode(codec, 2 ** 52, 2 ** 52 - 1);
    known.learn(identify(decodeFrame(codec, longest)), longest);
    const other = encode(codec, 2 ** 52, 2 ** 52 - 2);
    expect(known.find(longest, 0, longest.length)).toMatchObject({ seq: 2 ** 52 });
    expect(known.find(other, 0, other.length)).toBeUndefined();
  });
});

it('forgets the oldest', () => {
  const known = new Room(0, 2, 1);
  const payloads = Array.from({ length: 9 }, (_, i) => Buffer.from(`frame number ${i} of this room`));
  for (const [seq, payload] of payloads.entries()) {
    known.learn({ seq, prev: seq - 1, comments: 1, batches: [seq] }, payload);
  }
  const found = payloads.map((payload) => known.find(payload, 0, payload.length)?.seq);
  expect(found).toEqual([undefined, 1, 2, 3, 4, 5, 6, 7, 8]);
});

it('takes no frame for one of another length or end', () => {
  const known = new Room(0, 2, 1);
  const payload = Buffer.from('a frame that ends so');
  known.learn({ seq: 1, prev: 0, comments: 1, batches: [1] }, payload);
  const longer = Buffer.from('a frame that ends so.');
  const other = Buffer.from('a frame that ends or');
  expect(known.find(longer, 0, longer.length)).toBeUndefined();
  expect(known.find(other, 0, other.length)).toBeUndefined();
  expect(known.find(payload, 0, payload.length)).toMatchObject({ seq: 1 });
});

function makeRoom(batches: readonly [seq: number, prev: number][]): Room {
  const room = new Room(0, 2, 1);
  for (const [seq, prev] of batches) learn(room, [seq], prev);
  return room;
}

function learn(room: Room, batches: readonly number[], prev: number): void {
  const bytes = Buffer.from(`batch ${batches.join()} after ${prev}`);
  room.learn({ seq: batches.at(-1) ?? 0, prev, comments: 1, batches }, bytes);
}

describe('what a viewer has missed', () => {
  it('is counted along the chain, whose numbers may have holes', () => {
    const room = makeRoom([
      [3, 0],
      [7, 3],
      [8, 7],
      [20, 8],
    ]);
    expect(room.countMissing(8, 20)).toBe(1);
    expect(room.countMissing(7, 20)).toBe(2);
    expect(room.countMissing(0, 20)).toBe(4);
  });

  it('counts every batch of a message with several', () => {
    const room = makeRoom([[3, 0]]);
    learn(room, [5, 6, 9], 3);
    expect(room.countMissing(3, 9)).toBe(3);
    expect(room.countMissing(5, 9)).toBe(2);
  });

  it('is one at least, where nobody here has seen it', () => {
    expect(makeRoom([]).countMissing(4, 100)).toBe(1);
    expect(makeRoom([[100, 90]]).countMissing(4, 100)).toBe(2);
  });

  it('is known of the last thousands of batches', () => {
    const room = makeRoom(Array.from({ length: 5_000 }, (_, i) => [i + 1, i] as [number, number]));
    expect(room.countMissing(1_000, 5_000)).toBe(4_000);
    expect(room.countMissing(0, 5_000)).toBe(4_096 + 1);
  });
});
