import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Backoff } from './backoff.ts';

const BOUNDS = { first: 1_000, most: 30_000 };

/** Just below 1, as large as a random number gets. */
const LARGEST = 1 - 2 ** -53;

describe('Backoff', () => {
  it('doubles the longest pause with every attempt, up to the most', () => {
    const backoff = new Backoff(BOUNDS, () => LARGEST);
    const pauses = Array.from({ length: 8 }, () => Math.ceil(backoff.pauseAfter(1006)));
    expect(pauses).toStrictEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  });

  it('takes any part of it, from nothing on: full jitter', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: LARGEST, noNaN: true }), fc.integer({ min: 0, max: 2_000 }), (part, n) => {
        const backoff = new Backoff(BOUNDS, () => part);
        for (let i = 0; i < n; i += 1) backoff.pauseAfter(1006);
        expect(backoff.pauseAfter(1006)).toBe(part * Math.min(30_000, 1_000 * 2 ** n));
      }),
    );
  });

  it('begins anew after a success', () => {
    const backoff = new Backoff(BOUNDS, () => 0.5);
    for (let i = 0; i < 10; i += 1) backoff.pauseAfter(1006);
    backoff.reset();
    expect(backoff.pauseAfter(1006)).toBe(500);
  });

  it('comes back within a random second of 1012, however many attempts there were', () => {
    const backoff = new Backoff(BOUNDS, () => 0.25);
    for (let i = 0; i < 10; i += 1) expect(backoff.pauseAfter(1012)).toBe(250);
  });

  it('counts a 1012 as an attempt, so that a server which never takes anybody is asked less and less', () => {
    const backoff = new Backoff(BOUNDS, () => 0.5);
    for (let i = 0; i < 3; i += 1) backoff.pauseAfter(1012);
    expect(backoff.pauseAfter(1006)).toBe(4_000);
  });

  it.each([1008, 4000, 4007, 4009, 4999])('waits the longest after %i', (code) => {
    expect(new Backoff(BOUNDS, () => 0).pauseAfter(code)).toBe(30_000);
  });

  it.each([1000, 1001, 1005, 1006, 1011, 3999, 4008, 5000])('treats %i as any lost link', (code) => {
    expect(new Backoff(BOUNDS, () => 0.5).pauseAfter(code)).toBe(500);
  });
});
