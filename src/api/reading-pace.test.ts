import { describe, expect, it } from 'vitest';
import { ReadingPace } from './stream.ts';

/** What the system keeps for a connection at most, and after which part of it is free it takes more. */
const SYSTEM_BYTES = 4_194_304;
const STRIDE = SYSTEM_BYTES / 3;

const LIMITS = { leastPace: 16_384, mostBehind: SYSTEM_BYTES };
const LOOK_MS = 3_000;
const HOUR_MS = 3_600_000;

/** When a client that takes `taken(ms)` bytes in `ms` is found too slow in three hours; null for never. */
function watch(taken: (ms: number) => number, isWaiting = (_ms: number): boolean => true): number | null {
  const pace = new ReadingPace(LIMITS, taken(0), 0);
  for (let now = LOOK_MS; now <= 3 * HOUR_MS; now += LOOK_MS) {
    if (pace.look(taken(now), isWaiting(now), now)) return now;
  }
  return null;
}

/** A steady reader whose socket takes its bytes in strides, of which the first has begun `part` of one before. */
function steady(bytesASecond: number, stride: number, part = 0): (ms: number) => number {
  return (ms) => SYSTEM_BYTES + Math.floor((ms * bytesASecond) / 1_000 / stride + part) * stride;
}

describe('the pace of a client', () => {
  describe.each([1_000, STRIDE, SYSTEM_BYTES])('whose socket takes strides of %i bytes', (stride) => {
    it.each([16_384, 17_000, 20_000, 30_000, 40_000, 46_000, 64_000])('is enough at %i bytes a second', (bytes) => {
      for (let part = 0; part < 1; part += 0.1) expect(watch(steady(bytes, stride, part))).toBeNull();
    });

    it.each([0, 4_000, 8_000, 12_000, 15_000])('is too slow at %i bytes a second, after a while', (bytes) => {
      const most = ((SYSTEM_BYTES + stride) / (16_384 - bytes)) * 1_000 + LOOK_MS;
      for (let part = 0; part < 1; part += 0.1) {
        const found = watch(steady(bytes, stride, part)) ?? Number.POSITIVE_INFINITY;
        expect(found).toBeGreaterThan(240_000);
        expect(found).toBeLessThanOrEqual(most);
      }
    });
  });

  it('is enough where it stands still for four minutes and then goes on', () => {
    const moving = (ms: number): number => Math.floor(ms / 300_000) * 60_000 + Math.min(60_000, ms % 300_000);
    expect(watch((ms) => moving(ms) * 100)).toBeNull();
  });

  it('is that of one who stands still after 256 s, however fast before', () => {
    expect(watch((ms) => Math.min(ms, HOUR_MS) * 1_000)).toBe(HOUR_MS + 258_000);
  });

  it('is that of one who takes a byte now and then, however fast before', () => {
    expect(watch((ms) => Math.min(ms, HOUR_MS) * 1_000 + ms / 3_000)).toBe(HOUR_MS + 258_000);
  });

  it('is not its own while nothing waits for it', () => {
    const never = (): boolean => false;
    expect(watch(() => 100, never)).toBeNull();
    const isWaiting = (ms: number): boolean => ms > 99_000;
    expect(watch((ms) => ms / 3_000, isWaiting)).toBe(99_000 + 258_000);
  });
});
