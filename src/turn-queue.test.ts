import { describe, expect, it } from 'vitest';
import type { Clock } from './clock.ts';
import { TurnQueue } from './turn-queue.ts';

/** Resolves in the next turn of the loop. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A clock that moves when it is told to, and the pauses that were asked for. */
function createClock(): { clock: Clock; pass: (ms: number) => void; pauses: { ms: number; end: () => void }[] } {
  let now = 0;
  const pauses: { ms: number; end: () => void }[] = [];
  const after = (ms: number, end: () => void): (() => void) => {
    pauses.push({ ms, end });
    return () => undefined;
  };
  const pass = (ms: number): void => {
    now += ms;
  };
  return { clock: { now: () => now, unix: () => now, after }, pass, pauses };
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

  it('hands out as many a turn as it may, and one in the turn after a pause', async () => {
    const { clock, pass, pauses } = createClock();
    const turns = new TurnQueue(3, clock);
    const got: number[] = [];
    for (const [i, ms] of [0, 0, 0, 2, 2, 2, 0, 0, 0, 0, 0].entries()) {
      turns.next().then(() => {
        got.push(i);
        pass(ms);
      });
    }
    await nextTurn();
    expect(got.length).toBe(3);
    for (let i = 0; i < 10; i += 1) await nextTurn();
    expect([got.length, pauses.map(({ ms }) => ms)]).toEqual([6, [6]]);
    pauses.at(-1)?.end();
    await nextTurn();
    expect(got.length).toBe(7);
    await nextTurn();
    await nextTurn();
    expect(got).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(pauses.length).toBe(1);
  });

  it('hands out none after what took long for as long, and not for longer than 100 ms', async () => {
    const { clock, pass, pauses } = createClock();
    const turns = new TurnQueue(1, clock);
    let got = 0;
    const walk = async (): Promise<void> => {
      for (const ms of [0, 4.9, 5, 30, 2_000, 2_000]) {
        await turns.next();
        got += 1;
        // Reading takes a few hops.
        await Promise.resolve();
        pass(ms);
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
    expect(pauses.map(({ ms }) => Math.round(ms))).toEqual([5, 30, 100, 100]);
  });

  it('has who asks in a pause wait for its end, though nobody did when it began', async () => {
    const { clock, pass, pauses } = createClock();
    const turns = new TurnQueue(3, clock);
    await turns.next();
    pass(50);
    await nextTurn();
    let got = 0;
    for (let i = 0; i < 3; i += 1) turns.next().then(() => (got += 1));
    for (let i = 0; i < 10; i += 1) await nextTurn();
    expect([got, pauses.map(({ ms }) => ms)]).toEqual([0, [50]]);
    pauses.at(-1)?.end();
    await nextTurn();
    expect(got).toBe(1);
    for (let i = 0; i < 3; i += 1) await nextTurn();
    expect([got, pauses.length]).toEqual([3, 1]);
  });

  it('goes on without a pause where it is others that take long', async () => {
    const { clock, pass, pauses } = createClock();
    const turns = new TurnQueue(1, clock);
    let isOver = false;
    const work = (): void => {
      pass(50);
      if (!isOver) setImmediate(work);
    };
    work();
    setTimeout(() => pass(50), 0);
    for (let i = 0; i < 20; i += 1) await turns.next();
    isOver = true;
    expect(pauses).toEqual([]);
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
    await nextTurn();
    expect(isServed).toBe(true);
  });
});
