import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { escapeAss } from './ass-export.ts';
import { anyText } from './comments.fixture.ts';

describe('text in ASS', () => {
  it.each([
    ['hello, 神', 'hello, 神'],
    ['{\\fs200}', '｛\\fs200｝'],
    ['a\\Nb\\nc\\hd\\x', 'a\\\u2060Nb\\\u2060nc\\\u2060hd\\x'],
    ['\\(^o^)/', '\\(^o^)/'],
    ['\\\\N', '\\\\\u2060N'],
    ['a\nb\rc\u2028d\u0085e', 'a b c d e'],
  ])('of %j is %j', (text, escaped) => {
    expect(escapeAss(text)).toBe(escaped);
  });

  it('has no command and no end of a line, whatever it is', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(escapeAss(text)).not.toMatch(/[{}\n\r\u2028\u2029\u0085]|\\[nNh]/);
      }),
    );
  });

  it('is embedded where it is right to left', () => {
    expect(escapeAss('שלום {—}')).toBe('\u202bשלום ｛—｝\u202c');
    expect(escapeAss('a שלום')).toBe('a שלום');
  });
});
