/** Text in an Advanced SubStation Alpha (ASS) file. */

/** Control characters and whatever a reader may take for the end of a line. */
const BREAKS = /[\p{Cc}\u2028\u2029]/gu;

/**
 * Text for a dialogue, with nothing in it that a player takes for a command. Braces become their full-width twins,
 * because not every player knows an escape for them; U+2060 (word joiner, not seen) parts a backslash from the letter
 * that would make it a line break or a space.
 */
export function escapeAss(text: string): string {
  return text
    .replace(BREAKS, ' ')
    .replaceAll('{', '｛')
    .replaceAll('}', '｝')
    .replace(/\\(?=[nNh])/g, '\\\u2060');
}

/** From here on a character may be as wide as it is high: scripts of East Asia, emoji; half-width forms are not. */
const FIRST_WIDE = 0x1100;

/**
 * About how wide text is, in font sizes, rather too much than too little: a font size in ASS is the height of a line, and
 * an em is less than that.
 */
export function estimateWidth(text: string): number {
  let width = 0;
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0;
    const isNarrow = point < FIRST_WIDE || (point >= 0xff61 && point <= 0xffdc);
    width += isNarrow ? 0.6 : 1;
  }
  return width;
}
