import { inflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BOUNDS, type Comment, MODES } from '../comment.ts';
import { codePoint } from '../testing/properties.ts';
import { encodeBatch, type NumberedBatch, type TimedDraft } from './batch.ts';
import {
  ALL_CODECS,
  CODECS,
  chooseCodec,
  DEFLATE_CODEC,
  isBinary,
  JSON_CODEC,
  SUBPROTOCOLS,
  topicOf,
} from './codec.ts';
import { decodeMsgpackFrame } from './codecs.ts';
import { FrameMaker } from './frame-maker.ts';
import type { BatchMessage } from './messages.ts';

describe('the codec for what a client offers', () => {
  it('is the one of its subprotocol', () => {
    expect(SUBPROTOCOLS.map(chooseCodec)).toEqual(ALL_CODECS);
  });

  it('is JSON when it offers nothing', () => {
    expect(chooseCodec('')).toBe(JSON_CODEC);
  });

  it('is the first offered that is known', () => {
    expect(chooseCodec('chat, volley.v1.msgpack.deflate ,volley.v1.json')).toBe(DEFLATE_CODEC);
  });

  it('is none when it offers only what is unknown', () => {
    for (const offered of [
      'chat',
      'volley.v2.json',
      'VOLLEY.V1.JSON',
      'volley.v1',
      'volley.v1.json.deflate',
      ' ',
      ',',
    ]) {
      expect(chooseCodec(offered), offered).toBeNull();
    }
  });
});

describe('what a codec is called', () => {
  it('is one place in every list', () => {
    expect(ALL_CODECS.map((codec) => CODECS[codec])).toEqual(['json', 'msgpack', 'deflate']);
    expect(ALL_CODECS.map(isBinary)).toEqual([false, true, true]);
  });

  it('keeps the topics of two rooms and two codecs apart, whatever colons the names have', () => {
    const rooms = ['a', 'json:a', 'msgpack:a', ':', ':a'];
    const topics = rooms.flatMap((room) => ALL_CODECS.map((codec) => topicOf(codec, room)));
    expect(new Set(topics).size).toBe(rooms.length * ALL_CODECS.length);
    expect(topicOf(DEFLATE_CODEC, 'a')).toBe('deflate:a');
  });
});

function words(maxLength: number): fc.Arbitrary<string> {
  return fc.oneof(
    fc.constant(''),
    fc.string({ unit: codePoint, maxLength }),
    fc.string({ unit: 'grapheme', maxLength: maxLength / 8 }),
    fc
      .array(fc.constantFrom('👩‍👩‍👧', '🇨🇳', '神', '"', '\\', '\u2028', '\u0000', 'é'), { maxLength: 12 })
      .map((parts) => parts.join('')),
  );
}

/** What intake accepts, and arrivals that a clock set back and a slow store produce. */
const draft: fc.Arbitrary<TimedDraft> = fc.record({
  text: words(200),
  mode: fc.nat(MODES.length - 1),
  color: fc.oneof(fc.constant(0xffffff), fc.nat(BOUNDS.color)),
  size: fc.oneof(fc.constant(25), fc.integer({ min: 1, max: BOUNDS.size })),
  user: words(BOUNDS.user),
  name: words(BOUNDS.name),
  extra: words(120),
  at: fc.oneof(fc.constant(0), fc.integer({ min: -1_000, max: 200_000 })).map((ms) => 1_764_000_000_000 + ms),
});

const seqs = fc.uniqueArray(fc.maxSafeNat(), { minLength: 2, maxLength: 6 }).map((list) => list.sort((a, b) => a - b));

/** One to five batches of one room, with holes between their seqs. */
const log = seqs.chain((numbers) =>
  fc
    .array(fc.array(draft, { minLength: 1, maxLength: 8 }), {
      minLength: numbers.length - 1,
      maxLength: numbers.length - 1,
    })
    .map((lists) => lists.map((drafts, i) => ({ prev: numbers[i] ?? 0, seq: numbers[i + 1] ?? 0, drafts }))),
);

/** The comment that a viewer must get for a draft. */
function expected({ text, mode, color, size, user, name, extra }: TimedDraft, id: string, at: number): Comment {
  const comment = { id, user, name, text, mode: MODES[mode] ?? 'scroll', color, size, at };
  return extra === '' ? comment : { ...comment, extra };
}

describe('all three codecs', () => {
  it('decode to the same message, with every comment as it was sent, and none that was recalled', () => {
    fc.assert(
      fc.property(log, fc.maxSafeNat(), (batches, viewers) => {
        const numbered: NumberedBatch[] = batches.map(({ seq, prev, drafts }) => ({
          seq,
          prev,
          bytes: encodeBatch(drafts).bytes,
        }));
        const maker = new FrameMaker(numbered, viewers, () => undefined);
        const [json, msgpack, deflate] = ALL_CODECS.map((codec) => maker.frame(codec)) as [Buffer, Buffer, Buffer];

        const start = batches[0]?.drafts[0]?.at ?? 0;
        const message: BatchMessage = {
          type: 'batch',
          seq: batches.at(-1)?.seq ?? 0,
          prev: batches[0]?.prev ?? 0,
          at: start,
          viewers,
          comments: batches.flatMap(({ seq, drafts }) => {
            const first = drafts[0]?.at ?? 0;
            const rows = drafts.map((one, place) =>
              expected(one, `${seq}.${place}`, Math.max(0, Math.max(0, one.at - first) + first - start)),
            );
            return rows.filter(({ text }) => text !== '');
          }),
        };
        expect(JSON.parse(new TextDecoder().decode(json))).toStrictEqual(message);
        expect(decodeMsgpackFrame(msgpack)).toStrictEqual(message);
        expect(decodeMsgpackFrame(inflateRawSync(deflate))).toStrictEqual(message);
      }),
    );
  });
});
