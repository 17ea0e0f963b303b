import { describe, expect, it } from 'vitest';
import type { Refusal } from '../codes.ts';
import type { Draft } from '../comment.ts';
import { checkComment } from '../comment-check.ts';
import { createMainCounters, type MainCounters } from '../counters.ts';
import { seeded } from '../seeded.ts';
import { MemoryStore } from '../store/store-memory.ts';
import { FakeClock } from '../testing/clock.ts';
import { createRooms } from '../testing/rooms.ts';
import { CROWDED, DemoCrowd, LINES } from './crowd.ts';

interface Said {
  readonly room: string;
  readonly at: number;
  readonly draft: Draft;
}

interface CrowdRig {
  readonly clock: FakeClock;
  readonly crowd: DemoCrowd;
  readonly counters: MainCounters;
  readonly said: Said[];
}

/** A crowd that talks to nobody; `answer` is what rooms say to each comment. */
function createCrowd(seed: number, answer: () => Refusal | undefined = () => undefined): CrowdRig {
  const clock = new FakeClock();
  const counters = createMainCounters();
  const said: Said[] = [];
  const offer = (room: string, draft: Draft): Refusal | undefined => {
    const refusal = answer();
    if (refusal === undefined) said.push({ room, at: clock.now(), draft });
    return refusal;
  };
  const crowd = new DemoCrowd({ clock, counters, rooms: { offer }, random: seeded(seed) });
  return { clock, crowd, counters, said };
}

/** How many of a room's comments fall into each second. */
function perSecond(said: readonly Said[], room: string, start: number, seconds: number): number[] {
  const counts = new Array<number>(seconds).fill(0);
  for (const { at } of said.filter((one) => one.room === room)) {
    const second = Math.floor((at - start) / 1_000);
    counts[second] = (counts[second] ?? 0) + 1;
  }
  return counts;
}

describe('the made-up crowd', () => {
  it('says only what intake would take', () => {
    for (const text of [...LINES.chatter, ...LINES.outbursts.flat()])
      expect(checkComment({ text }, 200, 'full'), text).toBeTypeOf('object');
    for (const name of LINES.names) expect(checkComment({ text: 'x', name }, 200, 'full'), name).toBeTypeOf('object');
  });

  it('has well over a hundred different things to say', () => {
    expect(new Set([...LINES.chatter, ...LINES.outbursts.flat()]).size).toBeGreaterThan(150);
  });

  it('talks in every room, unevenly, with outbursts', async () => {
    const { clock, crowd, said } = createCrowd(1);
    const start = clock.now();
    crowd.start();
    await clock.advance(180_000);
    for (const { room } of CROWDED) expect(said.filter((one) => one.room === room).length, room).toBeGreaterThan(10);
    const demo = perSecond(said, 'demo', start, 180);
    const mean = demo.reduce((sum, count) => sum + count) / demo.length;
    expect(mean).toBeGreaterThan(4);
    expect(mean).toBeLessThan(12);
    expect(Math.max(...demo)).toBeGreaterThan(3 * mean);
    expect(demo.filter((count) => count < mean / 2).length).toBeGreaterThan(10);
  });

  it('uses all modes, several colours, sizes and names', async () => {
    const { clock, crowd, said } = createCrowd(2);
    crowd.start();
    await clock.advance(120_000);
    expect(new Set(said.map(({ draft }) => draft.mode))).toEqual(new Set([0, 1, 2]));
    expect(new Set(said.map(({ draft }) => draft.color)).size).toBeGreaterThan(5);
    expect(new Set(said.map(({ draft }) => draft.size)).size).toBe(2);
    expect(new Set(said.map(({ draft }) => draft.name)).size).toBeGreaterThan(20);
    expect(new Set(said.map(({ draft }) => draft.text)).size).toBeGreaterThan(100);
  });

  it('is the same crowd for the same random numbers, and another for others', async () => {
    const said = [];
    for (const seed of [3, 3, 4]) {
      const rig = createCrowd(seed);
      rig.crowd.start();
      await rig.clock.advance(20_000);
      said.push(rig.said);
    }
    expect(said[0]).not.toEqual([]);
    expect(said[1]).toEqual(said[0]);
    expect(said[2]).not.toEqual(said[0]);
  });

  it('says nothing more once it has stopped, and leaves no timer', async () => {
    const { clock, crowd, said } = createCrowd(5);
    crowd.start();
    await clock.advance(5_000);
    const before = said.length;
    expect(before).toBeGreaterThan(0);
    crowd.stop();
    expect(clock.timers).toBe(0);
    await clock.advance(60_000);
    expect(said.length).toBe(before);
  });

  it('is not doubled by a second start', async () => {
    const { clock, crowd } = createCrowd(6);
    crowd.start();
    crowd.start();
    expect(clock.timers).toBe(CROWDED.length);
    crowd.stop();
    await clock.advance(0);
    expect(clock.timers).toBe(0);
  });

  it('waits as long as a room asks it to, and counts what was taken and refused', async () => {
    const { clock, crowd, counters, said } = createCrowd(7, () =>
      clock.now() < 1_764_000_000_000 + 30_000 ? { code: 'ROOM_BUSY', retryAfterMs: 10_000 } : undefined,
    );
    crowd.start();
    await clock.advance(60_000);
    const refused = counters.refused.get('ROOM_BUSY') ?? 0;
    expect(refused).toBeGreaterThan(0);
    expect(refused).toBeLessThanOrEqual(4 * CROWDED.length);
    expect(counters.commentsDemo).toBe(said.length);
    expect(said.length).toBeGreaterThan(0);
  });

  it('fills real rooms, which have no viewer by it', async () => {
    const rig = await createRooms(
      new MemoryStore({ comments: 10_000, bytes: 1e8, age: 3_600_000, clock: new FakeClock(0) }),
    );
    const crowd = new DemoCrowd({ clock: rig.clock, rooms: rig.rooms, counters: rig.counters, random: seeded(8) });
    crowd.start();
    await rig.clock.advance(10_000);
    expect(rig.sink.texts('demo').length).toBeGreaterThan(10);
    expect([...rig.rooms.all()].every(({ viewers }) => viewers === 0)).toBe(true);
    crowd.stop();
    await rig.rooms.drain();
    expect(rig.rooms.pending).toBe(0);
  });
});
