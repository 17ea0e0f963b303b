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

  it('pause after a long turn, and are one in the turn after it', async () => {
    let now = 0;
    const pauses: { ms: number; end: () => void }[] = [];
    const after = (ms: number, end: () => void): (() => void) => {
      pauses.push({ ms, end });
      return () => undefined;
    };
    const turns = new ReadingTurns({ now: () => now, unix: () => now, after });
    const begun: number[] = [];
    const read = (i: number, ms: number): void =>
      void turns.next().then(() => {
        begun.push(i);
        now += ms;
      });
    for (const [i, ms] of [10, 10, 0, 0, 30, 0, 0, 0, 0, 0].entries()) read(i, ms);
    for (let i = 0; i < 3; i += 1) await turn();
    expect([begun.length, pauses.map(({ ms }) => ms)]).toEqual([4, [20]]);
    // Who comes in a pause waits for its end, behind the others.
    read(10, 0);
    pauses.at(-1)?.end();
    for (let i = 0; i < 3; i += 1) await turn();
    expect([begun.length, pauses.map(({ ms }) => ms)]).toEqual([5, [20, 30]]);
    pauses.at(-1)?.end();
    await Promise.resolve();
    expect(begun.length).toBe(6);
    await turn();
    expect(begun.length).toBe(10);
    await turn();
    expect(begun).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(pauses.length).toBe(2);
  });
});
