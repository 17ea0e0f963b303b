import { equal } from 'node:assert/strict';
import { describe, expect, it } from 'vitest';
import { BenchError } from '../options.ts';
import { type MicroBenchmark, measureBenchmark, QUICK } from './benchmark.ts';

/** Sums the first hundred numbers, and is wrong from the `faultAt`-th call on. */
function summing(faultAt = Number.POSITIVE_INFINITY): MicroBenchmark<number> {
  let calls = 0;
  return {
    name: 'sum',
    unit: 'number',
    units: 100,
    run: () => {
      calls += 1;
      const numbers = Array.from({ length: 100 }, (_, i) => i);
      return numbers.reduce((sum, number) => sum + number, calls < faultAt ? 0 : 1);
    },
    check: (sum) => equal(sum, 4_950),
  };
}

describe('a micro-benchmark', () => {
  it('has a figure above 0 a call, and says what a call allocates', async () => {
    const figures = await measureBenchmark('sums', summing(), QUICK);
    expect(figures).toMatchObject({ group: 'sums', name: 'sum', unit: 'number', units: 100 });
    expect(figures.least).toBeGreaterThan(0);
    expect(figures.median).toBeGreaterThanOrEqual(figures.least);
    expect(figures.p99).toBeGreaterThanOrEqual(figures.median);
    expect(figures.samples).toBeGreaterThan(0);
    // The array alone: a hundred pointers or small integers.
    expect(figures.allocated).toBeGreaterThanOrEqual(400);
  });

  it('is prepared once for each of its calls, one call at a time', async () => {
    let prepared = 0;
    let called = 0;
    const figures = await measureBenchmark(
      'sums',
      {
        ...summing(),
        prepare: async () => {
          prepared += 1;
        },
        run: () => {
          called += 1;
          if (prepared !== called) throw new Error(`${called} calls, prepared for ${prepared}`);
          return summing().run();
        },
      },
      QUICK,
    );
    expect(figures.median).toBeGreaterThan(0);
    expect(called).toBeGreaterThan(QUICK.looks);
  });

  it('that gives a wrong result is not timed', async () => {
    const wrong = measureBenchmark('sums', summing(0), QUICK);
    await expect(wrong).rejects.toThrow(BenchError);
    await expect(wrong).rejects.toThrow(/^sums: sum is broken and was not timed: .+/);
  });

  it('that fails is not timed', async () => {
    const failing = {
      ...summing(),
      run: (): never => {
        throw new Error('no ring');
      },
    };
    await expect(measureBenchmark('sums', failing, QUICK)).rejects.toThrow(
      'sums: sum is broken and was not timed: no ring',
    );
  });

  it('that gives wrong results later on has no figure', async () => {
    const breaking = measureBenchmark('sums', summing(2), QUICK);
    await expect(breaking).rejects.toThrow(/^sums: sum broke while it was timed: .+/);
  });
});
