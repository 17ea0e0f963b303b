import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runs } from '../property-runs.fixture.ts';
import { seeded } from '../seeded.ts';
import { pushesOf, Stage, steady } from './playout.fixture.ts';

/** Whole milliseconds of timers, and fractions of a clock's double. */
const EXACT = 1.01;

function biggest(errors: readonly number[]): number {
  return Math.max(0, ...errors.map(Math.abs));
}

describe('a steady stream', () => {
  for (const period of [25, 40, 100, 130, 250]) {
    it(`of one comment every ${period} ms keeps its spacing to the millisecond from the second push on`, async () => {
      const random = seeded(period);
      const stage = new Stage();
      const times = steady(period, 20_000 / period);
      await stage.play(pushesOf(times, () => 40 + 250 * random()));
      expect(stage.shown.map(({ id }) => id)).toEqual(times.map((_, i) => `${i}`));
      expect(biggest(stage.errors.slice(1))).toBeLessThanOrEqual(EXACT);
    });

    it(`of one every ${period} ms that has been going on keeps its spacing from the first comment on`, async () => {
      const random = seeded(period);
      const stage = new Stage();
      await stage.play(pushesOf(steady(period, 20_000 / period), () => 40 + 250 * random()).slice(1));
      expect(biggest(stage.errors)).toBeLessThanOrEqual(EXACT);
    });
  }

  it('keeps it to the millisecond whatever its period, its jitter up to the slack, and the push it is joined at', async () => {
    const streams = fc.record({
      period: fc.integer({ min: 25, max: 250 }),
      phase: fc.integer({ min: 0, max: 999 }),
      missed: fc.integer({ min: 0, max: 30 }),
      seed: fc.integer(),
    });
    await fc.assert(
      fc.asyncProperty(streams, async ({ period, phase, missed, seed }) => {
        const random = seeded(seed);
        const stage = new Stage();
        const times = steady(period, 45_000 / period, phase);
        await stage.play(pushesOf(times, () => 40 + 250 * random()).slice(missed));
        expect(biggest(missed === 0 ? stage.errors.slice(1) : stage.errors)).toBeLessThanOrEqual(EXACT);
        expect(stage.playout.dropped).toBe(0);
      }),
      { numRuns: runs(10) },
    );
  });

  for (const period of [400, 700, 990]) {
    it(`of one comment every ${period} ms keeps it within 5 %, but for once when it begins to be collected`, async () => {
      const random = seeded(period);
      for (const missed of [1, 2, 5, 9]) {
        const stage = new Stage();
        await stage.play(pushesOf(steady(period, 80), () => 40 + 250 * random()).slice(missed));
        const uneven = stage.errors.filter((error) => Math.abs(error) > 0.05 * 2 * period + 250 + EXACT);
        expect(uneven.length).toBeLessThanOrEqual(1);
        const later = stage.errors.slice(40);
        expect(biggest(later)).toBeLessThanOrEqual(0.05 * 2 * period + EXACT);
      }
    });
  }

  it('whose wait was taken for longer than it is comes nearer by no more than 5 %', async () => {
    const stage = new Stage();
    // One every 990 ms: each waits 10 ms longer for its push than the one before it, until one waits not at all.
    await stage.play(pushesOf(steady(990, 200)).slice(60));
    const waits = stage.shown.map(({ said, shown }) => shown - said);
    expect(Math.max(...waits) - (waits.at(-1) ?? 0)).toBeGreaterThan(90);
    const uneven = stage.errors.filter((error) => Math.abs(error) > 0.05 * 1_000 + EXACT);
    expect(uneven.length).toBeLessThanOrEqual(1);
    expect(Math.min(...stage.errors)).toBeLessThan(-40);
  });

  it('of comments that each go out at once is shown as it comes', async () => {
    const stage = new Stage();
    await stage.play(pushesOf(steady(1_500, 20)));
    expect(stage.shown.map(({ said, shown }) => shown - said)).toEqual(Array(20).fill(40));
  });

  it('of whatever period and jitter up to the slack drops nothing, keeps the order and waits a bounded time', async () => {
    const streams = fc.record({
      period: fc.integer({ min: 25, max: 3_000 }),
      slack: fc.integer({ min: 0, max: 600 }),
      missed: fc.integer({ min: 0, max: 3 }),
      seed: fc.integer(),
    });
    await fc.assert(
      fc.asyncProperty(streams, async ({ period, slack, missed, seed }) => {
        const random = seeded(seed);
        const stage = new Stage({ slack });
        const pushes = pushesOf(steady(period, 60), () => slack * random()).slice(missed);
        await stage.play(pushes, 4_000);
        const ids = pushes.flatMap(({ comments }) => comments.map(({ id }) => id));
        expect(stage.shown.map(({ id }) => id)).toEqual(ids);
        const waits = stage.shown.map(({ said, shown }) => shown - said);
        expect(Math.max(...waits)).toBeLessThanOrEqual(2_000 + 3 * slack + EXACT);
      }),
      { numRuns: runs(8) },
    );
  });

  it('that was lost in part goes on as if nothing had been', async () => {
    const stage = new Stage();
    const pushes = pushesOf(steady(50, 400), (push) => 40 + (push % 3) * 100);
    await stage.play(pushes.filter((_, i) => ![5, 6, 12].includes(i)));
    expect(biggest(stage.errors.slice(1))).toBeLessThanOrEqual(EXACT);
    expect(stage.shown).toHaveLength(340);
  });
});
