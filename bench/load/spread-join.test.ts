import { expect, it } from 'vitest';
import { SpreadJoin } from './spread-join.ts';

function makeJoin(viewers: readonly number[]): { join: SpreadJoin; spreads: number[] } {
  const spreads: number[] = [];
  return { join: new SpreadJoin(Int32Array.from(viewers), (spread) => spreads.push(spread)), spreads };
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

it('forgets a frame that somebody never got', () => {
  const { join, spreads } = makeJoin([2]);
  join.add(0, 1, 100, 100, 1, 0);
  join.forget(60_000);
  join.add(0, 1, 60_100, 60_100, 1, 60_100);
  expect(spreads).toEqual([]);
});
