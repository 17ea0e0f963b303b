import { describe, expect, it } from 'vitest';
import { makePlan } from './load-plan.fixture.ts';
import { Seats } from './plan.ts';

describe('the seats of a load', () => {
  it('go round the paths; paths of one room with other queries are one room', () => {
    const seats = new Seats(makePlan({ connections: 6, paths: ['/rooms/a', '/rooms/b', '/rooms/a?since=0'] }));
    expect(seats.rooms).toEqual(['/rooms/a', '/rooms/b']);
    expect(seats.all.map(({ room }) => room)).toEqual([0, 1, 0, 0, 1, 0]);
    expect(seats.all[5]?.path).toBe('/rooms/a?since=0');
    expect(seats.roomOf('/rooms/b?x')).toBe(1);
    expect(seats.roomOf('/rooms/c')).toBeUndefined();
    expect([...seats.countByRoom(() => true)]).toEqual([4, 2]);
  });

  it('are senders first and deaf last', () => {
    const seats = new Seats(makePlan({ connections: 10, senders: 3, deaf: 2 }));
    const { all } = seats;
    expect(all.filter(({ sends }) => sends).map(({ index }) => index)).toEqual([0, 1, 2]);
    expect(all.filter(({ deaf }) => deaf).map(({ index }) => index)).toEqual([8, 9]);
    expect(all.filter(({ steady }) => steady)).toHaveLength(8);
  });

  it.each([1, 2, 3, 7, 10, 100])('are sampled to one in %i, in every room and thread alike', (sampleEvery) => {
    for (const [rooms, threads] of [
      [1, 1],
      [sampleEvery, 2],
      [10, 4],
    ] as const) {
      const paths = Array.from({ length: rooms }, (_, i) => `/rooms/${i}`);
      const seats = new Seats(makePlan({ connections: 10_000, sampleEvery, paths, threads }));
      const sampled = seats.all.filter((seat) => seat.sampled);
      expect(Math.abs(sampled.length - 10_000 / sampleEvery)).toBeLessThanOrEqual(10);
      const shares = Array.from({ length: threads }, (_, t) => sampled.filter(({ index }) => index % threads === t));
      for (const share of shares) expect(share.length).toBeGreaterThan((sampled.length / threads) * 0.8);
      expect(new Set(sampled.map(({ room }) => room)).size).toBeGreaterThan(rooms * 0.8);
    }
  });

  it('has one sampled at least', () => {
    expect(new Seats(makePlan({ connections: 3, sampleEvery: 1_000 })).all[0]?.sampled).toBe(true);
  });

  it('let about every other one churn, but no sender, no deaf and no sampled one', () => {
    const seats = new Seats(makePlan({ connections: 1_000, senders: 10, deaf: 10, churn: 0.05, sampleEvery: 10 }));
    const churning = seats.all.filter(({ churns }) => churns);
    expect(churning.length).toBeGreaterThan(450);
    expect(churning.some(({ sends, deaf, sampled, steady }) => sends || deaf || sampled || steady)).toBe(false);
  });
});
