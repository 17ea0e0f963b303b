import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCommentId, parseWhole, placeOf } from './comment-id.ts';

describe('a comment’s id', () => {
  it.each([
    ['42.7', 42, 7],
    ['0.0', 0, 0],
    ['10.100', 10, 100],
    ['9007199254740991.9007199254740991', Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  ])('is read from "%s"', (text, seq, place) => {
    expect(parseCommentId(text)).toEqual({ seq, place });
    expect(placeOf(text)).toEqual({ seq, place });
  });

  it.each([
    '',
    '.',
    '1',
    '1.',
    '.1',
    '1..2',
    '1.2.3',
    '1,2',
    '-1.0',
    '-0.0',
    '+1.0',
    '1.-1',
    '1.+1',
    '01.0',
    '1.00',
    '00.0',
    '1e3.0',
    '1.1e1',
    '0x1.0',
    '1_0.0',
    ' 1.0',
    '1.0 ',
    '1. 0',
    '1.0\n',
    '1\n.0',
    '1.0\0',
    'a.b',
    'NaN.0',
    'Infinity.0',
    '١.٠',
    '１.０',
    '1．0',
    '²．0',
    '9007199254740992.0',
    '1.9007199254740992',
    '9999999999999999.0',
    '99999999999999999999.0',
    `${'1'.repeat(400)}.0`,
    `1.${'0'.repeat(100_000)}`,
  ])('is not read from "%s"', (text) => {
    expect(parseCommentId(text)).toBeNull();
  });

  it('is read as what it was written from, and has no other spelling', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.maxSafeNat(), (seq, place) => {
        expect(parseCommentId(`${seq}.${place}`)).toEqual({ seq, place });
      }),
    );
    const letters = fc.constantFrom(...'0123456789.-+e \n');
    fc.assert(
      fc.property(fc.string({ unit: letters, maxLength: 20 }), (text) => {
        const at = parseCommentId(text);
        expect(at === null ? text : `${at.seq}.${at.place}`).toBe(text);
      }),
    );
  });
});

describe('a whole number in a query string', () => {
  it.each([
    ['0', 0],
    ['7', 7],
    ['007', 7],
    ['1764000000000', 1_764_000_000_000],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ])('is read from "%s"', (text, value) => {
    expect(parseWhole(text)).toBe(value);
  });

  it.each([
    '',
    ' ',
    ' 1',
    '1 ',
    '1\n',
    '-1',
    '+1',
    '-0',
    '1.0',
    '1.5',
    '.5',
    '1e3',
    '0x10',
    '1_000',
    '1,000',
    'abc',
    'NaN',
    'Infinity',
    '٣',
    '１',
    '9007199254740992',
    '9999999999999999',
    '00000000000000001',
    '1'.repeat(400),
  ])('is not read from "%s"', (text) => {
    expect(parseWhole(text)).toBeNull();
  });
});
