/** How wide a text is in an Advanced SubStation Alpha (ASS) file, whose fonts are those of whoever plays it. */

export interface TextWidth {
  /** In font sizes, where there is a font for every character: that of the widest of the common ones. */
  readonly width: number;
  /** At most that, in font sizes, where fonts are missing too. */
  readonly most: number;
}

/**
 * A font size in ASS is not an em but the height of a line, ascent and descent: an em is 0.69 to 1 of it. These are
 * the advance widths of U+0020 to U+06FF in twentieths of a font size, rounded up, as digits to the base 36: for each
 * character the widest of DejaVu Sans, which is what Debian's libass draws with, Liberation Sans, which is as wide as
 * Arial, and Noto Sans. Marks and what has no glyph of its own are 0.
 */
const ADVANCES = Uint8Array.from(
  '678fbhe5779f6766bbbbbbbbbb66fffajccdecbed69cafdecedcbdchccc767fa9bbabb7bb55a5hbbbb897bbfbbab9bf00000000000000000' +
    '000000000000000067bbbb9a9i9bf0ia9f779bb6979bhhhbccccccidcccc6666edeeeeefeddddccbbbbbbbhabbbb5555bbbbbbbfbbbbbbbb' +
    'cbcbcbdadadadaecebcbcbcbcbcbebebebebdbgc6565656565ea95caaa5a5a7a6a5dbdbdbedbebebebjid8d8d8c9c9c9c9b7b7b7dbdbdbdb' +
    'dbdbhfcbccacaca7becbcbddaefcbbcebbaech76da5bhdbegcheebcc9c77b7bgcededcaccaabca9b69b6pnkkf9mhecb65ebdbdbdbdbdbbcb' +
    'cbihebebcaebebca5pnkebkcdbcbihebcbcbcbcb6565ebebd8d8dbdbc9b7b9dbdfcbcacbcbebebebebcb9f95iicdaab9ab9cdccb95ebd8cb' +
    'bbbbaabcbbfaaec5cbbbcbbb567795dhhhccbbfec88888aabb9668777bbbbfbbaaaa9999eacdc8c9d99ijifbefdc9add7745667975866666' +
    '77bbbb9969996999666699769999996983787999997799977669677956666888000000000000000000000000000000000000000000000000' +
    '0000000000000000000000000000000000000000000000000000000000000000cafc66dccc9aaa66cccc99c6ff8cecgf6ccacccde6ccfdce' +
    'dcccbcfcfe6ccab6acbbbaabb6bbbaabdbbcbacadf6abafcbbeiecfcebdbb8ccfbhfecebccebebbacba5ebbcbdfdbdddccgbdc669jjgddcd' +
    'cccbecjcddddfdedcdbcfcecjjfgcdjdbbbacbgaccbbdcbcbabbfbcbghdebafbbbbaa9555hgcbcbcofecidgekifdjgbafgebfcfckhhemiof' +
    'daa0000000eccbcbbacbdajgcadbdbdbffdciglggcdabbbbbbcbhecbcbcbhdhd6jgcbecdceccbge5cbcbihcbebebjgcacadcdcebebebdacb' +
    'cbcbcbbagecbcbcbcbigifcbjhkhecedbadbligfihebhfdbjgjgecbabalib9b9ceddddebdfdcagfddedeeddeddeeedddcdaeeeecc6657579' +
    'ehbccbb9bdcb5hbbbbbbb5b9b7hacbbhbb8hbbee567ccddbc00000000000000000000000000000000000000000000070b0060080cccccccc' +
    'cb8ac56cc5aaadd57cbcbabdaedcccccaaa8ccccccccccccbdbdkcbb9eh564950000000000060c3a895595e5hahhccc8899llllggbb99888' +
    '6iefdbda9ee000000000000000000000aaaaaaaaaaa66ahe033364569hhhhhhhhccccccc888888888999aba999lllllgbiiiiiieegjgfffg' +
    'gggggdddddddddcc444455999559e9e5e8993a0000000da00000024006000054aaaaaaaaaacd5457',
  (digit) => Number.parseInt(digit, 36),
);
const FIRST = 0x20;
const BEYOND = FIRST + ADVANCES.length;

/**
 * From U+0700 on: the first code point of a range, and what its letters take in a word, in font sizes. In fonts of a
 * script the widths differ more than its words do, so one number stands for all of its letters.
 */
const RANGES: readonly (readonly [first: number, width: number])[] = [
  [0x0700, 0.6], // Syriac to Arabic Extended
  [0x0900, 0.6], // Devanagari to Oriya
  [0x0b80, 0.9], // Tamil
  [0x0c00, 0.65], // Telugu, Kannada
  [0x0d00, 0.9], // Malayalam, Sinhala
  [0x0e00, 0.5], // Thai
  [0x0e80, 0.65], // Lao
  [0x0f00, 0.7], // Tibetan
  [0x1000, 0.5], // Myanmar
  [0x10a0, 0.65], // Georgian
  [0x1100, 1], // Hangul: initials; what follows them goes into their square
  [0x1160, 0],
  [0x1200, 0.7], // Ethiopic to Cherokee
  [0x1400, 0.85], // Canadian syllabics to Ogham
  [0x16a0, 0.65], // Runic to Khmer
  [0x1800, 0.5], // Mongolian
  [0x18b0, 0.75],
  [0x1900, 0.65],
  [0x1d00, 0.55], // phonetic
  [0x1e00, 0.7], // Latin and Greek with marks
  [0x1f00, 0.75],
  [0x2000, 0.9], // punctuation: dashes are an em, quotes half as much
  [0x2018, 0.5],
  [0x2020, 0.9],
  [0x2030, 1.2],
  [0x2032, 0.6],
  [0x203b, 0.9],
  [0x2070, 0.6], // superscripts
  [0x20a0, 0.8],
  [0x2100, 0.95], // letterlike, numbers, arrows, mathematics
  [0x2800, 0.65], // Braille
  [0x2900, 0.8],
  [0x2e3a, 1.5], // a dash of two ems, and one of three
  [0x2e3b, 2.1],
  [0x2e3c, 0.8],
  [0x2e80, 1], // East Asia
  [0xa4d0, 0.75],
  [0xa960, 1],
  [0xa980, 0.75],
  [0xac00, 1],
  [0xd7b0, 0],
  [0xe000, 1],
  [0xfb00, 0.75], // ligatures
  [0xfb50, 0.85],
  [0xfd50, 1.2],
  [0xfdfd, 3.6], // the bismillah
  [0xfdfe, 1],
  [0xfe70, 0.85],
  [0xff00, 1],
  [0xff61, 0.65], // half-width
  [0xffe0, 1],
  [0x10000, 0.75],
  [0x12000, 1.2], // cuneiform, hieroglyphs
  [0x12429, 2.05],
  [0x12432, 1.2],
  [0x13000, 0.9],
  [0x17000, 1], // Tangut, kana
  [0x1bc00, 0.65], // music, mathematical letters
  [0x1d800, 1],
  [0x1dab0, 0.75],
  [0x1f000, 1.1], // pictures
  [0x20000, 1],
];

/** A picture, in font sizes, however many characters it takes to write. Where a font lacks it, each may be drawn. */
const PICTURE = 1.1;

/** What a player draws in place of a character for which there is no font, in font sizes. */
const BOX = 0.52;

/**
 * What is one picture to a font: flags, keycaps, and pictures with their modifiers, tags and joined companions. A symbol
 * that may also be text, such as ♥, is one where it asks for it.
 */
const PICTURES =
  /\p{Regional_Indicator}{2}|[\d#*]\ufe0f\u20e3|(?:\p{Emoji_Presentation}|\p{Extended_Pictographic}[\ufe0f\p{Emoji_Modifier}])[\ufe0f\p{Emoji_Modifier}\u{e0020}-\u{e007f}]*(?:\u200d\p{Extended_Pictographic}[\ufe0f\p{Emoji_Modifier}]*)*/gu;
const MAY_HAVE_PICTURES = /[\u2300-\u2bff\ud83c-\ud83e]|\ufe0f/;

const IGNORED = /^[\p{Default_Ignorable_Code_Point}\p{Cf}]/u;
const MARK = /^[\p{Mn}\p{Me}]/u;
/** Marks that stand in the same fonts as the letters below U+0700. */
const COMMON_MARK = /^[\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]/;

/**
 * How wide a text is, rather too much than too little. Marks and joiners take no width, and a picture that is written
 * with several characters takes that of one.
 */
export function estimateWidth(text: string): TextWidth {
  let width = 0;
  let most = 0;
  const takePicture = (picture: string): string => {
    const drawn = Array.from(picture).filter((character) => !IGNORED.test(character)).length;
    width += PICTURE;
    most += drawn * PICTURE;
    return '';
  };
  const letters = MAY_HAVE_PICTURES.test(text) ? text.replace(PICTURES, takePicture) : text;
  for (const letter of letters) {
    const point = letter.codePointAt(0) ?? 0;
    const isFar = point >= BEYOND;
    // Ideographs, which are most of what is said, need no look at their properties.
    const isPlain = !isFar || (point >= 0x3400 && point < 0xa000);
    if (!isPlain && IGNORED.test(letter)) continue;
    const isMark = !isPlain && MARK.test(letter);
    const own = isMark ? 0 : isFar ? rangeWidth(point) : (ADVANCES[point - FIRST] ?? 0) / 20;
    width += own;
    most += isFar && !(isMark && COMMON_MARK.test(letter)) ? Math.max(own, BOX) : own;
  }
  return { width, most };
}

/** Of the last range that begins at `point` or before it. */
function rangeWidth(point: number): number {
  let low = 0;
  let high = RANGES.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((RANGES[middle]?.[0] ?? 0) <= point) low = middle;
    else high = middle - 1;
  }
  return RANGES[low]?.[1] ?? 1;
}
