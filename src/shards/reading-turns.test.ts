import { describe, expect, it } from 'vitest';
import { ReadingTurns } from './reading-turns.ts';

/** Resolves in the next turn of the loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe('readings', () => {
  it('begin four a turn, in the order in which they were asked for', async () => {
    const turns = new ReadingTurns();
    const begun: number[] = [];
    for (let i = 0; i < 10; i += 1) void turns.next().then(() => begun.push(i));
    await Promise.resolve();
    expect(begun).toEqual([0, 1, 2, 3]);
    await turn();
    expect(begun).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    await turn();
    expect(begun).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('begin at once again when nobody waits any more', async () => {
    const turns = new ReadingTurns();
    for (let i = 0; i < 6; i += 1) void turns.next();
    for (let i = 0; i < 4; i += 1) await turn();
    let begun = false;
    void turns.next().then(() => {
      begun = true;
    });
    await Promise.resolve();
    expect(begun).toBe(true);
  });
});
