/** Recalls on their way to the ring. */
import { describe, expect, it } from 'vitest';
import { settle } from '../clock.fixture.ts';
import { encodeBatch } from './batch.ts';
import { DEFLATE_CODEC, JSON_CODEC, MSGPACK_CODEC } from './codec.ts';
import { PusherBench } from './pusher-bench.fixture.ts';

describe('a recall', () => {
  it('is one text message for the viewers of every codec, and needs no batch', async () => {
    const bench = new PusherBench();
    const room = bench.room('a', JSON_CODEC, MSGPACK_CODEC, DEFLATE_CODEC);
    room.seq = 9;
    bench.pusher.push(room, [], ['3.1', '4.0'], bench.committed);
    await settle();
    expect(bench.read()).toEqual(['json:a recall 3.1,4.0', 'msgpack:a recall 3.1,4.0', 'deflate:a recall 3.1,4.0']);
    expect(bench.events).toEqual(['wake', 'a 9']);
    expect(bench.counters).toMatchObject({ pushes: 0, recalls: 3, framesJson: 0, framesMsgpack: 0, framesDeflate: 0 });
  });

  it('stands after the batches of its push, which may hold the comment', async () => {
    const bench = new PusherBench();
    const room = bench.room('a', JSON_CODEC, MSGPACK_CODEC);
    const draft = { text: 'x', mode: 0, color: 0xffffff, size: 25, user: '', name: '', extra: '', at: 0 };
    bench.pusher.push(room, [{ seq: 5, prev: 4, ...encodeBatch([draft]) }], ['5.0'], bench.committed);
    await settle();
    expect(bench.read()).toEqual([
      'json:a batch 5',
      '[msgpack:a batch 5]',
      'json:a recall 5.0',
      'msgpack:a recall 5.0',
    ]);
    expect(bench.counters).toMatchObject({ pushes: 2, recalls: 2 });
  });

  it('waits with its push where the ring has no room', async () => {
    const bench = new PusherBench(4_096);
    const room = bench.room('a', JSON_CODEC);
    const ids = Array.from({ length: 110 }, (_, i) => `1000.${i}`);
    for (let i = 0; i < 4; i += 1) bench.pusher.push(room, [], ids, bench.committed);
    await settle();
    expect(bench.read()).toHaveLength(3);
    expect(bench.counters).toMatchObject({ recalls: 3, ringWaits: 1 });
    await bench.clock.advance(10);
    expect(bench.read()).toHaveLength(1);
  });

  it('without viewers wakes nobody and is committed', async () => {
    const bench = new PusherBench();
    bench.pusher.push(bench.room('a'), [], ['1.0'], bench.committed);
    await settle();
    expect(bench.events).toEqual(['a 0']);
  });
});
