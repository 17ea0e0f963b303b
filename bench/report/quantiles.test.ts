import { describe, expect, it } from 'vitest';
import { describeLatency, describeRate, valueAt } from './quantiles.ts';
import { histogramOf } from './run.fixture.ts';

describe('the value at a percentile', () => {
  it.each([
    [1, 1],
    [2.5, 3],
    [50, 50],
    [97.5, 98],
    [99, 99],
    [99.9, 100],
    [100, 100],
  ])('of 1 to 100 at %d is %d', (percent, value) => {
    const hundred = Array.from({ length: 100 }, (_, i) => i + 1);
    expect(valueAt(hundred, percent)).toBe(value);
  });

  it('is one of the values, however few', () => {
    expect(valueAt([7], 1)).toBe(7);
    expect(valueAt([7], 99.9)).toBe(7);
    expect(valueAt([3, 9], 50)).toBe(3);
    expect(valueAt([3, 9], 50.1)).toBe(9);
  });

  it('is not known for none', () => {
    expect(valueAt([], 50)).toBeNull();
  });
});

describe('whole seconds', () => {
  it('are described in whatever order they came', () => {
    expect(describeRate([30, 10, 20])).toEqual({ p1: 10, p2_5: 10, p50: 20, p97_5: 30, average: 20, min: 10 });
  });

  it('that are none are not zeros', () => {
    const none = { p1: null, p2_5: null, p50: null, p97_5: null, average: null, min: null };
    expect(describeRate([])).toEqual(none);
  });
});

describe('a histogram of µs', () => {
  it('is described in ms', () => {
    const latency = describeLatency(histogramOf(1, 2, 3, 100));
    expect(latency.count).toBe(4);
    expect(latency.p2_5).toBeCloseTo(1, 2);
    expect(latency.p50).toBeCloseTo(2, 2);
    expect(latency.p99_9).toBeCloseTo(100, 0);
    expect(latency.max).toBeCloseTo(100, 0);
    expect(latency.average).toBeCloseTo(26.5, 1);
  });

  it('has no percentile above its highest value', () => {
    const { p99_9, max } = describeLatency(histogramOf(917.4, 917.9));
    expect(p99_9).toBeLessThanOrEqual(max ?? 0);
  });

  it('that is empty is not zeros', () => {
    expect(describeLatency(histogramOf())).toEqual({
      count: 0,
      p2_5: null,
      p50: null,
      p97_5: null,
      p99: null,
      p99_9: null,
      max: null,
      average: null,
    });
  });
});
