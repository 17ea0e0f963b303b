import { describe, expect, it } from 'vitest';
import { LatencyJoin } from './latency-join.ts';

/** Two rooms with two and with no sampled viewers. */
function makeJoin(): { join: LatencyJoin; latencies: number[] } {
  const latencies: number[] = [];
  return { join: new LatencyJoin([2, 0], (latency) => latencies.push(latency)), latencies };
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
