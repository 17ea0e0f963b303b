import { expect, it } from 'vitest';
import { SpreadJoin } from './spread-join.ts';

function makeJoin(viewers: readonly number[]): { join: SpreadJoin; spreads: number[] } {
  const spreads: number[] = [];
  const join = new SpreadJoin(Int32Array.from(viewers), (spread) => spreads.push(spread));
  join.begin(0);
  return { join, spreads };
}

it('tells a frame once all viewers of all threads had it, from the first to the last', () => {
  const { join, spreads } = makeJoin([5]);
  join.add(0, 1, 100, 110, 3, 0);
  join.add(0, 2, 205, 206, 1, 0);
  expect(spreads).toEqual([]);
  join.add(0, 1, 95, 104, 2, 0);
  expect(spreads).toEqual([15]);
  join.add(0, 2, 200, 230, 4, 0);
  expect(spreads).toEqual([15, 30]);
});

it('tells nothing where there is one viewer', () => {
  const { join, spreads } = makeJoin([1, 2]);
  join.add(0, 1, 100, 100, 1, 0);
  join.add(1, 1, 100, 101, 2, 0);
  expect(spreads).toEqual([1]);
});

it('expects nothing of a viewer that is gone', () => {
  const { join, spreads } = makeJoin([3]);
  join.lose(0);
  join.add(0, 9, 100, 104, 2, 0);
  expect(spreads).toEqual([4]);
});

it('tells a batch once where a viewer is gone that had it', () => {
  const { join, spreads } = makeJoin([3]);
  join.add(0, 9, 100, 100, 1, 0);
  join.lose(0);
  join.add(0, 9, 101, 101, 1, 0);
  join.add(0, 9, 109, 109, 1, 0);
  expect(spreads).toEqual([1]);
  expect(join.countIncomplete(1_000)).toBe(0);
});

it('counts what somebody never got, before and after it is given up', () => {
  const { join, spreads } = makeJoin([2, 2]);
  join.add(0, 1, 100, 100, 1, 100);
  join.add(1, 1, 100, 100, 1, 100);
  join.add(1, 1, 100, 100, 1, 100);
  expect(join.countIncomplete(1_000)).toBe(1);
  join.forget(60_099);
  join.add(0, 2, 60_000, 60_000, 1, 60_100);
  join.forget(60_100);
  expect(join.countIncomplete(61_000)).toBe(2);
  expect(spreads).toEqual([0]);
});

it('counts nothing that may still be on its way', () => {
  const { join } = makeJoin([2]);
  join.add(0, 1, 500, 500, 1, 500);
  expect(join.countIncomplete(499)).toBe(0);
  expect(join.hasSpread(0, 499)).toBe(false);
  expect(join.countIncomplete(500)).toBe(1);
  expect(join.hasSpread(0, 500)).toBe(true);
  expect(join.hasSpread(1, 500)).toBe(false);
});

it('tells and counts nothing that somebody had before it began', () => {
  const { join, spreads } = makeJoin([2]);
  join.begin(1_000);
  join.add(0, 1, 999, 1_001, 2, 0);
  join.add(0, 2, 999, 999, 1, 0);
  expect(spreads).toEqual([]);
  expect(join.countIncomplete(5_000)).toBe(0);
  expect(join.hasSpread(0, 5_000)).toBe(false);
  join.add(0, 3, 1_000, 1_003, 2, 0);
  expect(spreads).toEqual([3]);
  expect(join.hasSpread(0, 5_000)).toBe(true);
});
