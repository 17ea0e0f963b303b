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

  it('hands out as many a turn as it may', async () => {
    const turns = new TurnQueue(3);
    let got = 0;
    for (let i = 0; i < 8; i += 1) turns.next().then(() => (got += 1));
    const seen: number[] = [];
    for (let i = 0; i < 4; i += 1) {
      seen.push(got);
      await nextTurn();
    }
    expect(seen).toEqual([0, 3, 6, 8]);
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
    await nextTurn();
    expect(isServed).toBe(true);
  });
});
