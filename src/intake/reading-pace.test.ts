import { describe, expect, it } from 'vitest';
import { ReadingPace } from './reading-pace.ts';

const LIMITS = { stallMs: 30_000, leastPace: 16_384 };
const LOOK_MS = 3_000;

/** What the system keeps for a connection at most, and after which part of it is free it takes more. */
const SYSTEM_BYTES = 4_194_304;
const STRIDE = SYSTEM_BYTES / 3;

/** When a client that takes `taken(ms)` bytes in `ms` is found too slow in an hour, and how; null for never. */
function watch(taken: (ms: number) => number, isWaiting = (_ms: number): boolean => true): [number, string] | null {
  const pace = new ReadingPace(LIMITS, taken(0), 0);
  for (let now = LOOK_MS; now <= 3_600_000; now += LOOK_MS) {
    const found = pace.look(taken(now), isWaiting(now), now);
    if (found !== null) return [now, found];
  }
  return null;
}

/** A steady reader whose socket takes its bytes in strides, of which the first has begun `early` ms before. */
function steady(bytesASecond: number, stride: number, early = 0): (ms: number) => number {
  return (ms) => SYSTEM_BYTES + Math.floor(((ms + early) * bytesASecond) / 1_000 / stride) * stride;
}

describe('the pace of a client', () => {
  it.each([0, 5_000, 10_000, 15_000, 20_000])(
    'is enough at 64 KB/s, in large strides that began %i ms before',
    (early) => {
      expect(watch(steady(64_000, STRIDE, early))).toBeNull();
      expect(watch(steady(64_000, 1_000, early))).toBeNull();
    },
  );

  it('is enough when it stands still for 29 s of every minute', () => {
    const moving = (ms: number): number => Math.floor(ms / 60_000) * 31_000 + Math.min(31_000, ms % 60_000);
    expect(watch((ms) => moving(ms) * 64)).toBeNull();
  });

  it('is too slow when it takes some bytes now and then, after a minute', () => {
    expect(watch((ms) => ms / 1_000)).toEqual([60_000, 'slow']);
    expect(watch(steady(16_000, 1_000))).toEqual([60_000, 'slow']);
    expect(watch(steady(17_000, 1_000))).toBeNull();
  });

  it('is too slow when it was fast before', () => {
    expect(watch((ms) => Math.min(ms, 300_000) * 1_000 + ms)).toEqual([360_000, 'slow']);
  });

  it('is that of one who stands still after 30 s', () => {
    expect(watch((ms) => Math.min(ms, 90_000) * 1_000)).toEqual([120_000, 'stalled']);
  });

  it('is not its own while nothing waits for it', () => {
    expect(
      watch(
        () => 100,
        () => false,
      ),
    ).toBeNull();
    const isWaiting = (ms: number): boolean => ms > 100_000;
    expect(watch((ms) => Math.floor(ms / 3_000), isWaiting)).toEqual([159_000, 'slow']);
  });
});
