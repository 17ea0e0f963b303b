import { describe, expect, it } from 'vitest';
import { seeded } from './seeded.ts';

function draw(seed: number, count: number): number[] {
  const random = seeded(seed);
  return Array.from({ length: count }, () => random());
}

describe('seeded numbers', () => {
  it('are the same with the same seed, and others with another', () => {
    expect(draw(7, 100)).toEqual(draw(7, 100));
    expect(draw(7, 100).some((number) => draw(8, 100).includes(number))).toBe(false);
  });

  it('are the ones of mulberry32, so that a picture or a load that was seen once comes again', () => {
    expect(draw(1, 3)).toEqual([0.6270739405881613, 0.002735721180215478, 0.5274470399599522]);
    expect(draw(-1, 3)).toEqual(draw(2 ** 32 - 1, 3));
  });

  it.each([0, 1, -1, 2 ** 32 + 5])('come from all of 0 to below 1 alike with seed %i', (seed) => {
    const tenths = new Array<number>(10).fill(0);
    for (const number of draw(seed, 10_000)) {
      const tenth = Math.floor(number * 10);
      tenths[tenth] = (tenths[tenth] ?? 0) + 1;
    }
    expect(tenths).toHaveLength(10);
    expect(Math.min(...tenths)).toBeGreaterThan(850);
    expect(Math.max(...tenths)).toBeLessThan(1_150);
  });
});
