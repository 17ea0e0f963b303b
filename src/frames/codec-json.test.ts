import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { codePoint } from '../code-point.fixture.ts';
import { encodeBatch, type NumberedBatch, type TimedDraft } from './batch.ts';
import { encodeJsonFrame, joinBatches } from './codecs.ts';

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
