import { describe, expect, it } from 'vitest';
import { restart } from './restart.fixture.ts';

describe('2,000 viewers of a server that restarts', () => {
  it.each([
    [1006, 1_000],
    [1006, 10_000],
    [1012, 2_000],
  ])('with close code %i and away for %i ms are back within 10 s, at most a quarter in any second', (code, away) => {
    const { within, busiest, first } = restart(2_000, code, away);
    expect(within).toBeLessThan(10_000);
    expect(busiest).toBeLessThan(0.25);
    expect(first).toBeLessThan(0.03);
  });
});
