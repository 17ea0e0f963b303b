import { describe, expect, it } from 'vitest';
import { settle } from '../clock.fixture.ts';
import { SLOT_MS } from '../clock.ts';
import { JSON_CODEC, MSGPACK_CODEC } from './codec.ts';
import { PusherBench } from './pusher-bench.fixture.ts';

describe('a full ring', () => {
  /** Two pushes of this text fit into the ring of 1,024 bytes, three do not. */
  const text = 'x'.repeat(200);

  it('keeps what has no room, tries again in the next slot, and counts the wait', async () => {
    const bench = new PusherBench(1_024);
    const rooms = ['a', 'b', 'c', 'd'].map((name) => bench.room(name, JSON_CODEC));
    for (const room of rooms) bench.push(room, 1, text);
    await settle();
    expect(bench.events).toEqual(['wake', 'a 1', 'b 1']);
    expect(bench.counters).toMatchObject({
      ringWaits: 1,
      pushes: 2,
      framesJson: 4,
      framesMsgpack: 0,
      framesDeflate: 0,
    });

    await bench.clock.advance(SLOT_MS);
    expect(bench.counters).toMatchObject({ ringWaits: 2, pushes: 2 });
    expect(bench.read()).toEqual(['json:a batch 1', 'json:b batch 1']);
    await bench.clock.advance(SLOT_MS - 1);
    expect(bench.events).toHaveLength(3);
    await bench.clock.advance(1);
    expect(bench.events).toEqual(['wake', 'a 1', 'b 1', 'wake', 'c 1', 'd 1']);
    expect(bench.read()).toEqual(['json:c batch 1', 'json:d batch 1']);
  });

  it('makes nobody encode a frame again or push it twice', async () => {
    const bench = new PusherBench(1_024);
    const rooms = ['a', 'b', 'c'].map((name) => bench.room(name, JSON_CODEC));
    for (const room of rooms) bench.push(room, 1, text);
    await bench.clock.advance(10 * SLOT_MS);
    const first = bench.read();
    await bench.clock.advance(10 * SLOT_MS);
    expect([...first, ...bench.read()]).toEqual(['json:a batch 1', 'json:b batch 1', 'json:c batch 1']);
    expect(bench.counters).toMatchObject({ framesJson: 3, framesMsgpack: 0, framesDeflate: 0, pushes: 3 });
    expect(bench.events.filter((event) => event.startsWith('c'))).toEqual(['c 1']);
  });

  it('lets no later push overtake one that waits, even where it would fit', async () => {
    const bench = new PusherBench(1_024);
    for (const name of ['a', 'b', 'c']) bench.push(bench.room(name, JSON_CODEC), 1, text);
    await settle();
    bench.push(bench.room('d', MSGPACK_CODEC), 1, 'x');
    await settle();
    expect(bench.events).toEqual(['wake', 'a 1', 'b 1']);
    bench.read();
    await bench.clock.advance(SLOT_MS);
    expect(bench.read()).toEqual(['json:c batch 1', '[msgpack:d batch 1]']);
  });

  it('writes for the viewers that are there when there is room again', async () => {
    const bench = new PusherBench(1_024);
    const late = bench.room('c', JSON_CODEC);
    for (const room of [bench.room('a', JSON_CODEC), bench.room('b', JSON_CODEC), late]) bench.push(room, 1, text);
    await settle();
    late.addViewers(0, JSON_CODEC, -1);
    late.addViewers(0, MSGPACK_CODEC, 1);
    bench.read();
    await bench.clock.advance(SLOT_MS);
    expect(bench.read()).toEqual(['[msgpack:c batch 1]']);
  });

  it('counts a slot once, however many pushes find it full', async () => {
    const bench = new PusherBench(1_024);
    for (const name of ['a', 'b', 'c']) bench.push(bench.room(name, JSON_CODEC), 1, text);
    await settle();
    for (const name of ['d', 'e']) {
      bench.push(bench.room(name, JSON_CODEC), 1, text);
      await settle();
    }
    expect(bench.counters.ringWaits).toBe(1);
  });

  it('lets no presence overtake a push that waits', async () => {
    const bench = new PusherBench(1_024);
    for (const name of ['a', 'b', 'c']) bench.push(bench.room(name, JSON_CODEC), 1, text);
    bench.pusher.pushPresence(bench.room('quiet', JSON_CODEC));
    await settle();
    expect(bench.read()).toEqual(['json:a batch 1', 'json:b batch 1']);
    await bench.clock.advance(SLOT_MS);
    expect(bench.read()).toEqual(['json:c batch 1', 'json:quiet presence 0']);
  });

  it('drops a presence: the next heartbeat says the same', async () => {
    const bench = new PusherBench(1_024);
    for (const name of ['a', 'b']) bench.push(bench.room(name, JSON_CODEC), 1, 'x'.repeat(317));
    await settle();
    expect(bench.counters.pushes).toBe(2);
    bench.pusher.pushPresence(bench.room('c', JSON_CODEC));
    await settle();
    bench.read();
    await bench.clock.advance(10 * SLOT_MS);
    expect(bench.read()).toEqual([]);
    expect(bench.counters).toMatchObject({ presences: 0, ringWaits: 0 });
  });

  it('is not tried again once the pusher is stopped', async () => {
    const bench = new PusherBench(1_024);
    for (const name of ['a', 'b', 'c']) bench.push(bench.room(name, JSON_CODEC), 1, text);
    await settle();
    bench.read();
    bench.pusher.stop();
    await bench.clock.advance(10 * SLOT_MS);
    expect(bench.events).toEqual(['wake', 'a 1', 'b 1']);
  });
});
