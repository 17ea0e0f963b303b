import { describe, expect, it } from 'vitest';
import { CASES, countPushes, countViewers } from './peer-case.ts';

describe('a case', () => {
  it('has as many different pushes as are measured, within bounds', () => {
    expect(countPushes(CASES.small, 8)).toBe(80);
    expect(countPushes(CASES.large, 8)).toBe(16);
    expect(countPushes(CASES.spread, 8)).toBe(8);
    expect(countPushes(CASES.small, 600)).toBe(100);
    expect(countPushes({ ...CASES.spread, every: 5_000 }, 1)).toBe(1);
  });

  it('has the viewers that were asked for, the spread two and a half times as many', () => {
    expect(countViewers(CASES.small, 4_000)).toBe(4_000);
    expect(countViewers(CASES.large, 4_000)).toBe(4_000);
    expect(countViewers(CASES.spread, 4_000)).toBe(10_000);
  });
});
