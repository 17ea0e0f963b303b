import { describe, expect, it } from 'vitest';
import { joinBatches } from './results.ts';

/** Two rooms with two and with no sampled viewers. */
function makeJoin(): { join: ReturnType<typeof joinBatches>; latencies: number[] } {
  const latencies: number[] = [];
  const viewers = { sampled: [2, 0], steady: [0, 0] };
  return {
    join: joinBatches(
      viewers,
      (latency) => latencies.push(latency),
      () => undefined,
    ),
    latencies,
  };
}

describe('a latency', () => {
  it('is told for every comment and every sampled viewer of its batch, whichever comes first', () => {
    const { join, latencies } = makeJoin();
    join.addSent(0, 7, 100, 0);
    join.addReceived(0, 7, 150, 0);
    join.addSent(0, 7, 110, 0);
    join.addReceived(0, 7, 160, 0);
    join.addSent(0, 7, 120, 0);
    expect(latencies.toSorted((one, other) => one - other)).toEqual([30, 40, 40, 50, 50, 60]);
  });

  it('is not told across batches or rooms', () => {
    const { join, latencies } = makeJoin();
    join.addSent(0, 7, 100, 0);
    join.addReceived(0, 8, 150, 0);
    join.addReceived(1, 7, 150, 0);
    expect(latencies).toEqual([]);
  });
});

it('tells both of a batch whose viewers are sampled, and remembers it for late acks', () => {
  const [latencies, spreads]: [number[], number[]] = [[], []];
  const viewers = { sampled: [1], steady: [2] };
  const join = joinBatches(
    viewers,
    (ms) => latencies.push(ms),
    (ms) => spreads.push(ms),
  );
  join.begin(0);
  join.addReceived(0, 7, 150, 150);
  join.addCopies(0, 7, 149, 153, 2, 155);
  join.addSent(0, 7, 100, 160);
  expect([latencies, spreads, join.countIncomplete(1_000)]).toEqual([[50], [4], 0]);
});

describe('what is remembered', () => {
  it('is nothing of a room without sampled viewers', () => {
    const { join } = makeJoin();
    join.addSent(1, 7, 100, 0);
    expect(join.size).toBe(0);
  });

  it('is forgotten after a minute, and not before', () => {
    const { join, latencies } = makeJoin();
    join.addSent(0, 7, 0, 0);
    join.addSent(0, 8, 10_000, 10_000);
    join.forget(59_999);
    join.addReceived(0, 7, 59_999, 59_999);
    expect(latencies).toEqual([59_999]);
    join.forget(60_000);
    expect(join.size).toBe(1);
    join.addReceived(0, 7, 60_001, 60_001);
    expect(latencies).toEqual([59_999]);
  });
});

function makeSpreadJoin(viewers: readonly number[]): { join: ReturnType<typeof joinBatches>; spreads: number[] } {
  const spreads: number[] = [];
  const join = joinBatches(
    { sampled: [], steady: viewers },
    () => undefined,
    (spread) => spreads.push(spread),
  );
  join.begin(0);
  return { join, spreads };
}

it('tells a frame once all viewers of all threads had it, from the first to the last', () => {
  const { join, spreads } = makeSpreadJoin([5]);
  join.addCopies(0, 1, 100, 110, 3, 0);
  join.addCopies(0, 2, 205, 206, 1, 0);
  expect(spreads).toEqual([]);
  join.addCopies(0, 1, 95, 104, 2, 0);
  expect(spreads).toEqual([15]);
  join.addCopies(0, 2, 200, 230, 4, 0);
  expect(spreads).toEqual([15, 30]);
});

it('tells nothing where there is one viewer', () => {
  const { join, spreads } = makeSpreadJoin([1, 2]);
  join.addCopies(0, 1, 100, 100, 1, 0);
  join.addCopies(1, 1, 100, 101, 2, 0);
  expect(spreads).toEqual([1]);
});

it('expects nothing of a viewer that is gone', () => {
  const { join, spreads } = makeSpreadJoin([3]);
  join.lose(0);
  join.addCopies(0, 9, 100, 104, 2, 0);
  expect(spreads).toEqual([4]);
});

it('tells a batch once where a viewer is gone that had it', () => {
  const { join, spreads } = makeSpreadJoin([3]);
  join.addCopies(0, 9, 100, 100, 1, 0);
  join.lose(0);
  join.addCopies(0, 9, 101, 101, 1, 0);
  join.addCopies(0, 9, 109, 109, 1, 0);
  expect(spreads).toEqual([1]);
  expect(join.countIncomplete(1_000)).toBe(0);
});

it('counts what somebody never got, before and after it is given up', () => {
  const { join, spreads } = makeSpreadJoin([2, 2]);
  join.addCopies(0, 1, 100, 100, 1, 100);
  join.addCopies(1, 1, 100, 100, 1, 100);
  join.addCopies(1, 1, 100, 100, 1, 100);
  expect(join.countIncomplete(1_000)).toBe(1);
  join.forget(60_099);
  join.addCopies(0, 2, 60_000, 60_000, 1, 60_100);
  join.forget(60_100);
  expect(join.countIncomplete(61_000)).toBe(2);
  expect(spreads).toEqual([0]);
});

it('counts nothing that may still be on its way', () => {
  const { join } = makeSpreadJoin([2]);
  join.addCopies(0, 1, 500, 500, 1, 500);
  expect(join.countIncomplete(499)).toBe(0);
  expect(join.hasSpread(0, 499)).toBe(false);
  expect(join.countIncomplete(500)).toBe(1);
  expect(join.hasSpread(0, 500)).toBe(true);
  expect(join.hasSpread(1, 500)).toBe(false);
});

it('tells and counts nothing that somebody had before it began', () => {
  const { join, spreads } = makeSpreadJoin([2]);
  join.begin(1_000);
  join.addCopies(0, 1, 999, 1_001, 2, 0);
  join.addCopies(0, 2, 999, 999, 1, 0);
  expect(spreads).toEqual([]);
  expect(join.countIncomplete(5_000)).toBe(0);
  expect(join.hasSpread(0, 5_000)).toBe(false);
  join.addCopies(0, 3, 1_000, 1_003, 2, 0);
  expect(spreads).toEqual([3]);
  expect(join.hasSpread(0, 5_000)).toBe(true);
});
