import { describe, expect, it } from 'vitest';
import { chooseGap, type DuePost, FeedSchedule } from './feed-schedule.ts';

/** The posts of so many ms. */
function takeUntil(end: number, rooms: number, rate: number, gap: number): DuePost[] {
  const schedule = new FeedSchedule(rooms, rate, gap);
  const posts: DuePost[] = [];
  while (schedule.nextAt < end) posts.push(schedule.take());
  return posts;
}

/** How many of the times fall into each tenth of a second-long or shorter interval. */
function countByTenth(times: readonly number[], interval: number): number[] {
  const counts = new Array<number>(10).fill(0);
  for (const at of times) {
    const tenth = Math.floor(((at % interval) / interval) * 10);
    counts[tenth] = (counts[tenth] ?? 0) + 1;
  }
  return counts;
}

describe('the schedule of a feed', () => {
  it.each([
    [1, 20, 10],
    [1, 5_000, 10],
    [3, 25, 100],
    [40, 1, 80],
  ])('keeps to the rate in %i rooms at %i a second with a gap of %i ms', (rooms, rate, gap) => {
    const posts = takeUntil(10_000, rooms, rate, gap);
    for (let room = 0; room < rooms; room += 1) {
      const due = posts.filter((post) => post.room === room).flatMap((post) => post.due);
      // One more or less by the draw, and what is due after the last post.
      expect(Math.abs(due.length - rate * 10)).toBeLessThanOrEqual(2 + (rate * 2 * gap) / 1_000);
      due.forEach((at, place) => {
        expect(Math.floor((at * rate) / 1_000 + 1e-9)).toBe(place);
      });
    }
  });

  it('posts in the order of time, nothing before it is due', () => {
    const posts = takeUntil(5_000, 7, 50, 100);
    const times = posts.map(({ at }) => at);
    expect(times).toEqual([...times].sort((one, other) => one - other));
    for (const { at, due } of posts) for (const time of due) expect(time).toBeLessThanOrEqual(at);
    expect(posts.some(({ due }) => due.length > 1)).toBe(true);
  });

  it('posts a comment at its own time where they are seldom', () => {
    const posts = takeUntil(20_000, 2, 8, 100);
    expect(posts.length).toBeGreaterThan(300);
    for (const { at, due } of posts) expect(due).toEqual([at]);
  });

  it.each([
    [20, 10],
    [20, 100],
    [1_000, 100],
    [10, 100],
  ])('meets every moment of an interval of 100 ms alike at %i a second with a gap of %i ms', (rate, gap) => {
    const posts = takeUntil(2_000_000 / rate, 1, rate, gap);
    const due = posts.flatMap((post) => post.due);
    // About 200 each; an even pace has all in one or two tenths.
    for (const count of countByTenth(due, 100)) {
      expect(count).toBeGreaterThan(130);
      expect(count).toBeLessThan(270);
    }
  });
});

describe('the gap between posts', () => {
  it('is short, longer in many rooms, and never above 100 ms or the interval', () => {
    expect(chooseGap({ rooms: 1, interval: 1_000 })).toBe(10);
    expect(chooseGap({ rooms: 20, interval: 1_000 })).toBe(40);
    expect(chooseGap({ rooms: 10_000, interval: 1_000 })).toBe(100);
    expect(chooseGap({ rooms: 10_000, interval: 20 })).toBe(20);
    expect(chooseGap({ rooms: 1, interval: 60_000 })).toBe(100);
  });
});
