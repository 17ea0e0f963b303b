import { describe, expect, it } from 'vitest';
import { pauseAfter } from './turn-pause.ts';

describe('the pause after a turn of the loop', () => {
  it('is none after a short one, as long as a long one, and 100 ms at most', () => {
    expect([0, 4.9, 5, 30, 100, 2_000].map(pauseAfter)).toEqual([0, 0, 5, 30, 100, 100]);
  });
});
