import { describe, expect, it } from 'vitest';
import { countRefused } from '../counters.ts';
import type { RoomsRig } from '../testing/rooms.ts';
import { batchOf, draftOf } from '../testing/rooms.ts';
import type { FakeStore } from '../testing/store-fake.ts';
import { createSampler } from './sampler.fixture.ts';
import { KEPT } from './sampler.ts';

/** Posts comments into a room and has the store take them. */
function post({ rooms }: Pick<RoomsRig<FakeStore>, 'rooms'>, room: string, count: number): void {
  for (let i = 0; i < count; i += 1) rooms.offer(room, draftOf(`text ${i}`), null, i);
}

describe('a sample', () => {
  it('is made every second, whether anybody looks or not', async () => {
    const rig = await createSampler();
    expect(rig.history()).toEqual({ samples: [], tick: null });
    const start = rig.clock.unix();
    await rig.clock.advance(3_500);
    expect(rig.history().samples.map(({ at }) => at - start)).toEqual([1_000, 2_000, 3_000]);
  });

  it('tells counters as totals and as what they grew by', async () => {
    const { counters, shards, second } = await createSampler();
    counters.commentsHttp = 10;
    counters.pushes = 4;
    shards[0].add('deliveries', 100);
    shards[1].add('deliveries', 50);
    shards[1].add('closed', 1);
    const first = await second();
    expect(first.totals).toMatchObject({ commentsHttp: 10, commentsSocket: 0, pushes: 4, deliveries: 150, closed: 1 });
    expect(first.sample.rates).toMatchObject({ commentsHttp: 10, pushes: 4, deliveries: 150, closed: 1 });
    counters.commentsHttp = 13;
    shards[0].add('deliveries', 7);
    const next = await second();
    expect(next.totals).toMatchObject({ commentsHttp: 13, pushes: 4, deliveries: 157 });
    expect(next.sample.rates).toMatchObject({ commentsHttp: 3, pushes: 0, deliveries: 7, closed: 0 });
  });

  it('that comes late tells rates a second all the same, and the next is on the beat', async () => {
    const { counters, clock, history } = await createSampler();
    const start = clock.unix();
    clock.jump(4_000);
    counters.commentsHttp = 100;
    await clock.advance(0);
    expect(history().tick?.sample.rates.commentsHttp).toBe(25);
    counters.commentsHttp = 110;
    await clock.advance(1_000);
    clock.jump(1_700);
    await clock.advance(2_000);
    const samples = history().samples.map(({ at, rates }) => [at - start, rates.commentsHttp]);
    expect(samples).toEqual([
      [4_000, 25],
      [5_000, 10],
      [6_700, 0],
      [8_000, 0],
    ]);
  });

  it('knows a counter that began again at 0 with its shard, though another shard’s rose more', async () => {
    const { shards, second } = await createSampler();
    shards[0].set('deliveries', 1_000);
    shards[1].set('deliveries', 1_000);
    await second();
    shards[0].set('deliveries', 30);
    shards[1].set('deliveries', 5_000);
    const { sample, totals } = await second();
    expect(sample.rates.deliveries).toBe(4_030);
    expect(totals.deliveries).toBe(5_030);
  });

  it('adds up what main and the shards refused, by code', async () => {
    const { counters, shards, second } = await createSampler();
    countRefused(counters, 'TEXT_INVALID', 2);
    shards[0].add('TEXT_INVALID', 3);
    shards[1].add('BUSY', 1);
    const first = await second();
    expect(first.sample.refused).toEqual({ TEXT_INVALID: 5, BUSY: 1 });
    expect(first.sample.rates.refused).toBe(6);
    countRefused(counters, 'TEXT_INVALID');
    const next = await second();
    expect(next.sample.refused).toEqual({ TEXT_INVALID: 1 });
    expect(next.refused).toEqual({ TEXT_INVALID: 6, BUSY: 1 });
    expect(next.totals.refused).toBe(7);
  });

  it('tells viewers, rooms, what waits, and the ring', async () => {
    const rig = await createSampler();
    rig.shards[0].set('viewers', 3);
    rig.shards[1].set('viewers', 4);
    rig.ring.attach(0);
    rig.ring.write([{ topic: new Uint8Array(8), frame: new Uint8Array(100), flags: 0, readers: Uint32Array.of(1) }]);
    rig.rooms.join('a', 0, 0, 7);
    post(rig, 'b', 2);
    // The store does not answer, so what was fired stays in flight and what comes after waits.
    await rig.clock.advance(500);
    post(rig, 'b', 5);
    const { sample, ringCapacity } = await rig.second();
    expect(sample).toMatchObject({ viewers: 7, rooms: 2, pending: 5, ringUsed: rig.ring.used() });
    expect(sample.ringUsed).toBeGreaterThan(100);
    expect(ringCapacity).toBe(4_096);
  });

  it('tells each thread’s CPU and event-loop delay, also of one that began again', async () => {
    const { main, shards, second } = await createSampler();
    Object.assign(main, { cpu: 0.25, mean: 0.001, max: 0.02 });
    shards[0].set('cpu', 0.5);
    shards[1].set('cpu', 0.75);
    shards[1].set('delayMax', 0.004);
    expect((await second()).sample.threads).toEqual([
      { cpu: 0.25, delayMean: 1, delayMax: 20 },
      { cpu: 0.5, delayMean: 0, delayMax: 0 },
      { cpu: 0.75, delayMean: 0, delayMax: 4 },
    ]);
    main.cpu = 0.35;
    shards[0].set('cpu', 0.125);
    expect((await second()).sample.threads.map(({ cpu }) => cpu)).toEqual([0.1, 0.125, 0.75]);
  });

  it('gives a shard that has no news for a moment the share that it had, and one that is gone none', async () => {
    const { shards, second } = await createSampler();
    shards[0].set('cpu', 0.5);
    const shares: (number | undefined)[] = [];
    for (let i = 0; i < 4; i += 1) shares.push((await second()).sample.threads[1]?.cpu);
    expect(shares).toEqual([0.5, 0.5, 0.5, 0]);
  });

  it('tells how long the store and the push took in this second', async () => {
    const rig = await createSampler();
    rig.rooms.join('a', 0, 0, 1);
    rig.sink.holds = true;
    post(rig, 'a', 1);
    await rig.clock.advance(10);
    await rig.clock.advance(20);
    const { stored, answer } = rig.store.store('a');
    answer();
    await rig.clock.advance(30);
    rig.store.deliver(stored);
    await rig.clock.advance(40);
    rig.sink.commit();
    const { sample } = await rig.second();
    expect(sample.store.count).toBe(1);
    expect(sample.store.max).toBeGreaterThanOrEqual(20);
    expect(sample.store.max).toBeLessThan(31);
    expect(sample.push.count).toBe(1);
    expect(sample.push.max).toBeGreaterThanOrEqual(90);
    expect(sample.push.max).toBeLessThan(101);
    post(rig, 'a', 1);
    await rig.clock.advance(10);
    rig.store.fail('a');
    const failed = await rig.second();
    expect(failed.sample.store.count).toBe(1);
    expect(failed.sample.push).toEqual({ count: 0, mean: 0, p99: 0, max: 0 });
  });
});

describe('what is kept', () => {
  it(`is the last ${KEPT} samples`, async () => {
    const { clock, history } = await createSampler();
    const start = clock.unix();
    await clock.advance((KEPT + 5) * 1_000);
    const { samples } = history();
    expect(samples).toHaveLength(KEPT);
    expect(samples[0]?.at).toBe(start + 6_000);
    expect(samples.at(-1)?.at).toBe(start + (KEPT + 5) * 1_000);
  });

  it('is the same memory for all who ask', async () => {
    const { clock, sampler } = await createSampler();
    await clock.advance(400_000);
    const [one, other] = [sampler.history(), sampler.history()];
    const shared = one.filter(
      (part, i) => part.buffer === other[i]?.buffer && part.byteOffset === other[i]?.byteOffset,
    );
    const bytes = (parts: readonly Buffer[]): number => parts.reduce((sum, { length }) => sum + length, 0);
    // All but the newest tick.
    expect(bytes(one) - bytes(shared)).toBeLessThan(2_000);
    expect(bytes(one)).toBeGreaterThan(100_000);
  });

  it('is given after any time, for those who have the rest', async () => {
    const { clock, history } = await createSampler();
    const start = clock.unix();
    await clock.advance(700_000);
    const all = history().samples.map(({ at }) => (at - start) / 1_000);
    for (const since of [0, 1, 99, 100, 101, 159, 160, 161, 219, 220, 221, 640, 659, 660, 661, 699, 700, 701]) {
      const { samples } = history(start + since * 1_000);
      expect(samples.map(({ at }) => (at - start) / 1_000)).toEqual(all.filter((at) => at > since));
    }
  });

  it('is given after a time, for those who have the rest', async () => {
    const { clock, history } = await createSampler();
    const start = clock.unix();
    await clock.advance(5_000);
    expect(history(start + 3_000).samples.map(({ at }) => at - start)).toEqual([4_000, 5_000]);
    expect(history(start + 9_000).samples).toEqual([]);
    expect(history(start + 9_000).tick?.sample.at).toBe(start + 5_000);
  });
});

describe('a sample that cannot be made', () => {
  it('is reported, and the sampler goes on with the next second', async () => {
    const rig = await createSampler();
    const { stats } = rig.store;
    rig.store.stats = () => {
      throw new Error('no store');
    };
    await rig.clock.advance(2_000);
    expect(rig.faults).toHaveLength(2);
    rig.store.stats = stats;
    expect((await rig.second()).sample.rooms).toBe(0);
    expect(rig.history().samples).toHaveLength(1);
  });
});

describe('many rooms', () => {
  it('are walked in several turns of the loop, within their second', async () => {
    const rig = await createSampler();
    for (let i = 0; i < 20_000; i += 1) rig.rooms.join(`room-${i}`, 0, 0, 1 + (i % 7));
    await rig.clock.advance(1_000);
    expect(rig.history().samples).toEqual([]);
    await rig.clock.advance(10);
    const { tick, samples } = rig.history();
    expect(samples).toHaveLength(1);
    expect([tick?.sample.rooms, tick?.byViewers[0]?.viewers]).toEqual([20_000, 7]);
  });
});

describe('the busiest rooms', () => {
  it('are ten by viewers and ten by the comments of the last second', async () => {
    const rig = await createSampler();
    for (let i = 1; i <= 30; i += 1) {
      rig.rooms.join(`watched-${i}`, 0, 0, (i * 7) % 31);
      post(rig, `busy-${i}`, (i * 11) % 31);
    }
    const tick = await rig.second();
    expect(tick.byViewers.map(({ viewers }) => viewers)).toEqual([30, 29, 28, 27, 26, 25, 24, 23, 22, 21]);
    expect(tick.byComments.map(({ comments }) => comments)).toEqual([30, 29, 28, 27, 26, 25, 24, 23, 22, 21]);
    expect(tick.byComments[0]?.room).toBe(`busy-${[...Array(31).keys()].find((i) => (i * 11) % 31 === 30)}`);
    expect((await rig.second()).byComments).toEqual([]);
  });

  it('are fewer where fewer have anything', async () => {
    const rig = await createSampler();
    rig.rooms.join('a', 0, 0, 1);
    rig.rooms.join('b', 0, 0, 1);
    post(rig, 'c', 1);
    const { byViewers, byComments } = await rig.second();
    expect(byViewers.map(({ room }) => room)).toEqual(['a', 'b']);
    expect(byComments).toEqual([{ room: 'c', viewers: 0, comments: 1, pending: 0, seq: 0 }]);
  });

  it('count each comment once, whether it waits or has been fired', async () => {
    const rig = await createSampler();
    rig.rooms.join('a', 0, 0, 1);
    post(rig, 'a', 3);
    await rig.clock.advance(500);
    post(rig, 'a', 4);
    const counted = [(await rig.second()).byComments[0]?.comments];
    post(rig, 'a', 2);
    counted.push((await rig.second()).byComments[0]?.comments);
    expect(counted).toEqual([7, 2]);
  });

  it('count from 0 again in a room that was forgotten and comes back', async () => {
    const rig = await createSampler();
    post(rig, 'a', 3);
    await rig.clock.advance(10);
    const { stored, answer } = rig.store.store('a');
    answer();
    rig.store.deliver(stored);
    await rig.second();
    await rig.second();
    expect(rig.rooms.size).toBe(0);
    post(rig, 'a', 2);
    expect((await rig.second()).byComments[0]?.comments).toBe(2);
  });
});

describe('a room’s detail', () => {
  it('tells who watches it on which codec and shard, and when it last fired', async () => {
    const rig = await createSampler();
    rig.rooms.join('a', 0, 0, 2);
    rig.rooms.join('a', 1, 2, 3);
    expect(await rig.sampler.describeRoom('a')).toMatchObject({ live: true, sincePush: null });
    post(rig, 'a', 4);
    await rig.clock.advance(10);
    const { stored, answer } = rig.store.store('a');
    answer();
    rig.store.deliver(stored);
    await rig.clock.advance(1_000);
    post(rig, 'a', 1);
    expect(await rig.sampler.describeRoom('a')).toEqual({
      room: 'a',
      live: true,
      viewers: 5,
      comments: 4,
      pending: 1,
      seq: 1,
      viewersByCodec: [2, 0, 3],
      viewersByShard: [2, 3],
      sincePush: 1_000,
    });
  });

  it('is little of one that nobody watches', async () => {
    const rig = await createSampler();
    rig.store.deliver(rig.store.put('quiet', batchOf('x'), 41));
    expect(await rig.sampler.describeRoom('quiet')).toMatchObject({
      live: false,
      seq: 41,
      viewers: 0,
      sincePush: null,
    });
    expect(rig.rooms.size).toBe(0);
  });
});

describe('a listener', () => {
  it('is told of every second, in words made once for all, until it has enough or the sampler stops', async () => {
    const { sampler, clock } = await createSampler();
    const heard: [string, number][] = [];
    const others: string[] = [];
    const end = sampler.listen((tick, at) => heard.push([tick, at]));
    sampler.listen((tick) => others.push(tick));
    await clock.advance(2_000);
    end();
    await clock.advance(1_000);
    sampler.stop();
    await clock.advance(5_000);
    expect(heard.map(([, at]) => at)).toEqual([clock.unix() - 7_000, clock.unix() - 6_000]);
    expect(others).toHaveLength(3);
    expect(heard[1]?.[0]).toBe(others[1]);
    expect(JSON.parse(others[2] ?? '')).toMatchObject({ sample: { at: clock.unix() - 5_000 } });
  });
});
