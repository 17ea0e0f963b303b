import { compile, parse } from 'ass-compiler';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Comment } from '../comment.ts';
import { runs } from '../testing/properties.ts';
import { AssExport, escapeAss } from './ass-export.ts';
import { AT, anyComments, anyText, commentOf } from './comments.fixture.ts';

/** The whole file, its comments handed over in pieces of three. */
function fileOf(comments: readonly Comment[], origin: number | null = null): string {
  const format = new AssExport('lobby', origin);
  let text = format.head;
  for (let i = 0; i < comments.length; i += 3) text += format.render(comments.slice(i, i + 3));
  return text + format.foot;
}

function dialoguesOf(comments: readonly Comment[], origin: number | null = null): string[] {
  return fileOf(comments, origin)
    .split('\n')
    .filter((line) => line.startsWith('Dialogue: '))
    .map((line) => line.slice('Dialogue: '.length));
}

describe('the ASS export', () => {
  it('has a picture of 1920 by 1080 and one style', () => {
    const { info, width, height, wrapStyle, styles, dialogues } = compile(fileOf([]), {});
    expect([width, height, wrapStyle]).toEqual([1_920, 1_080, 2]);
    expect(info).toMatchObject({ Title: 'lobby', ScriptType: 'v4.00+', ScaledBorderAndShadow: 'yes' });
    expect(Object.keys(styles)).toContain('Comment');
    expect(styles.Comment?.style).toMatchObject({ Fontsize: 50, Alignment: 7, Outline: 2, MarginL: 0 });
    expect(dialogues).toEqual([]);
  });

  it('begins with a byte order mark', () => {
    expect(fileOf([]).startsWith('\ufeff[Script Info]\n')).toBe(true);
  });

  it('lets comments cross the picture from right to left, each on as many lanes as it is high', () => {
    const comments = [
      commentOf('abcde'),
      commentOf('神', { color: 0x0102fe, size: 36 }),
      commentOf('b'),
      commentOf('a', { at: AT + 8_000 }),
    ];
    expect(dialoguesOf(comments)).toEqual([
      '0,0:00:00.00,0:00:08.00,Comment,,0,0,0,,{\\an7\\move(1920,2,-135,2)\\fs50}abcde',
      '0,0:00:00.00,0:00:08.00,Comment,,0,0,0,,{\\an7\\move(1920,56,-72,56)\\fs72\\c&HFE0201&}神',
      '0,0:00:00.00,0:00:08.00,Comment,,0,0,0,,{\\an7\\move(1920,164,-28,164)\\fs50}b',
      '0,0:00:08.00,0:00:16.00,Comment,,0,0,0,,{\\an7\\move(1920,2,-28,2)\\fs50}a',
    ]);
  });

  it('stacks comments at the top downwards and at the bottom upwards', () => {
    const comments = (['top', 'top', 'bottom', 'bottom'] as const).map((mode) => commentOf('x', { mode }));
    expect(dialoguesOf(comments)).toEqual([
      '1,0:00:00.00,0:00:05.00,Comment,,0,0,0,,{\\an8\\pos(960,2)\\fs50}x',
      '1,0:00:00.00,0:00:05.00,Comment,,0,0,0,,{\\an8\\pos(960,56)\\fs50}x',
      '1,0:00:00.00,0:00:05.00,Comment,,0,0,0,,{\\an2\\pos(960,1078)\\fs50}x',
      '1,0:00:00.00,0:00:05.00,Comment,,0,0,0,,{\\an2\\pos(960,1024)\\fs50}x',
    ]);
  });

  it('writes what stands still and would be wider than the picture smaller', () => {
    const long = '神'.repeat(100);
    const [top = '', scroll = ''] = dialoguesOf([commentOf(long, { mode: 'top' }), commentOf(long)]);
    expect(top).toContain('\\fs19}');
    expect(scroll).toContain('\\move(1920,2,-5000,2)\\fs50}');
  });

  it('gives dark text a white outline', () => {
    const [black = '', grey = ''] = dialoguesOf([commentOf('x', { color: 0 }), commentOf('x', { color: 0x808080 })]);
    expect(black).toContain('\\c&H000000&\\3c&HFFFFFF&}');
    expect(grey).toContain('\\c&H808080&}');
  });

  it('counts time in hundredths from its origin, over hours and days', () => {
    const late = commentOf('x', { at: AT + 100 * 3_600_000 + 59 * 60_000 + 59_994 });
    expect(dialoguesOf([commentOf('a'), late])[1]).toMatch(/^0,100:59:59\.99,101:00:07\.99,/);
    expect(dialoguesOf([late], AT)[0]).toMatch(/^0,100:59:59\.99,/);
  });

  it('has every comment with its text, place, colour and size, whatever is in it', () => {
    fc.assert(
      fc.property(anyComments, (comments) => {
        const { events } = parse(fileOf(comments));
        expect(events.dialogue).toHaveLength(comments.length);
        for (const [i, dialogue] of events.dialogue.entries()) {
          const { text, mode, color } = comments[i] as Comment;
          // One block of commands, ours; then the text.
          const [part, ...others] = dialogue.Text.parsed;
          expect(others).toEqual([]);
          const names = part?.tags.flatMap((tag) => Object.keys(tag));
          const outline = names?.includes('c3') ? ['c3'] : [];
          const tinted = color === 0xffffff ? [] : ['c1', ...outline];
          expect(names).toEqual(['an', mode === 'scroll' ? 'move' : 'pos', 'fs', ...tinted]);
          const shown = (part?.text ?? '')
            .replaceAll('｛', '{')
            .replaceAll('｝', '}')
            .replace(/[\u2060\u202b\u202c]/g, '');
          const given = text.replace(/[\p{Cc}\u2028\u2029]/gu, ' ').replace(/[\u2060\u202b\u202c]/g, '');
          expect(shown.trim()).toBe(given.replaceAll('｛', '{').replaceAll('｝', '}').trim());
        }
      }),
      { numRuns: runs(125) },
    );
  });
});

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
