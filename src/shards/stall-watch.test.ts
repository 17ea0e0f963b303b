import { describe, expect, it } from 'vitest';
import { FakeClock } from '../clock.fixture.ts';
import { StallWatch } from './stall-watch.ts';

const LIMIT = 5_000;

/** A watch over shards whose signs of life a test sets, and what it told. */
function createWatch(shards = 2) {
  const clock = new FakeClock();
  const signs = new Array<number>(shards).fill(0);
  const stalls: { shard: number; ms: number; at: number }[] = [];
  const start = clock.now();
  const watch: StallWatch = new StallWatch({
    clock,
    shards,
    limit: LIMIT,
    alive: (shard) => signs[shard] ?? 0,
    onStall: (shard, ms) => stalls.push({ shard, ms, at: clock.now() - start }),
  });
  /** Time passes, and the loops of these shards turn. */
  const live = async (ms: number, ...alive: number[]): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 100) {
      for (const shard of alive) signs[shard] = (signs[shard] ?? 0) + 1;
      await clock.advance(100);
    }
  };
  return { clock, signs, stalls, watch, live };
}

describe('a shard', () => {
  it('that shows signs of life is left alone', async () => {
    const { watch, stalls, live } = createWatch();
    watch.watch(0, true);
    watch.watch(1, true);
    await live(60_000, 0, 1);
    expect(stalls).toEqual([]);
  });

  it('that stands still is told of once, no sooner than the limit and soon after', async () => {
    const { watch, stalls, live } = createWatch();
    watch.watch(0, true);
    watch.watch(1, true);
    await live(10_000, 0, 1);
    await live(60_000, 1);
    expect(stalls).toHaveLength(1);
    expect(stalls[0]).toMatchObject({ shard: 0 });
    expect(stalls[0]?.ms).toBeGreaterThanOrEqual(LIMIT);
    expect(stalls[0]?.at).toBeGreaterThanOrEqual(10_000 + LIMIT - 100);
    expect(stalls[0]?.at).toBeLessThanOrEqual(10_000 + LIMIT + 500);
  });

  it('that comes back in time begins anew', async () => {
    const { watch, stalls, live } = createWatch();
    watch.watch(0, true);
    for (let i = 0; i < 5; i += 1) {
      await live(4_500);
      await live(300, 0);
    }
    expect(stalls).toEqual([]);
    await live(6_000);
    expect(stalls.map(({ shard }) => shard)).toEqual([0]);
  });

  it('is not watched before it is run, nor after it has ended', async () => {
    const { watch, stalls, live } = createWatch();
    await live(20_000, 1);
    watch.watch(1, true);
    await live(2_000, 1);
    watch.watch(1, false);
    await live(20_000);
    expect(stalls).toEqual([]);
  });

  it('that is run again has its whole time and ten seconds to start, though its counter begins where it ended', async () => {
    const { watch, stalls, live } = createWatch();
    watch.watch(0, true);
    await live(14_500);
    watch.watch(0, false);
    watch.watch(0, true);
    await live(14_500);
    expect(stalls).toEqual([]);
    await live(1_000);
    expect(stalls).toHaveLength(1);
  });
});

describe('time', () => {
  it('in which main itself stood still is not held against the shards', async () => {
    const { clock, watch, stalls, live } = createWatch();
    watch.watch(0, true);
    await live(1_000, 0);
    for (let i = 0; i < 5; i += 1) {
      clock.jump(60_000);
      await clock.advance(0);
    }
    expect(stalls).toEqual([]);
    await live(LIMIT);
    expect(stalls).toHaveLength(1);
  });
});

describe('a watch that is stopped', () => {
  it('tells nothing and leaves no timer', async () => {
    const { clock, watch, stalls, live } = createWatch();
    watch.watch(0, true);
    await live(1_000, 0);
    watch.stop();
    expect(clock.timers).toBe(0);
    await live(60_000);
    expect(stalls).toEqual([]);
  });
});
