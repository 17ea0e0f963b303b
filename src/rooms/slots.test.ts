import { describe, expect, it } from 'vitest';
import type { Clock } from '../clock.ts';
import { SLOT_MS } from '../clock.ts';
import { FakeClock } from '../testing/clock.ts';
import { Slots, slotStart } from './slots.ts';

/** Slots of strings on a clock that begins 3 ms into a slot, and when each ran. */
function createSlots(clock = new FakeClock(1_003), timers: Clock = clock) {
  const ran: { at: number; due: readonly string[] }[] = [];
  const slots = new Slots<string>(timers, (due) => {
    ran.push({ at: clock.now(), due });
  });
  return { clock, slots, ran };
}

describe('a slot', () => {
  it('begins at a whole number of slot lengths', () => {
    expect(slotStart(1_000)).toBe(1_000);
    expect(slotStart(1_009.9)).toBe(1_000);
    expect(slotStart(1_010)).toBe(1_010);
    expect(SLOT_MS).toBe(10);
  });

  it('runs what is due at its very beginning, and what falls due within it in the next', async () => {
    const { clock, slots, ran } = createSlots();
    slots.add('on the beat', 1_050);
    slots.add('just after', 1_050.5);
    await clock.advance(100);
    expect(ran).toEqual([
      { at: 1_050, due: ['on the beat'] },
      { at: 1_060, due: ['just after'] },
    ]);
  });

  it('hands everything due in it over at once, in the order in which it was added', async () => {
    const { clock, slots, ran } = createSlots();
    slots.add('b', 1_041);
    slots.add('a', 1_050);
    slots.add('c', 1_049.9);
    await clock.advance(100);
    expect(ran).toEqual([{ at: 1_050, due: ['b', 'a', 'c'] }]);
  });

  it('is the next one for what is overdue, never the one that runs now', async () => {
    const { clock, slots, ran } = createSlots();
    slots.add('long ago', Number.NEGATIVE_INFINITY);
    slots.add('now', 1_003);
    await clock.advance(7);
    expect(ran).toEqual([{ at: 1_010, due: ['long ago', 'now'] }]);
    slots.add('again', 1_010);
    await clock.advance(9);
    expect(ran).toHaveLength(1);
    await clock.advance(1);
    expect(ran[1]).toEqual({ at: 1_020, due: ['again'] });
  });
});

describe('slots', () => {
  it('set no timer while nothing is scheduled, and one at most', async () => {
    const { clock, slots, ran } = createSlots();
    expect(clock.timers).toBe(0);
    slots.add('a', 5_000);
    slots.add('b', 2_000);
    slots.add('c', 9_000);
    expect(clock.timers).toBe(1);
    await clock.advance(10_000);
    expect(ran.map(({ due }) => due)).toEqual([['b'], ['a'], ['c']]);
    expect(clock.timers).toBe(0);
  });

  it('wake earlier for what is added later but due sooner', async () => {
    const { clock, slots, ran } = createSlots();
    slots.add('late', 1_500);
    await clock.advance(100);
    slots.add('soon', 1_200);
    await clock.advance(1_000);
    expect(ran).toEqual([
      { at: 1_200, due: ['soon'] },
      { at: 1_500, due: ['late'] },
    ]);
  });

  it('take what is added while they run, for a later slot', async () => {
    const clock = new FakeClock(0);
    const ran: number[] = [];
    const slots: Slots<number> = new Slots(clock, ([turn = 0]) => {
      ran.push(clock.now());
      if (turn < 3) slots.add(turn + 1, clock.now());
    });
    slots.add(1, 0);
    await clock.advance(100);
    expect(ran).toEqual([10, 20, 30]);
  });

  it('run everything overdue in one go when the loop stood still', async () => {
    const { clock, slots, ran } = createSlots();
    slots.add('a', 1_050);
    slots.add('b', 1_100);
    slots.add('c', 9_000);
    clock.jump(3_000);
    await clock.advance(0);
    expect(ran).toEqual([{ at: 4_003, due: ['a', 'b'] }]);
    await clock.advance(10_000);
    expect(ran[1]).toEqual({ at: 9_000, due: ['c'] });
  });

  it('do not run early on a timer that fires a fraction too soon', async () => {
    const clock = new FakeClock(1_003);
    const early: Clock = {
      now: () => clock.now(),
      unix: () => clock.unix(),
      after: (ms, run) => clock.after(ms - 0.4, run),
    };
    const { slots, ran } = createSlots(clock, early);
    slots.add('a', 1_050);
    await clock.advance(100);
    expect(ran.map(({ due }) => due)).toEqual([['a']]);
    expect(ran[0]?.at).toBeGreaterThanOrEqual(1_050);
  });

  it('run nothing after they are stopped', async () => {
    const { clock, slots, ran } = createSlots();
    slots.add('a', 1_050);
    slots.stop();
    expect(clock.timers).toBe(0);
    await clock.advance(1_000);
    expect(ran).toEqual([]);
  });
});
