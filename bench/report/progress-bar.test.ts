import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { makeProgressBar } from './progress-bar.ts';

/** What a bar of a few phases draws. */
function draw(isTTY: boolean, isWanted: boolean): string {
  const stream = Object.assign(new PassThrough({ encoding: 'utf8' }), { isTTY, columns: 120 });
  const bar = makeProgressBar(stream, isWanted);
  bar.count('connecting', 200);
  bar.advance(150);
  bar.stop();
  bar.wait('measuring', 10);
  bar.note('4000 frames in the last second');
  bar.stop();
  bar.stop();
  return String(stream.read() ?? '');
}

describe('the progress bar', () => {
  it('shows each phase on a terminal', () => {
    const drawn = draw(true, true);
    expect(drawn).toContain(' connecting 150 of 200 ');
    expect(drawn).toContain(' measuring 0 of 10 s 4000 frames in the last second');
  });

  it('is not there where it is not wanted, or where there is no terminal', () => {
    expect(draw(true, false)).toBe('');
    expect(draw(false, true)).toBe('');
  });
});
