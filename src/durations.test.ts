import { describe, expect, it } from 'vitest';
import { Durations } from './counters.ts';

describe('durations', () => {
  it('are told since they were last taken, and as totals since the start', () => {
    const durations = new Durations();
    for (let ms = 1; ms <= 100; ms += 1) durations.record(ms);
    const { count, mean, p99, max } = durations.take();
    expect(count).toBe(100);
    expect(mean).toBeCloseTo(50.5, 0);
    expect(p99).toBeGreaterThan(97);
    expect(p99).toBeLessThanOrEqual(max);
    expect(max).toBeCloseTo(100, 0);
    durations.record(0.25);
    expect(durations.take()).toMatchObject({ count: 1, mean: 0.25, max: 0.25 });
    expect(durations.take()).toEqual({ count: 0, mean: 0, p99: 0, max: 0 });
    expect(durations.count).toBe(101);
    expect(durations.seconds).toBeCloseTo(5.050_25, 6);
  });

  it('may be none at all, or longer than anybody waits', () => {
    const durations = new Durations();
    durations.record(0);
    durations.record(3_600_000);
    const { count, max } = durations.take();
    expect(count).toBe(2);
    expect(max).toBeGreaterThan(59_000);
    expect(durations.seconds).toBe(3_600);
  });
});
