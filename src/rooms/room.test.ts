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

  it('names the topic of each codec, and encodes it once', () => {
    const room = new Room('a.b:c_d-9', 1);
    const decoder = new TextDecoder();
    const topics = ALL_CODECS.map((codec) => decoder.decode(room.topic(codec)));
    expect(topics).toEqual(['json:a.b:c_d-9', 'msgpack:a.b:c_d-9', 'deflate:a.b:c_d-9']);
    expect(room.topic(MSGPACK_CODEC)).toBe(room.topic(MSGPACK_CODEC));
  });
});
