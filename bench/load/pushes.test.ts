import { describe, expect, it } from 'vitest';
import { type PushCursor, Pushes } from './pushes.ts';

/** Delivers frames to viewers, in the order of their numbers, 1 ms apart; gives the push of each. */
function deliver(pushes: Pushes, viewers: readonly PushCursor[], order: readonly number[], from: number) {
  return order.map((viewer, i) => pushes.take(viewers[viewer] as PushCursor, from + i)?.batches[0]);
}

function join(pushes: Pushes, count: number): PushCursor[] {
  return Array.from({ length: count }, () => pushes.join());
}

describe('the pushes of viewers that were there before the first', () => {
  it('are counted by each, however they overlap and however long one stands', () => {
    const pushes = new Pushes(3);
    const viewers = join(pushes, 3);
    expect(deliver(pushes, viewers, [0, 1, 2, 2, 0, 1], 0)).toEqual([1, 1, 1, 2, 2, 2]);
    expect(deliver(pushes, viewers, [0, 0, 0, 1], 100)).toEqual([3, 4, 5, 3]);
    expect(deliver(pushes, viewers, [1, 1, 2, 2, 2], 900)).toEqual([4, 5, 3, 4, 5]);
  });
});

describe('the pushes of viewers that came while the server was pushing', () => {
  it('are not told until all have counted the same from one quiet moment to the next', () => {
    const pushes = new Pushes(3);
    const viewers = join(pushes, 1);
    expect(deliver(pushes, viewers, [0], 0)).toEqual([undefined]);
    viewers.push(pushes.join());
    // Somebody comes in the middle of a push, and still gets it.
    expect(deliver(pushes, viewers, [0], 100)).toEqual([undefined]);
    viewers.push(pushes.join());
    expect(deliver(pushes, viewers, [1, 2], 101)).toEqual([undefined, undefined]);
    const next = deliver(pushes, viewers, [2, 1, 0], 200);
    const after = deliver(pushes, viewers, [0, 1, 2], 300);
    const last = deliver(pushes, viewers, [0, 0, 1, 1, 2, 2], 400);
    expect(next.every((push) => push === undefined)).toBe(true);
    const [first = 0] = after;
    expect(first).toBeGreaterThan(0);
    expect(after).toEqual([first, first, first]);
    expect(last).toEqual([first + 1, first + 2, first + 1, first + 2, first + 1, first + 2]);
  });

  it('are not told apart by a server that stands in the middle of one', () => {
    const pushes = new Pushes(2);
    const viewers = join(pushes, 1);
    deliver(pushes, viewers, [0], 0);
    viewers.push(pushes.join());
    deliver(pushes, viewers, [0], 100);
    expect(deliver(pushes, viewers, [1], 150)).toEqual([undefined]);
    expect(deliver(pushes, viewers, [0, 1], 200)).toEqual([undefined, undefined]);
    const [one, other] = deliver(pushes, viewers, [1, 0], 300);
    expect(one).toBeGreaterThan(0);
    expect(other).toBe(one);
  });

  it('are told without a viewer that is gone', () => {
    const pushes = new Pushes(3);
    const viewers = join(pushes, 2);
    deliver(pushes, viewers, [0, 1], 0);
    pushes.join();
    pushes.lose();
    deliver(pushes, viewers, [0, 1], 100);
    const [one, other] = deliver(pushes, viewers, [0, 1], 200);
    expect(one).toBeGreaterThan(0);
    expect(other).toBe(one);
  });
});
