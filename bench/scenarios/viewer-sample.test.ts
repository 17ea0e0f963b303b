import { describe, expect, it } from 'vitest';
import { MOST_WAITING } from './http-feed.ts';
import { chooseSampleStep, chooseTimedRooms } from './viewer-sample.ts';

describe('sampled viewers', () => {
  it.each([
    [1, 1],
    [60, 3],
    [1_000, 1],
    [1_000, 10],
    [20_000, 10_000],
    [19_400, 9_973],
  ])('of %i in %i rooms are a small share of them, spread over the rooms', (connections, rooms) => {
    const step = chooseSampleStep(connections, rooms);
    expect(step).toBeGreaterThanOrEqual(10);
    const sampled = Math.ceil(connections / step);
    expect(sampled).toBeLessThanOrEqual(50);
    const seen = new Set(Array.from({ length: sampled }, (_, i) => (i * step) % rooms));
    expect(seen.size).toBe(Math.min(sampled, rooms));
  });
});

describe('timed rooms', () => {
  const many = { connections: 20_000, rooms: 10_000, interval: 1_000, rate: 20 };

  it('have a sampled viewer', () => {
    const step = chooseSampleStep(many.connections, many.rooms);
    const timed = chooseTimedRooms(many, step);
    const sampled = new Set(Array.from({ length: 50 }, (_, i) => (i * step) % many.rooms));
    expect(timed.size).toBeGreaterThan(0);
    expect([...timed].filter((room) => !sampled.has(room))).toEqual([]);
  });

  it('are so few that their posts do not wait for sockets', () => {
    const timed = chooseTimedRooms(many, 401);
    // A post each 100 ms, each waiting for up to 1,000 ms.
    expect(timed.size * 10).toBeLessThanOrEqual(MOST_WAITING);
  });

  it('are one at least', () => {
    expect(chooseTimedRooms({ connections: 1, rooms: 1, interval: 60_000, rate: 100 }, 10)).toEqual(new Set([0]));
  });
});
