import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../testing/clock.ts';
import { Backoff } from './backoff.ts';

const BOUNDS = { first: 1_000, most: 30_000 };

/** Just below 1, as large as a random number gets. */
const LARGEST = 1 - 2 ** -53;

function backoffOf(random: () => number, clock = new FakeClock()): Backoff {
  return new Backoff(BOUNDS, random, clock);
}

describe('Backoff', () => {
  it('lets the longest pause grow five times with every attempt, up to a third of the most', () => {
    const backoff = backoffOf(() => LARGEST);
    const pauses = Array.from({ length: 5 }, () => Math.ceil(backoff.pauseAfter(1006)));
    expect(pauses).toStrictEqual([1_000, 5_000, 10_000, 10_000, 10_000]);
  });

  it('takes any part of the first pauses, from nothing on, and of the longest any part from its half on', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: LARGEST, noNaN: true }), fc.integer({ min: 2, max: 2_000 }), (part, n) => {
        const backoff = backoffOf(() => part);
        expect([backoff.pauseAfter(1006), backoff.pauseAfter(1006)]).toStrictEqual([part * 1_000, part * 5_000]);
        for (let i = 2; i < n; i += 1) backoff.pauseAfter(1006);
        expect(backoff.pauseAfter(1006)).toBe(5_000 * (1 + part));
      }),
    );
  });

  it('never pauses longer than what is given as the first pause where that is the most, too', () => {
    const backoff = new Backoff({ first: 2_000, most: 2_000 }, () => LARGEST, new FakeClock());
    expect([1, 2, 3].map(() => Math.ceil(backoff.pauseAfter(1006)))).toStrictEqual([2_000, 2_000, 2_000]);
  });

  it('begins anew after a success', () => {
    const backoff = backoffOf(() => 0.5);
    for (let i = 0; i < 10; i += 1) backoff.pauseAfter(1006);
    backoff.reset();
    expect(backoff.pauseAfter(1006)).toBe(500);
  });

  it('begins with the second pause after 1012, which all viewers of a server are told at once', () => {
    const backoff = backoffOf(() => 0.5);
    expect([1012, 1006, 1006].map((code) => backoff.pauseAfter(code))).toStrictEqual([2_500, 7_500, 7_500]);
  });

  it('asks a server less and less that tells everybody 1012 for ever', () => {
    const backoff = backoffOf(() => 0.5);
    expect([1, 2, 3].map(() => backoff.pauseAfter(1012))).toStrictEqual([2_500, 7_500, 7_500]);
  });

  it.each([1008, 4000, 4007, 4009, 4999])('waits the longest after %i', (code) => {
    expect(backoffOf(() => 0).pauseAfter(code)).toBe(30_000);
  });

  it.each([1000, 1001, 1005, 1006, 1011, 3999, 4008, 5000])('treats %i as any lost link', (code) => {
    expect(backoffOf(() => 0.5).pauseAfter(code)).toBe(500);
  });

  it('waits from half of the most on while a server is there and refuses', () => {
    const backoff = backoffOf(() => 0.5);
    backoff.refused = true;
    expect([1006, 1012, 1006].map((code) => backoff.pauseAfter(code))).toStrictEqual([22_500, 22_500, 22_500]);
    backoff.refused = false;
    backoff.reset();
    expect(backoff.pauseAfter(1006)).toBe(500);
  });

  it('lets twelve links a minute follow without the pause of a lost one', async () => {
    const clock = new FakeClock();
    const backoff = backoffOf(() => 0.5, clock);
    const take = (times: number): number =>
      Array.from({ length: times }, () => backoff.takePrompt()).filter(Boolean).length;
    expect(take(5)).toBe(5);
    await clock.advance(30_000);
    expect(take(20)).toBe(7);
    await clock.advance(29_999);
    expect(take(1)).toBe(0);
    await clock.advance(1);
    expect(take(20)).toBe(5);
  });
});
