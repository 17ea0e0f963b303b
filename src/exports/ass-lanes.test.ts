import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Lanes } from './ass-lanes.ts';

const PICTURE = 1_000;
const DURATION = 100;
const LANES = 4;

interface Shown {
  readonly start: number;
  readonly width: number;
  readonly lane: number;
  readonly height: number;
}

const scrolling = () => new Lanes({ lanes: LANES, duration: DURATION, scroll: PICTURE });
const still = () => new Lanes({ lanes: LANES, duration: DURATION, scroll: null });

/** The left edge of a comment that moves. */
function leftOf({ start, width }: Shown, time: number): number {
  return PICTURE - ((PICTURE + width) * (time - start)) / DURATION;
}

/** Whether two are on one lane at one time and, where they move, come nearer than `gap`. The ends tell: speeds are even. */
function touches(first: Shown, second: Shown, moves: boolean, gap: number): boolean {
  const shareLane = first.lane < second.lane + second.height && second.lane < first.lane + first.height;
  const end = first.start + DURATION;
  if (!shareLane || second.start >= end) return false;
  if (!moves) return true;
  return [second.start, end].some((time) => leftOf(second, time) < leftOf(first, time) + first.width + gap);
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
  it('touch nobody on their lanes as long as there is a place where they would not', () => {
    fc.assert(
      fc.property(requests, (given) => {
        const lanes = create();
        const shown: Shown[] = [];
        let time = 0;
        for (const { pause, width, height } of given) {
          time += pause;
          const span = Math.min(height, LANES);
          const { lane, start } = lanes.place(time, width, height);
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
      { numRuns: 500 },
    );
  });
});

describe('a comment', () => {
  it('takes the first lane that is free', () => {
    const lanes = scrolling();
    expect([0, 1, 2].map((time) => lanes.place(time, 100, 1).lane)).toEqual([0, 1, 2]);
    expect(lanes.place(60, 100, 1).lane).toBe(0);
  });

  it('waits for no lane: it takes the one that is free first', () => {
    const lanes = still();
    expect([0, 10, 20, 30].map((time) => lanes.place(time, 1, 1).lane)).toEqual([0, 1, 2, 3]);
    expect([40, 41, 110].map((time) => lanes.place(time, 1, 1))).toEqual([
      { lane: 0, start: 40 },
      { lane: 1, start: 41 },
      { lane: 2, start: 110 },
    ]);
  });

  it('that is large takes several lanes, and all of them where it is larger', () => {
    const lanes = still();
    expect(lanes.place(0, 1, 3).lane).toBe(0);
    expect(lanes.place(0, 1, 1).lane).toBe(3);
    expect(lanes.place(100, 1, 9).lane).toBe(0);
    expect(lanes.place(200, 1, 2).lane).toBe(0);
  });

  it('from before the one before it begins with that; long before, the picture begins anew', () => {
    const lanes = still();
    expect(lanes.place(1_000, 1, 1)).toEqual({ lane: 0, start: 1_000 });
    expect(lanes.place(950, 1, 1)).toEqual({ lane: 1, start: 1_000 });
    expect(lanes.place(899, 1, 1)).toEqual({ lane: 0, start: 899 });
    expect(lanes.place(899, 1, 1)).toEqual({ lane: 1, start: 899 });
  });
});
