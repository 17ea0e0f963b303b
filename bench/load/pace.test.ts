import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seeded } from '../../src/seeded.ts';
import { Pace } from './pace.ts';

describe('a pace', () => {
  it('tells each time once it has come', () => {
    const pace = new Pace(10, 1_000);
    expect(pace.due(999)).toEqual([]);
    expect(pace.due(1_000)).toEqual([1_000]);
    expect(pace.due(1_050)).toEqual([]);
    expect(pace.due(1_200)).toEqual([1_100, 1_200]);
  });

  it('tells what was missed while nobody looked, with the times at which it was due', () => {
    const pace = new Pace(4, 0);
    expect(pace.due(1_000)).toEqual([0, 250, 500, 750, 1_000]);
  });

  it('lags by its phase', () => {
    expect(new Pace(10, 0, 0.5).due(200)).toEqual([50, 150]);
  });

  it('has each time anywhere in its own gap where they are drawn, and no interval that divides it is met at the same places', () => {
    const times = new Pace(20, 1_000, 0.5, seeded(3)).due(1_000 + 10_000 * 50);
    expect(times.every((time, i) => Math.floor((time - 1_025) / 50) === i)).toBe(true);
    expect(times.length).toBeGreaterThan(9_998);
    const tenths = new Array<number>(10).fill(0);
    for (const time of times) {
      const tenth = Math.floor((time % 100) / 10);
      tenths[tenth] = (tenths[tenth] ?? 0) + 1;
    }
    expect(Math.min(...tenths)).toBeGreaterThan(850);
  });

  it('keeps for later what is more than was asked for', () => {
    const pace = new Pace(10, 0);
    expect(pace.due(400, 2)).toEqual([0, 100]);
    expect(pace.due(400, 2)).toEqual([200, 300]);
    expect(pace.due(400, 2)).toEqual([400]);
  });

  it('keeps its rate whenever it is looked at', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5_000 }), fc.array(fc.nat(200), { maxLength: 50 }), (rate, steps) => {
        const pace = new Pace(rate, 0);
        const times: number[] = [];
        let now = 0;
        for (const step of steps) {
          now += step;
          times.push(...pace.due(now));
        }
        expect(times.every((time, i) => Math.abs(time - (i * 1_000) / rate) < 1e-6)).toBe(true);
        expect(times.length).toBeGreaterThanOrEqual(steps.length === 0 ? 0 : Math.floor((now * rate) / 1_000));
      }),
    );
  });
});
