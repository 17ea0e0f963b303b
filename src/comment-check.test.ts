import { describe, expect, it } from 'vitest';
import { checkComment, describeTextRefusal } from './comment-check.ts';

const MAX_TEXT = 200;

/** As the HTTP API checks: with user and name. */
function check(value: unknown): unknown {
  return checkComment(value, MAX_TEXT, 'full');
}

/** Every C0 and C1 control character, and DEL. */
const CONTROLS = [...Array(0x20).keys(), ...Array.from({ length: 0x21 }, (_, i) => 0x7f + i)].map((unit) =>
  String.fromCharCode(unit),
);

/** Two UTF-16 units, one code point, four bytes. */
const PEACH = '🍑';

describe('a comment', () => {
  it('has defaults for all but its text', () => {
    expect(check({ text: '弹幕' })).toEqual({
      text: '弹幕',
      mode: 0,
      color: 0xffffff,
      size: 25,
      user: '',
      name: '',
      extra: '',
    });
  });

  it('is taken as it was sent, and members that nobody knows are ignored', () => {
    const sent = { text: ' a  b ', color: 0, size: 255, user: 'u-1', name: 'Ana', extra: '{"gift":3}\n' };
    expect(check({ ...sent, mode: 'bottom', id: '9.9', at: 5 })).toEqual({ ...sent, mode: 2 });
  });

  it('takes user and name only where the sender may set them', () => {
    expect(checkComment({ text: 'x', user: 'u', name: 'n' }, MAX_TEXT, 'none')).toMatchObject({ user: '', name: '' });
    expect(checkComment({ text: 'x', user: 1, name: [] }, MAX_TEXT, 'none')).toMatchObject({ user: '', name: '' });
    expect(checkComment({ text: 'x', user: 1, name: 'n' }, MAX_TEXT, 'name')).toMatchObject({ user: '', name: 'n' });
    expect(checkComment({ text: 'x', name: [] }, MAX_TEXT, 'name')).toBe('NAME_INVALID');
  });

  it.each([[null], [undefined], ['text'], [7], [true], [[]], [[{ text: 'x' }]]])('cannot be %j', (value) => {
    expect(check(value)).toBe('NOT_AN_OBJECT');
  });

  it('cannot inherit a text from a member called __proto__', () => {
    expect(check(JSON.parse('{"__proto__":{"text":"x"}}'))).toBe('TEXT_INVALID');
  });

  it('is refused for the first thing that is wrong with it', () => {
    expect(check({ text: '', mode: 'x', color: -1 })).toBe('TEXT_INVALID');
    expect(check({ text: 'x', mode: 'x', color: -1 })).toBe('MODE_INVALID');
  });
});

describe('a text', () => {
  it('holds up to the bound in code points, whatever they take in UTF-16 or UTF-8', () => {
    for (const point of ['a', 'é', '弹', PEACH]) {
      expect(check({ text: point.repeat(MAX_TEXT) })).toMatchObject({ text: point.repeat(MAX_TEXT) });
      expect(check({ text: point.repeat(MAX_TEXT + 1) })).toBe('TEXT_INVALID');
    }
    expect(checkComment({ text: PEACH }, 1, 'full')).toMatchObject({ text: PEACH });
  });

  it.each([[undefined], [null], [''], [7], [{}], [['x']], [true]])('cannot be %j', (text) => {
    expect(check({ text })).toBe('TEXT_INVALID');
  });

  it.each([
    ...[' ', '   ', '\u00a0', '\u3000\u3000', '\u2028', '\ufeff', ' \u2003 ', '\u1680'],
    ...['\u200b', '\u200d', '\u2060', '\u00ad', '\u180e', '\u034f', '\u202e', '\ufe0f', '\u{e0020}', '\u{e0100}'],
    ...['\u3164', '\uffa0', '\u115f', '\u1160', '\u17b4', '\u2800', '\ufff9', '\u{1d159}', '\u200b \u3164\u2060\u2800'],
  ])('cannot be one of which nothing is seen: %j', (text) => {
    expect(check({ text })).toBe('TEXT_INVALID');
    expect(describeTextRefusal(text, MAX_TEXT)).toMatch(/^text is empty: /);
  });

  it.each([
    ...['.', 'a\u200bb', '\u3000x', '\u200b.\u200b', '\u2800\u2801', '👨‍👩‍👧', '❤\ufe0f', 'می\u200cخواهم', '\u202eabc'],
    ...['ﷺ', 'ㅋ', 'カ', '漢', '한', '\u0301', '\ue000', '𠮷', '\u3164x'],
  ])('is taken as it is when there is something to see: %j', (text) => {
    expect(check({ text })).toMatchObject({ text });
  });

  it('cannot hold a control character, at any place', () => {
    expect(CONTROLS).toHaveLength(65);
    for (const control of CONTROLS) {
      for (const text of [`${control}ab`, `a${control}b`, `ab${control}`]) {
        expect(check({ text }), JSON.stringify(text)).toBe('TEXT_INVALID');
      }
    }
  });

  it('may hold what stands next to the control characters', () => {
    for (const text of ['a b', 'a~b', 'a\u00a0b', 'a\u200db', 'a\ufffdb'])
      expect(check({ text })).toMatchObject({ text });
  });

  it('cannot hold half a surrogate pair, or one the wrong way round', () => {
    for (const text of [
      '\ud83c',
      '\udf51',
      'a\ud83c',
      '\ud83cb',
      'a\udf51b',
      '\udf51\ud83c',
      '\udf51\udf51',
      `${PEACH}\ud83c`,
    ]) {
      expect(check({ text }), JSON.stringify(text)).toBe('TEXT_INVALID');
    }
    expect(check({ text: '\ud83c\ud83c\udf51' })).toBe('TEXT_INVALID');
    expect(check({ text: '\udbff\udfff' })).toMatchObject({ text: '\u{10ffff}' });
    expect(check({ text: '\ud800\udc00' })).toMatchObject({ text: '\u{10000}' });
  });
});

describe('the sentence for a text that is refused', () => {
  it.each([
    [undefined, 'text is missing'],
    [7, 'text must be a string'],
    ['', 'text is empty'],
    [' \u0007 ', 'text has a control character (U+0007)'],
    ['a\u0085', 'text has a control character (U+0085)'],
    ['a\ud83c', 'text has half a surrogate pair (U+D83C)'],
    [PEACH.repeat(9), 'text is too long: 9 characters, at most 8 are allowed'],
  ])('%j: %s', (text, sentence) => {
    expect(checkComment({ text }, 8, 'full')).toBe('TEXT_INVALID');
    expect(describeTextRefusal(text, 8)).toBe(sentence);
  });
});

describe('a mode', () => {
  it.each([
    ['scroll', 0],
    ['top', 1],
    ['bottom', 2],
  ])('%s is number %i in a batch', (mode, place) => {
    expect(check({ text: 'x', mode })).toMatchObject({ mode: place });
  });

  it.each([['left'], ['Scroll'], ['scroll '], [''], [0], [1], [null], [['scroll']], [{}]])('cannot be %j', (mode) => {
    expect(check({ text: 'x', mode })).toBe('MODE_INVALID');
  });
});

const NOT_WHOLE: [unknown][] = [
  ['7'],
  ['0xff'],
  ['#ffffff'],
  [''],
  [1.5],
  [Number.NaN],
  [1e99],
  [null],
  [true],
  [[7]],
  [{}],
];

describe('a colour', () => {
  it.each([0, 1, 0xffffff])('may be %i', (color) => {
    expect(check({ text: 'x', color })).toMatchObject({ color });
  });

  it.each<[unknown]>([[-1], [0x1000000], ...NOT_WHOLE])('cannot be %j', (color) => {
    expect(check({ text: 'x', color })).toBe('COLOR_INVALID');
  });
});

describe('a size', () => {
  it.each([1, 25, 255])('may be %i', (size) => {
    expect(check({ text: 'x', size })).toMatchObject({ size });
  });

  it.each<[unknown]>([[0], [-1], [256], ...NOT_WHOLE])('cannot be %j', (size) => {
    expect(check({ text: 'x', size })).toBe('SIZE_INVALID');
  });
});

describe.each([
  ['user', 64, 'USER_INVALID'],
  ['name', 32, 'NAME_INVALID'],
] as const)('a %s', (member, most, code) => {
  it(`holds up to ${most} code points, or none`, () => {
    for (const value of ['', ' ', PEACH.repeat(most), 'x'.repeat(most)]) {
      expect(check({ text: 'x', [member]: value })).toMatchObject({ [member]: value });
    }
  });

  it('cannot be longer, of another type, or hold control characters or half a pair', () => {
    const bad = [
      'x'.repeat(most + 1),
      PEACH.repeat(most + 1),
      7,
      true,
      {},
      ['x'],
      'a\u0000',
      'a\u009f',
      'a\u007f',
      '\ud83c',
    ];
    for (const value of bad) expect(check({ text: 'x', [member]: value }), JSON.stringify(value)).toBe(code);
  });
});

describe('an extra', () => {
  it('holds up to 512 bytes of UTF-8, control characters too', () => {
    for (const extra of ['', 'x'.repeat(512), 'é'.repeat(256), PEACH.repeat(128), '\u0000\n']) {
      expect(check({ text: 'x', extra })).toMatchObject({ extra });
    }
  });

  it('cannot be longer, of another type, or hold half a surrogate pair', () => {
    for (const extra of [
      'x'.repeat(513),
      'é'.repeat(257),
      `${PEACH.repeat(128)}x`,
      7,
      null,
      {},
      ['x'],
      true,
      'a\udf51',
    ]) {
      expect(check({ text: 'x', extra }), JSON.stringify(extra)).toBe('EXTRA_INVALID');
    }
  });
});
