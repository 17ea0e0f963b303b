import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BOUNDS, MODES, type Mode } from '../comment.ts';
import { checkComment } from '../comment-check.ts';
import { MOST_SHARDS, SETTINGS } from '../settings.ts';
import { encodeBatch, type TimedDraft } from './batch.ts';
import { ALL_CODECS, DEFLATE_CODEC, MSGPACK_CODEC, topicOf } from './codec.ts';
import { FrameMaker } from './frame-maker.ts';
import { entrySize } from './frame-ring.ts';
import { checkRingSize, largestBatch, largestPush } from './push-size.ts';

/** The longest name that a room may have. */
const ROOM = 'r'.repeat(64);

/** A comment that fills every field: what its fields are filled with, and when it came. */
interface Large {
  /** Repeated until text, user and name have as many code points as they may. */
  readonly points: readonly string[];
  /** Picks the 512 characters of extra. */
  readonly seed: number;
  readonly alphabet: string;
  readonly style: { readonly mode: Mode; readonly color: number; readonly size: number };
  readonly after: number;
}

/** Code points of four bytes, and those that JSON escapes; extra also of what JSON makes six bytes of. */
const large: fc.Arbitrary<Large> = fc.record({
  points: fc.oneof(
    fc.constant(['𠮷']),
    fc.array(fc.constantFrom('𠮷', '👍', '神', '"', '\\', 'x'), { minLength: 1, maxLength: 4 }),
  ),
  seed: fc.integer(),
  alphabet: fc.constantFrom(
    '\u0001',
    '\u0000\u001f',
    '"\\\u0002\u007f',
    'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijkl0123456789+/',
  ),
  style: fc.record({
    mode: fc.constantFrom(...MODES),
    color: fc.nat(BOUNDS.color),
    size: fc.integer({ min: 1, max: BOUNDS.size }),
  }),
  after: fc.oneof(fc.nat(2_000), fc.nat(2 ** 33)),
});

function fill(points: readonly string[], count: number): string {
  return Array.from({ length: count }, (_, i) => points[i % points.length]).join('');
}

/** Characters that look random, so that deflate gains little. */
function scatter(alphabet: string, seed: number): string {
  let state = seed;
  return Array.from({ length: BOUNDS.extra }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return alphabet[(state >>> 8) % alphabet.length];
  }).join('');
}

/** What intake makes of it. Intake must take it, or this test shows nothing. */
function accept({ points, seed, alphabet, style, after }: Large, maxText: number): TimedDraft {
  const value = {
    text: fill(points, maxText),
    user: fill(points, BOUNDS.user),
    name: fill(points, BOUNDS.name),
    extra: scatter(alphabet, seed),
    ...style,
  };
  const draft = checkComment(value, maxText, 'full');
  if (typeof draft === 'string') throw new Error(`intake refused: ${draft}`);
  return { ...draft, at: 1_764_000_000_000 + after };
}

/**
 * Bytes of a batch of these comments, and of the ring for one push of it on all codecs. Comments exist that deflate
 * cannot shorten but are hard to make here, so its frame counts as at least as large as the msgpack one.
 */
function measure(drafts: readonly TimedDraft[]): { batch: number; push: number } {
  const { bytes } = encodeBatch(drafts);
  const seq = Number.MAX_SAFE_INTEGER;
  const maker = new FrameMaker([{ seq, prev: seq - 1, bytes }], 2 ** 31, () => undefined);
  const incompressible = maker.frame(MSGPACK_CODEC).length;
  const sizes = ALL_CODECS.map((codec) => {
    const { length } = maker.frame(codec);
    const counted = codec === DEFLATE_CODEC ? Math.max(length, incompressible) : length;
    return entrySize(MOST_SHARDS, topicOf(codec, ROOM).length, counted);
  });
  return { batch: bytes.length, push: sizes.reduce((sum, size) => sum + size, 0) };
}

describe('the largest push', () => {
  it('is not exceeded by any batch that intake lets in', () => {
    const settings = fc.record({ maxBatch: fc.integer({ min: 1, max: 20 }), maxText: fc.integer({ min: 1, max: 40 }) });
    const batches = settings.chain(({ maxBatch, maxText }) =>
      fc.record({
        maxBatch: fc.constant(maxBatch),
        maxText: fc.constant(maxText),
        comments: fc.array(large, { minLength: maxBatch, maxLength: maxBatch }),
      }),
    );
    fc.assert(
      fc.property(batches, ({ maxBatch, maxText, comments }) => {
        const { batch, push } = measure(comments.map((comment) => accept(comment, maxText)));
        expect(batch).toBeLessThanOrEqual(largestBatch(maxBatch, maxText));
        expect(push).toBeLessThanOrEqual(largestPush(maxBatch, maxText));
      }),
    );
  });

  for (const [maxBatch, maxText] of [
    [1, 1],
    [1_000, 200],
    [100, 2_000],
  ] as const) {
    it(`is near what ${maxBatch} of the largest comments of ${maxText} code points take`, () => {
      const drafts = Array.from({ length: maxBatch }, (_, i) =>
        accept(
          {
            points: ['𠮷'],
            seed: i,
            alphabet: '\u0001',
            style: { mode: 'bottom', color: 0xfffffe, size: 255 },
            after: i * 100_000,
          },
          maxText,
        ),
      );
      const { batch, push } = measure(drafts);
      expect(batch).toBeLessThanOrEqual(largestBatch(maxBatch, maxText));
      expect(batch).toBeGreaterThan(0.85 * largestBatch(maxBatch, maxText));
      expect(push).toBeLessThanOrEqual(largestPush(maxBatch, maxText));
      expect(push).toBeGreaterThan(0.85 * largestPush(maxBatch, maxText));
    });
  }
});

describe('a ring', () => {
  const needed = 2 * largestPush(100, 50);

  it('is large enough from two of the largest pushes on', () => {
    expect(() => checkRingSize(needed, 100, 50)).not.toThrow();
    expect(() => checkRingSize(needed - 1, 100, 50)).toThrow(
      expect.objectContaining({
        code: 'RING_TOO_SMALL',
        message: expect.stringMatching(
          new RegExp(`--ring-size cannot be ${needed - 1}: .* at least ${needed}, .*--max-batch 100 .*--max-text 50`),
        ),
      }),
    );
  });

  it('of the default size is large enough for batches and texts of the default size', () => {
    const fallback = (name: string) => Number(SETTINGS.find((setting) => setting.name === name)?.fallback);
    expect(() => checkRingSize(fallback('ringSize'), fallback('maxBatch'), fallback('maxText'))).not.toThrow();
  });
});
