/** Text in an Advanced SubStation Alpha (ASS) file. */
import { isRightToLeft } from '../comment.ts';

/** Control characters and whatever a reader may take for the end of a line. */
const BREAKS = /[\p{Cc}\u2028\u2029]/gu;

/** Right-to-left embedding (RLE) and its end. */
const EMBEDDING = ['\u202b', '\u202c'] as const;

/**
 * Text for a dialogue, with nothing in it that a player takes for a command. Braces become their full-width twins,
 * because not every player knows an escape for them; U+2060 (word joiner, not seen) parts a backslash from the letter
 * that would make it a line break or a space. Players lay a line out from left to right, so a text from right to left is
 * embedded. Otherwise its punctuation stands on the wrong side.
 */
export function escapeAss(text: string): string {
  const escaped = text
    .replace(BREAKS, ' ')
    .replaceAll('{', '｛')
    .replaceAll('}', '｝')
    .replace(/\\(?=[nNh])/g, '\\\u2060');
  return isRightToLeft(text) ? EMBEDDING.join(escaped) : escaped;
}
