/** The ASS export as libass draws it, which is what ffmpeg, mpv and VLC draw with. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Comment } from '../comment.ts';
import { AssExport } from './ass-export.ts';
import { estimateWidth } from './ass-widths.ts';
import { AT, commentOf } from './comments.fixture.ts';

const WIDTH = 1_920;
const LANE_HEIGHT = 54;
const LANES = 20;
const SIZE = 50;
const OUTLINE = 2;

/** Rows at the edges of a lane that are not looked at: tall letters and their marks may reach into the next lane. */
const EDGE = 10;

/** What a letter may be drawn beyond its width, px; neighbours are 20 apart. */
const OVERHANG = 8;

const RED = 0xff0000;
const GREEN = 0x00ff00;

/** A page of scripts, with what is wide, narrow, marked and joined. */
const PAGE = [
  ...['WWWWMMMM@@', 'illlliiii!!', 'MAXIMUM POWER', 'The quick brown fox', 'Ǆǆ Œuvre ẞ', 'żźćęůş'],
  ...['Καλημέρα ΩΜΨ', 'Привет, ЩЮЖ', 'Բարեւ աշխարհ', 'שָׁלוֹם עוֹלָם —', 'السلام عليكم!', 'سسسس ششش', 'ܫܠܡܐ', 'ދުނިޔެ'],
  ...['नमस्ते क्षत्रिय', 'আমি বাংলায় গান', 'வணக்கம் உலகம்', 'హలో ప్రపంచం', 'ആയിരം', 'ආයුබෝවන්', 'ที่นี่สนุกมากครับ', 'ສະບາຍດີ'],
  ...['བཀྲ་ཤིས་', 'မင်္ဂလာပါ', 'ខ្ញុំស្រឡាញ់', 'გამარჯობა', 'ሰላም ልዑል', 'ᎣᏏᏲ', 'ᐊᐃᓐᖓᐃ', 'ᠰᠠᠶᠢᠨ'],
  ...['神之感动', 'こんにちは', 'ｶﾀｶﾅ', '안녕하세요', '\u1112\u1161\u11ab\u1100\u1173\u11af', 'ＷＷＷ', '２３３３'],
  ...['😀😀😀', '👨‍👩‍👧‍👦👨‍👩‍👧', '👍🏽🇩🇪1️⃣', '🏳️‍🌈😶‍🌫️', '❤️♥☆★', '①②③∑∫', '⸻', '﷽', '𝓗𝓮𝓵𝓵𝓸', 'z\u0300\u0316a\u0489'],
  ...[
    'a',
    ' . ',
    '(^o^)/ {x}',
    'wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww',
    '哈哈哈哈哈哈哈哈哈哈哈哈哈哈哈哈哈哈哈哈',
  ],
];

function hasFfmpeg(): boolean {
  if (spawnSync('ffmpeg', ['-version']).status === 0) return true;
  process.stderr.write('no ffmpeg is installed, so not tried: the pixels of the ASS export; apt-get install ffmpeg\n');
  return false;
}

/** Which of two colours a column of a lane has: none, red, green, both. */
type Column = 0 | 1 | 2 | 3;

describe.skipIf(!hasFfmpeg())('the ASS export on libass', () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'volley-ass-'));
  });

  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  /** The frames of so many seconds, `rate` in each; a frame is the columns of every lane. */
  async function* draw(comments: readonly Comment[], seconds: number, rate: number): AsyncGenerator<Column[][]> {
    const file = join(folder, 'drawn.ass');
    const format = new AssExport('lobby', AT);
    writeFileSync(file, format.head + format.render(comments) + format.foot);
    const source = `color=black:s=${WIDTH}x${LANES * LANE_HEIGHT}:r=${rate}:d=${seconds}`;
    // In RGB from the start: other formats have one colour for four pixels.
    const input = ['-v', 'error', '-f', 'lavfi', '-i', source, '-vf', `format=rgb24,ass=${file}`];
    const ffmpeg = spawn('ffmpeg', [...input, '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const frame = Buffer.alloc(WIDTH * LANES * LANE_HEIGHT * 3);
    let filled = 0;
    for await (const part of ffmpeg.stdout as AsyncIterable<Buffer>) {
      for (let at = 0; at < part.length; ) {
        const copied = part.copy(frame, filled, at);
        at += copied;
        filled += copied;
        if (filled < frame.length) continue;
        filled = 0;
        yield Array.from({ length: LANES }, (_, lane) => {
          const start = (lane * LANE_HEIGHT + EDGE) * WIDTH * 3;
          return columnsOf(frame.subarray(start, start + (LANE_HEIGHT - 2 * EDGE) * WIDTH * 3));
        });
      }
    }
  }

  /** The frame after 4 s, when none of the comments of second 0 is outside of the picture. */
  async function drawAll(comments: readonly Comment[]): Promise<Column[][]> {
    let last: Column[][] = [];
    for await (const frame of draw(comments, 5, 1)) last = frame;
    return last;
  }

  function columnsOf(pixels: Buffer): Column[] {
    const columns = new Array<number>(WIDTH).fill(0);
    for (let at = 0, x = 0; at < pixels.length; at += 3, x = x + 1 === WIDTH ? 0 : x + 1) {
      if ((pixels[at] ?? 0) > 90) columns[x] = (columns[x] ?? 0) | 1;
      if ((pixels[at + 1] ?? 0) > 90) columns[x] = (columns[x] ?? 0) | 2;
    }
    return columns as Column[];
  }

  /** The lane that each was given. */
  function lanesOf(comments: readonly Comment[]): number[] {
    const places = new AssExport('lobby', AT).render(comments).matchAll(/\\move\(1920,(\d+),/g);
    return Array.from(places, ([, top]) => (Number(top) - OUTLINE) / LANE_HEIGHT);
  }

  it('is never wider than it is taken for', async () => {
    for (let i = 0; i < PAGE.length; i += LANES) {
      const texts = PAGE.slice(i, i + LANES);
      const lanes = await drawAll(texts.map((text) => commentOf(text, { color: RED })));
      for (const [lane, text] of texts.entries()) {
        const columns = lanes[lane] ?? [];
        const [first, last] = [columns.indexOf(1), columns.lastIndexOf(1)];
        expect(first, text).toBeGreaterThan(0);
        expect(last, text).toBeLessThan(WIDTH - 1);
        expect(last - first, text).toBeLessThan(estimateWidth(text).most * SIZE + 2 * OUTLINE + OVERHANG);
      }
    }
  });

  it('never has two that touch on one lane while there is another', async () => {
    // Six a second: more than there are lanes in the time that one takes to cross, and fewer than would fill them.
    const said = PAGE.concat(PAGE).map((text, i) => commentOf(text, { at: AT + i * 160, size: 25 - (i % 3) }));
    const lanes = lanesOf(said);
    const turn = new Array<number>(LANES).fill(0);
    const colours = lanes.map((lane) => {
      turn[lane] = (turn[lane] ?? 0) + 1;
      return (turn[lane] ?? 0) % 2 === 0 ? GREEN : RED;
    });
    const comments = said.map((comment, i) => ({ ...comment, color: colours[i] ?? RED }));
    const rate = 4;
    let frames = 0;
    let neighbours = 0;
    for await (const frame of draw(comments, 16, rate)) {
      const time = AT + (frames / rate) * 1_000;
      frames += 1;
      for (const [lane, columns] of frame.entries()) {
        const shown = comments.filter(({ at }, n) => lanes[n] === lane && at <= time && at + 8_000 > time);
        const words = `lane ${lane} after ${time - AT} ms: ${shown.map(({ text }) => text).join(' | ')}`;
        // Of two neighbours one is red and one is green, so a colour begins once a comment at most, after a gap.
        const runs = columns.filter((column, x) => column !== columns[x - 1]);
        const coloured = runs.filter((column) => column !== 0);
        const begins = coloured.filter((column, i) => column !== coloured[i - 1]);
        expect(coloured, words).not.toContain(3);
        expect(begins.length, words).toBeLessThanOrEqual(shown.length);
        expect(runs.length, words).toBeGreaterThanOrEqual(2 * coloured.length - 1);
        neighbours += Math.max(0, begins.length - 1);
      }
    }
    expect(frames).toBe(16 * rate);
    expect(neighbours).toBeGreaterThan(300);
  });

  it.each([
    ['שלוםשלום —', 'left'],
    ['(שלום) abc 123 —', 'left'],
    ['hello שלום —', 'right'],
    ['hello —', 'right'],
  ])('has the dash of %s at its %s end', async (text, side) => {
    for (const mode of ['top', 'scroll'] as const) {
      const [columns = []] = await drawAll([commentOf(text, { mode, color: RED })]);
      const lit = columns.map((column) => column !== 0);
      const [first, last] = [lit.indexOf(true), lit.lastIndexOf(true)];
      // The dash is the longest run of columns that are lit: letters have gaps between them.
      let [run, best, middle] = [0, 0, 0];
      for (let x = first; x <= last; x += 1) {
        run = lit[x] === true ? run + 1 : 0;
        if (run > best) [best, middle] = [run, x - run / 2];
      }
      expect(middle < (first + last) / 2 ? 'left' : 'right', mode).toBe(side);
    }
  });
});
