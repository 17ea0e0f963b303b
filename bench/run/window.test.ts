import { describe, expect, it } from 'vitest';
import { type Seat, Seats } from '../load/plan.ts';
import { BenchError } from '../options.ts';
import { makeRun, SETTINGS } from '../report/run.fixture.ts';
import { chooseGap, MOST_WAITING } from './feed.ts';
import { shapeOf } from './scenarios.ts';
import { chooseTimedRooms, Interrupted, planLoad, watchRun } from './window.ts';

const NEVER = 60_000;

describe('a run that is watched', () => {
  it('pauses for its time', async () => {
    const watch = watchRun(new AbortController().signal);
    expect(await watch.pause(1)).toBe(true);
  });

  it('ends its pause when it is interrupted, then and later', async () => {
    const stop = new AbortController();
    const watch = watchRun(stop.signal);
    const pause = watch.pause(NEVER);
    stop.abort();
    expect(await pause).toBe(false);
    expect(await watch.pause(NEVER)).toBe(false);
    expect(await watchRun(stop.signal).pause(NEVER)).toBe(false);
  });

  it('fails whatever waits, and whatever will wait, with the first failure', async () => {
    const watch = watchRun(new AbortController().signal);
    const pause = watch.pause(NEVER);
    const gone = new BenchError('the server is gone');
    watch.fail(gone);
    watch.fail(new BenchError('and another'));
    await expect(pause).rejects.toBe(gone);
    await expect(watch.pause(NEVER)).rejects.toBe(gone);
    await expect(watch.await(new Promise(() => undefined))).rejects.toBe(gone);
  });

  it('gives what it waited for, or its failure', async () => {
    const watch = watchRun(new AbortController().signal);
    expect(await watch.await(Promise.resolve(7))).toBe(7);
    await expect(watch.await(Promise.reject(new BenchError('no')))).rejects.toThrow('no');
  });

  it('clears up what comes too late', async () => {
    const stop = new AbortController();
    const watch = watchRun(stop.signal);
    let finish = (_: string): void => undefined;
    const work = new Promise<string>((resolve) => {
      finish = resolve;
    });
    let tell = (_: string): void => undefined;
    const undone = new Promise<string>((resolve) => {
      tell = resolve;
    });
    const waiting = watch.await(work, async (late) => tell(late));
    stop.abort();
    await expect(waiting).rejects.toThrow(Interrupted);
    finish('late');
    expect(await undone).toBe('late');
  });
});

function planOf(connections: number, rooms: number) {
  const settings = { ...SETTINGS, connections, rooms, workers: 1 };
  const { target, label } = makeRun();
  return planLoad({ target, label, settings, shape: shapeOf(settings), comments: [] });
}

/** The viewers who are really sampled: those whom a load makes of the plan. */
function sampledOf(connections: number, rooms: number): Seat[] {
  return new Seats(planOf(connections, rooms)).all.filter(({ sampled }) => sampled);
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
    const timed = chooseTimedRooms(planOf(connections, rooms), interval, gap, 20);
    const sampled = new Set(sampledOf(connections, rooms).map(({ room }) => room));
    expect(timed.size).toBeGreaterThan(0);
    expect([...timed].filter((room) => !sampled.has(room))).toEqual([]);
  });

  it('are all with a sampled viewer where posts do not wait long', () => {
    const timed = chooseTimedRooms(planOf(1_000, 10), 100, 20, 20);
    expect(timed).toEqual(new Set(sampledOf(1_000, 10).map(({ room }) => room)));
  });

  it('are so few that their posts do not wait for sockets', () => {
    const timed = chooseTimedRooms(planOf(20_000, 10_000), 1_000, 100, 20);
    // A post each 100 ms, each waiting for up to 1,000 ms.
    expect(timed.size * 10).toBeLessThanOrEqual(MOST_WAITING);
  });

  it('are one at least', () => {
    expect(chooseTimedRooms(planOf(1, 1), 60_000, 10, 100)).toEqual(new Set([0]));
  });
});
