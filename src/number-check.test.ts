import { describe, expect, it } from 'vitest';
import { parseWhole } from './comment-id.ts';

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
