import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ALL_CODECS, DEFLATE_CODEC, JSON_CODEC, MSGPACK_CODEC } from '../frames/codec.ts';
import { Room } from './room.ts';

describe('a room', () => {
  it('waits for the store to open it', () => {
    const room = new Room('lobby', 2);
    expect(room).toMatchObject({ name: 'lobby', phase: 'opening', viewers: 0, pending: [], tail: [] });
    expect(room.viewersByCodec).toEqual([0, 0, 0]);
  });

  it('counts its viewers in all and by codec, over all shards', () => {
    const room = new Room('lobby', 3);
    room.addViewers(0, JSON_CODEC, 2);
    room.addViewers(2, JSON_CODEC, 5);
    room.addViewers(1, DEFLATE_CODEC, 10);
    room.addViewers(0, JSON_CODEC, -1);
    expect(room.viewers).toBe(16);
    expect(room.viewersByCodec).toEqual([6, 0, 10]);
  });

  it('takes off what a lost shard had, all codecs, and nothing of the others', () => {
    const room = new Room('lobby', 3);
    for (const shard of [0, 1, 2]) {
      room.addViewers(shard, JSON_CODEC, 1);
      room.addViewers(shard, MSGPACK_CODEC, 10);
      room.addViewers(shard, DEFLATE_CODEC, 100);
    }
    room.dropShard(1);
    expect(room.viewers).toBe(222);
    expect(room.viewersByCodec).toEqual([2, 20, 200]);
    room.dropShard(1);
    expect(room.viewers).toBe(222);
    room.dropShard(0);
    room.dropShard(2);
    expect(room.viewersByCodec).toEqual([0, 0, 0]);
  });

  it('knows the shards of each codec, as viewers come and go', () => {
    const room = new Room('lobby', 70);
    for (const shard of [0, 31, 32, 69]) room.addViewers(shard, JSON_CODEC, 2);
    room.addViewers(31, DEFLATE_CODEC, 1);
    room.addViewers(5, JSON_CODEC, 0);
    expect([...room.shardsOf(JSON_CODEC)]).toEqual([0x80000001, 1, 0x20]);
    expect([...room.shardsOf(MSGPACK_CODEC)]).toEqual([0, 0, 0]);
    expect([...room.shardsOf(DEFLATE_CODEC)]).toEqual([0x80000000, 0, 0]);
    room.addViewers(0, JSON_CODEC, -1);
    room.addViewers(31, JSON_CODEC, -2);
    expect([...room.shardsOf(JSON_CODEC)]).toEqual([1, 1, 0x20]);
    room.dropShard(69);
    room.dropShard(31);
    expect([...room.shardsOf(JSON_CODEC)]).toEqual([1, 1, 0]);
    expect([...room.shardsOf(DEFLATE_CODEC)]).toEqual([0, 0, 0]);
  });

  it('knows the same shards as one that counts them anew, whatever comes and goes', () => {
    const change = fc.record({
      shard: fc.nat(39),
      codec: fc.constantFrom(...ALL_CODECS),
      count: fc.integer({ min: -3, max: 3 }),
      drops: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 100 }), (changes) => {
        const room = new Room('lobby', 40);
        const viewers = ALL_CODECS.map(() => new Array<number>(40).fill(0));
        for (const { shard, codec, count, drops } of changes) {
          const counts = viewers[codec] ?? [];
          const change = Math.max(count, -(counts[shard] ?? 0));
          if (drops) {
            room.dropShard(shard);
            for (const each of viewers) each[shard] = 0;
          } else {
            room.addViewers(shard, codec, change);
            counts[shard] = (counts[shard] ?? 0) + change;
          }
        }
        for (const codec of ALL_CODECS) {
          const mask = room.shardsOf(codec);
          const shards = (viewers[codec] ?? []).map((_, shard) => ((mask[shard >>> 5] ?? 0) >>> (shard & 31)) & 1);
          expect(shards).toEqual((viewers[codec] ?? []).map((count) => (count > 0 ? 1 : 0)));
        }
      }),
    );
  });

  it('names the topic of each codec, and encodes it once', () => {
    const room = new Room('a.b:c_d-9', 1);
    const decoder = new TextDecoder();
    const topics = ALL_CODECS.map((codec) => decoder.decode(room.topic(codec)));
    expect(topics).toEqual(['json:a.b:c_d-9', 'msgpack:a.b:c_d-9', 'deflate:a.b:c_d-9']);
    expect(room.topic(MSGPACK_CODEC)).toBe(room.topic(MSGPACK_CODEC));
  });
});
