import { describe, expect, it } from 'vitest';
import { isRightToLeft } from './comment.ts';

describe('the direction of a text', () => {
  it.each([...['שלום —', 'مرحبا!', '123 שלום', '«سلام»', '(!) ܫܠܡܐ', '😀 אבג abc', '\u200fabc', 'ﷲ', '𐤀𐤁', '𞤀𞤁']])(
    'is right to left by its first letter: %s',
    (text) => {
      expect(isRightToLeft(text)).toBe(true);
    },
  );

  it.each([...['hello', 'abc אבג', '123', '神 שלום', '', '😀', '\u200eאבג', '٣٤', 'é ا', 'ⅷ אב']])(
    'is left to right otherwise: %s',
    (text) => {
      expect(isRightToLeft(text)).toBe(false);
    },
  );
});
