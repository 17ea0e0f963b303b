import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runs } from '../testing/properties.ts';
import { Lanes } from './ass-lanes.ts';

const PICTURE = 1_000;
const DURATION = 100;
const LANES = 4;

interface Shown {
  readonly start: number;
  readonly width: number;
  /** How wide it really is, where that is not `width`. */
  readonly most?: number;
  readonly lane: number;
  readonly height: number;
}

const scrolling = () => new Lanes({ lanes: LANES, duration: DURATION, scroll: PICTURE });
const same = (width: number) => ({ width, most: width });
const still = () => new Lanes({ lanes: LANES, duration: DURATION, scroll: null });

/** The left edge of a comment that moves. */
function leftOf({ start, width }: Shown, time: number): number {
  return PICTURE - ((PICTURE + width) * (time - start)) / DURATION;
}

/**
 * Whether two are on one lane at one time and, where they move, come nearer than `gap`. The ends tell: speeds are even.
 */
function touches(first: Shown, second: Shown, moves: boolean, gap: number): boolean {
  const shareLane = first.lane < second.lane + second.height && second.lane < first.lane + first.height;
  const end = first.start + DURATION;
  if (!shareLane || second.start >= end) return false;
  if (!moves) return true;
  return [second.start, end].some(
    (time) => leftOf(second, time) < leftOf(first, time) + (first.most ?? first.width) + gap,
  );
}

const requests = fc.array(
  fc.record({
    pause: fc.oneof(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 60 })),
    width: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 10_000 })),
    height: fc.integer({ min: 1, max: 5 }),
  }),
  { maxLength: 60 },
);

describe.each([
  ['that move', true, scrolling],
  ['that stand still', false, still],
] as const)('comments %s', (_, moves, create) => {
  it('touch nothing on their lanes as long as there is a place where they would not', () => {
    fc.assert(
      fc.property(requests, (given) => {
        const lanes = create();
        const shown: Shown[] = [];
        let time = 0;
        for (const { pause, width, height } of given) {
          time += pause;
          const span = Math.min(height, LANES);
          const { lane, start } = lanes.place(time, same(width), height);
          expect([start, lane >= 0, lane + span <= LANES]).toEqual([time, true, true]);
          const placed = { start, width, lane, height: span };
          if (shown.some((other) => touches(other, placed, moves, 0))) {
            for (let at = 0; at + span <= LANES; at += 1) {
              // A place counts as free where 20 px stay between two; the rest is for rounding.
              const there = shown.some((other) => touches(other, { ...placed, lane: at }, moves, 20.001));
              expect(there).toBe(true);
            }
          }
          shown.push(placed);
        }
      }),
      { numRuns: runs(125) },
    );
  });
});

it('comments that are wider than they move touch nothing either, and share lanes', () => {
  const wide = fc.record({
    // Rare enough for a lane to be empty at any time.
    pause: fc.integer({ min: DURATION / LANES, max: DURATION }),
    width: fc.integer({ min: 1, max: 1_000 }),
    over: fc.oneof(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: 3_000 })),
  });
  let shared = 0;
  fc.assert(
    fc.property(fc.array(wide, { maxLength: 60 }), (given) => {
      const lanes = scrolling();
      const shown: Shown[] = [];
      let time = 0;
      for (const { pause, width, over } of given) {
        time += pause;
        const { lane, start } = lanes.place(time, { width, most: width + over }, 1);
        const placed = { start, width, most: width + over, lane, height: 1 };
        for (const other of shown) {
          expect(touches(other, placed, true, 19.999), JSON.stringify([other, placed])).toBe(false);
          if (other.lane === lane && other.start + DURATION > start) shared += 1;
        }
        shown.push(placed);
      }
    }),
    { numRuns: runs(125) },
  );
  expect(shared).toBeGreaterThan(0);
});

describe('a comment', () => {
  it('takes the first lane that is free', () => {
    const lanes = scrolling();
    expect([0, 1, 2].map((time) => lanes.place(time, same(100), 1).lane)).toEqual([0, 1, 2]);
    expect(lanes.place(60, same(100), 1).lane).toBe(0);
  });

  it('waits for no lane: it takes the one that is free first', () => {
    const lanes = still();
    expect([0, 10, 20, 30].map((time) => lanes.place(time, same(1), 1).lane)).toEqual([0, 1, 2, 3]);
    expect([40, 41, 110].map((time) => lanes.place(time, same(1), 1))).toEqual([
      { lane: 0, start: 40 },
      { lane: 1, start: 41 },
      { lane: 2, start: 110 },
    ]);
  });

  it('that is large takes several lanes, and all of them where it is larger', () => {
    const lanes = still();
    expect(lanes.place(0, same(1), 3).lane).toBe(0);
    expect(lanes.place(0, same(1), 1).lane).toBe(3);
    expect(lanes.place(100, same(1), 9).lane).toBe(0);
    expect(lanes.place(200, same(1), 2).lane).toBe(0);
  });

  it('from before the one before it begins with that; long before, the picture begins anew', () => {
    const lanes = still();
    expect(lanes.place(1_000, same(1), 1)).toEqual({ lane: 0, start: 1_000 });
    expect(lanes.place(950, same(1), 1)).toEqual({ lane: 1, start: 1_000 });
    expect(lanes.place(899, same(1), 1)).toEqual({ lane: 0, start: 899 });
    expect(lanes.place(899, same(1), 1)).toEqual({ lane: 1, start: 899 });
  });
});
