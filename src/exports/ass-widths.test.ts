import { describe, expect, it } from 'vitest';
import { estimateWidth } from './ass-widths.ts';

function widthOf(text: string): number {
  return estimateWidth(text).width;
}

describe('the width of a text', () => {
  it('comes from its characters', () => {
    expect(widthOf('iiiiiiiiii')).toBeCloseTo(2.5);
    expect(widthOf('WWWWWWWWWW')).toBeCloseTo(8.5);
    expect(widthOf('hello')).toBeLessThan(widthOf('HELLO'));
    expect(widthOf('ЩЩЩ')).toBeGreaterThan(widthOf('ггг'));
    expect(widthOf('神之感动')).toBe(4);
    expect(widthOf('ｶﾀｶﾅ')).toBeLessThan(widthOf('カタカナ'));
    expect(widthOf('⸻')).toBeGreaterThan(2);
    expect(widthOf('')).toBe(0);
  });

  it.each([
    ['marks', 'e\u0301', 'e'],
    ['many marks', `z${'\u0300\u0489\u20dd'.repeat(20)}`, 'z'],
    ['marks of Hebrew and Arabic', 'שָׁלוֹם مُحَمَّد', 'שלום محمد'],
    ['marks of Thai', 'ที่', 'ท'],
    ['joiners', 'a\u200db\u200cc\u2060d\ufeffe', 'abcde'],
    ['directions', '\u202babc\u202c\u200f', 'abc'],
    ['variation selectors', '神\u{e0100}a\ufe00', '神a'],
    ['what follows in a syllable of Hangul', '\u1112\u1161\u11ab', '\u1112'],
  ])('counts %s as nothing', (_, text, bare) => {
    expect(widthOf(text)).toBeCloseTo(widthOf(bare));
  });

  it.each(['👨‍👩‍👧‍👦', '👍🏽', '🇩🇪', '1️⃣', '🏴󠁧󠁢󠁥󠁮󠁧󠁿', '🏳️‍🌈', '😶‍🌫️', '👩🏽‍🚀', '❤️', '✌🏽'])(
    'counts %s as one picture',
    (picture) => {
      expect(widthOf(picture)).toBe(widthOf('😀'));
      expect(widthOf(`a${picture}${picture}b`)).toBeCloseTo(widthOf('ab') + 2 * widthOf('😀'));
    },
  );

  it('is more where fonts may be missing, and each character may be drawn as a box or by itself', () => {
    for (const text of ['ที่', '👨‍👩‍👧‍👦', '\u1112\u1161\u11ab']) {
      expect(estimateWidth(text).most, text).toBeGreaterThan(estimateWidth(text).width);
    }
    for (const text of ['hello', 'e\u0301', 'שָׁלוֹם', '神之感动', '😀', 'a\u200db']) {
      expect(estimateWidth(text).most, text).toBeCloseTo(estimateWidth(text).width);
    }
  });
});
