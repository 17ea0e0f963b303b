import { describe, expect, it } from 'vitest';
import { TurnQueue } from './turn-queue.ts';

/** Resolves in the next turn of the loop. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe('a queue for turns of the loop', () => {
  it('hands out one a turn, in the order of asking', async () => {
    const turns = new TurnQueue();
    const got: string[] = [];
    for (const name of ['a', 'b', 'c']) turns.next().then(() => got.push(name));
    await Promise.resolve();
    const seen: string[] = [];
    for (let i = 0; i < 4; i += 1) {
      seen.push(got.join(''));
      await nextTurn();
    }
    expect(seen).toEqual(['', 'a', 'ab', 'abc']);
  });

  it('lets those who ask again and again take turns with each other', async () => {
    const turns = new TurnQueue();
    const got: string[] = [];
    const take = async (name: string): Promise<void> => {
      for (let i = 0; i < 3; i += 1) {
        await turns.next();
        got.push(name);
      }
    };
    await Promise.all([take('a'), take('b')]);
    expect(got.join('')).toBe('ababab');
  });

  it('hands out none after a long one for as long, and not for longer than 100 ms', async () => {
    let now = 0;
    const pauses: { ms: number; end: () => void }[] = [];
    const after = (ms: number, end: () => void): (() => void) => {
      pauses.push({ ms, end });
      return () => undefined;
    };
    const turns = new TurnQueue({ now: () => now, unix: () => now, after });
    let got = 0;
    const walk = async (): Promise<void> => {
      for (const ms of [0, 4.9, 5, 30, 2_000, 2_000]) {
        await turns.next();
        got += 1;
        now += ms;
      }
    };
    const walked = walk();
    for (const count of [3, 4, 5]) {
      for (let i = 0; i < 10; i += 1) await nextTurn();
      expect([got, pauses.length]).toEqual([count, count - 2]);
      pauses.at(-1)?.end();
    }
    await walked;
    for (let i = 0; i < 10; i += 1) await nextTurn();
    // Nobody waits after the last.
    expect(pauses.map(({ ms }) => Math.round(ms))).toEqual([5, 30, 100]);
  });

  it('serves those who hold something before those who do not', async () => {
    const turns = new TurnQueue();
    const got: string[] = [];
    const walk = async (name: string): Promise<void> => {
      await turns.next();
      got.push(`${name} reads`);
      await turns.next(true);
      got.push(`${name} writes`);
    };
    await Promise.all([walk('a'), walk('b'), walk('c')]);
    expect(got).toEqual(['a reads', 'a writes', 'b reads', 'b writes', 'c reads', 'c writes']);
  });

  it('serves again after it was empty', async () => {
    const turns = new TurnQueue();
    await turns.next();
    await turns.next();
    let isServed = false;
    turns.next().then(() => {
      isServed = true;
    });
    await Promise.resolve();
    expect(isServed).toBe(false);
    await nextTurn();
    expect(isServed).toBe(true);
  });
});
