import { inflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { encodeBatch, type NumberedBatch } from './batch.ts';
import { ALL_CODECS, type Codec, DEFLATE_CODEC, JSON_CODEC, MSGPACK_CODEC } from './codec.ts';
import { decodeMsgpackFrame } from './codecs.ts';
import { FrameMaker } from './frame-maker.ts';

/** A batch whose msgpack frame is large enough to be deflated off the loop, or not. */
function batch(comments: number): NumberedBatch {
  const draft = { mode: 0, color: 0xffffff, size: 25, user: '', name: '', extra: '', at: 1_764_000_000_000 };
  const drafts = Array.from({ length: comments }, (_, i) => ({ ...draft, text: `comment number ${i}` }));
  return { seq: 42, prev: 41, bytes: encodeBatch(drafts).bytes };
}

const SMALL = batch(3);
const LARGE = batch(2_000);

function maker(...batches: NumberedBatch[]): { frames: FrameMaker; made: Codec[] } {
  const made: Codec[] = [];
  return { frames: new FrameMaker(batches, 7, (codec) => made.push(codec)), made };
}

describe('the frames of a push', () => {
  it('are not made before somebody asks', () => {
    expect(maker(SMALL).made).toEqual([]);
  });

  it('are made once a codec, whoever asks and how often', () => {
    const { frames, made } = maker(SMALL);
    for (const codec of ALL_CODECS) {
      expect(frames.make(codec)).toBeUndefined();
      const frame = frames.frame(codec);
      expect(frames.make(codec)).toBeUndefined();
      expect(frames.frame(codec)).toBe(frame);
    }
    expect(made).toEqual(ALL_CODECS);
  });

  it('are made on the spot when nobody asked before, even large ones', () => {
    const { frames, made } = maker(LARGE);
    const deflated = frames.frame(DEFLATE_CODEC);
    expect(decodeMsgpackFrame(inflateRawSync(deflated)).comments).toHaveLength(2_000);
    expect(frames.frame(DEFLATE_CODEC)).toBe(deflated);
    expect(made).toEqual([DEFLATE_CODEC]);
  });

  it('are only of the codecs that were asked for', () => {
    const { frames, made } = maker(SMALL);
    frames.frame(JSON_CODEC);
    expect(made).toEqual([JSON_CODEC]);
  });

  it('deflate the very bytes of the msgpack frame, whichever is asked for first', () => {
    for (const order of [
      [MSGPACK_CODEC, DEFLATE_CODEC],
      [DEFLATE_CODEC, MSGPACK_CODEC],
    ] as const) {
      const { frames, made } = maker(SMALL);
      for (const codec of order) frames.make(codec);
      expect(inflateRawSync(frames.frame(DEFLATE_CODEC)).equals(frames.frame(MSGPACK_CODEC))).toBe(true);
      expect(made).toEqual(order);
    }
  });

  it('hold all batches and the number of viewers', () => {
    const { frames } = maker({ ...SMALL, seq: 41, prev: 39 }, SMALL);
    const message = decodeMsgpackFrame(frames.frame(MSGPACK_CODEC));
    expect(message).toMatchObject({ seq: 42, prev: 39, viewers: 7 });
    expect(message.comments).toHaveLength(6);
    expect(JSON.parse(new TextDecoder().decode(frames.frame(JSON_CODEC)))).toStrictEqual(message);
  });
});

describe('a large deflate frame', () => {
  it('is promised, and counted when it is there', async () => {
    const { frames, made } = maker(LARGE);
    const making = frames.make(DEFLATE_CODEC);
    expect(making).toBeInstanceOf(Promise);
    expect(made).toEqual([]);
    await making;
    expect(made).toEqual([DEFLATE_CODEC]);
    expect(inflateRawSync(frames.frame(DEFLATE_CODEC)).equals(frames.frame(MSGPACK_CODEC))).toBe(true);
    expect(frames.make(DEFLATE_CODEC)).toBeUndefined();
    expect(made).toEqual([DEFLATE_CODEC, MSGPACK_CODEC]);
  });

  it('is made once even if it is asked for again while it is under way', async () => {
    const { frames, made } = maker(LARGE);
    await Promise.all([frames.make(DEFLATE_CODEC), frames.make(DEFLATE_CODEC)]);
    expect(made).toEqual([DEFLATE_CODEC]);
  });
});
