import { describe, expect, it } from 'vitest';
import { Jitter } from './jitter.ts';

function draw(seed: number, count: number): number[] {
  const jitter = new Jitter(seed);
  return Array.from({ length: count }, () => jitter.next());
}

describe('a jitter', () => {
  it('draws the same with the same seed, and other numbers with another', () => {
    expect(draw(7, 100)).toEqual(draw(7, 100));
    expect(draw(7, 100).some((number) => draw(8, 100).includes(number))).toBe(false);
  });

  it.each([0, 1, -1, 2 ** 32 + 5])('draws from all of 0 to below 1 alike with seed %i', (seed) => {
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
