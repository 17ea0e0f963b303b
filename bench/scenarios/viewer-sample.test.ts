import { describe, expect, it } from 'vitest';
import { type Seat, Seats } from '../load/seats.ts';
import { SETTINGS } from '../report/run.fixture.ts';
import { chooseGap } from './feed-schedule.ts';
import { hotRoom } from './hot-room.ts';
import { MOST_WAITING } from './http-feed.ts';
import { planLoad } from './load-planner.ts';
import { chooseTimedRooms } from './viewer-sample.ts';

function planOf(connections: number, rooms: number) {
  const settings = { ...SETTINGS, connections, rooms, workers: 1 };
  return planLoad('ws://127.0.0.1:9000', settings, hotRoom.shape(settings), []);
}

/** The viewers who are really sampled: those whom a load makes of the plan. */
function sampledOf(connections: number, rooms: number): Seat[] {
  return new Seats(planOf(connections, rooms)).ofThread(0).filter(({ sampled }) => sampled);
}

const CASES: readonly (readonly [number, number])[] = [
  [1, 1],
  [60, 3],
  [1_000, 1],
  [1_000, 10],
  [20_000, 10_000],
  [19_400, 9_973],
];

describe('sampled viewers', () => {
  it.each(CASES)('of %i in %i rooms are a small share of them, spread over the rooms', (connections, rooms) => {
    const sampled = sampledOf(connections, rooms);
    expect(sampled.length).toBeGreaterThanOrEqual(1);
    expect(sampled.length).toBeLessThanOrEqual(Math.max(1, Math.min(55, connections / 5)));
    const seen = new Set(sampled.map(({ room }) => room));
    expect(seen.size).toBeGreaterThanOrEqual(0.6 * Math.min(sampled.length, rooms));
  });
});

describe('timed rooms', () => {
  it.each(CASES)('of %i viewers in %i rooms all have a sampled viewer', (connections, rooms) => {
    const interval = 1_000;
    const gap = chooseGap({ rooms, interval });
    const timed = chooseTimedRooms(planOf(connections, rooms), { interval, gap, rate: 20 });
    const sampled = new Set(sampledOf(connections, rooms).map(({ room }) => room));
    expect(timed.size).toBeGreaterThan(0);
    expect([...timed].filter((room) => !sampled.has(room))).toEqual([]);
  });

  it('are all with a sampled viewer where posts do not wait long', () => {
    const timed = chooseTimedRooms(planOf(1_000, 10), { interval: 100, gap: 20, rate: 20 });
    expect(timed).toEqual(new Set(sampledOf(1_000, 10).map(({ room }) => room)));
  });

  it('are so few that their posts do not wait for sockets', () => {
    const timed = chooseTimedRooms(planOf(20_000, 10_000), { interval: 1_000, gap: 100, rate: 20 });
    // A post each 100 ms, each waiting for up to 1,000 ms.
    expect(timed.size * 10).toBeLessThanOrEqual(MOST_WAITING);
  });

  it('are one at least', () => {
    expect(chooseTimedRooms(planOf(1, 1), { interval: 60_000, gap: 10, rate: 100 })).toEqual(new Set([0]));
  });
});
