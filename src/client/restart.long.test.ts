import { describe, expect, it } from 'vitest';
import { restart } from './restart.fixture.ts';

const AWAY = [1_000, 1_500, 2_000, 3_000, 5_000, 10_000, 30_000, 120_000];
const CASES: readonly (readonly [code: number, away: number])[] = [
  ...AWAY.map((away) => [1006, away] as const),
  ...[0, ...AWAY].map((away) => [1012, away] as const),
];

describe('10,000 viewers of a server that restarts', () => {
  it.each(CASES)('with close code %i and away for %i ms come back as a ramp', (code, away) => {
    const { within, busiest, first } = restart(10_000, code, away);
    const percent = (part: number): string => `${(100 * part).toFixed(1)} %`;
    process.stdout.write(
      `${code}, away ${away} ms: 99 % back in ${within} ms, busiest second ${percent(busiest)}, first 100 ms ${percent(first)}\n`,
    );
    expect(within).toBeLessThan(10_000);
    expect(busiest).toBeLessThan(0.25);
    // No wave in the instant in which it is there again: a tenth of a second has about a tenth of the busiest second.
    expect(first).toBeLessThan(0.03);
  });
});
