import { inflateRawSync } from 'node:zlib';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { SLOT_MS } from '../clock.ts';
import { createMainCounters } from '../counters.ts';
import { Room } from '../rooms/room.ts';
import { FakeClock, settle } from '../testing/clock.ts';
import { encodeBatch } from './batch.ts';
import { type Codec, DEFLATE_CODEC, JSON_CODEC, MSGPACK_CODEC } from './codec.ts';
import { decodeMsgpackFrame } from './codecs.ts';
import { BINARY, createRing, RingReader, RingWriter } from './frame-ring.ts';
import type { BatchMessage } from './messages.ts';
import { LARGE_FRAME, Pusher } from './pusher.ts';

/** A pusher between rooms and the shards that read the ring, and everything that it told anybody. */
class PusherBench {
  readonly clock = new FakeClock();
  readonly counters = createMainCounters();
  readonly events: string[] = [];
  /** Heads that each shard was told and has not read up to. */
  readonly wakes: number[][];
  readonly pusher: Pusher<Room>;
  readonly #readers: readonly RingReader[];
  readonly #head: Int32Array;

  constructor(capacity = 65_536, shards = 1) {
    const memory = createRing(capacity, shards);
    const ring = new RingWriter(memory);
    this.#head = new Int32Array(memory.buffer, 0, 1);
    this.#readers = Array.from({ length: shards }, (_, shard) => {
      ring.attach(shard);
      return new RingReader(memory, shard);
    });
    this.wakes = this.#readers.map(() => []);
    this.pusher = new Pusher<Room>({
      clock: this.clock,
      ring,
      counters: this.counters,
      wake: (shard, head) => {
        this.wakes[shard]?.push(head);
        const wake = shards === 1 ? 'wake' : `wake ${shard}`;
        this.events.push(Atomics.load(this.#head, 0) === head ? wake : 'wake before the head was stored');
      },
      oversized: (room) => this.events.push(`oversized ${room}`),
    });
  }

  /** A room with a viewer of shard 0 on each of `codecs`. */
  room(name: string, ...codecs: Codec[]): Room {
    const room = new Room(name, this.#readers.length);
    for (const codec of codecs) room.addViewers(0, codec, 1);
    return room;
  }

  readonly committed = (room: Room, seq: number): void => {
    room.seq = seq;
    this.events.push(`${room.name} ${seq}`);
  };

  /** Pushes batch `seq` with one comment. */
  push(room: Room, seq: number, text = 'gj'): void {
    const draft = { text, mode: 0, color: 0xffffff, size: 25, user: '', name: '', extra: '', at: this.clock.unix() };
    this.pusher.push(room, [{ seq, prev: seq - 1, ...encodeBatch([draft]) }], [], this.committed);
  }

  /** What a shard was woken for since it read last: `codec:room type seq`, for a recall its ids, binary frames in brackets. */
  read(shard = 0): string[] {
    const seen: string[] = [];
    for (const head of this.wakes[shard]?.splice(0) ?? []) {
      this.#readers[shard]?.read(head, (topicBytes, frame, flags) => {
        const topic = Buffer.from(topicBytes).toString();
        const bytes = Uint8Array.from(frame);
        const message = flags === BINARY ? unpack(topic, bytes) : JSON.parse(Buffer.from(bytes).toString());
        const line = `${topic} ${message.type} ${message.seq ?? message.ids.join()}`;
        seen.push(flags === BINARY ? `[${line}]` : line);
      });
    }
    return seen;
  }
}

function unpack(topic: string, frame: Uint8Array): BatchMessage {
  return decodeMsgpackFrame(topic.startsWith('deflate:') ? inflateRawSync(frame) : frame);
}

/** What deflating waits for, so that a test says when it is done. */
const deflating = vi.hoisted(() => {
  // Other files in this process have loaded the modules that are to use the mock.
  vi.resetModules();
  return { until: undefined as Promise<void> | undefined };
});

vi.mock(import('./codecs.ts'), async (original) => {
  const codecs = await original();
  const { deflateFrameNow } = codecs;
  const deflateFrame = (frame: Uint8Array) =>
    deflating.until === undefined ? deflateFrameNow(frame) : deflating.until.then(() => deflateFrameNow(frame));
  return { ...codecs, deflateFrame };
});

/** Holds every deflate from now on until the returned function is called. */
function holdDeflate(): () => void {
  let open: () => void = () => undefined;
  deflating.until = new Promise((resolve) => {
    open = resolve;
  });
  return open;
}

afterAll(() => {
  vi.resetModules();
});

beforeEach(() => {
  deflating.until = undefined;
});

describe('a push', () => {
  it('is one entry for every codec in use, each encoded once whatever the number of viewers', async () => {
    const bench = new PusherBench();
    const room = bench.room('a', JSON_CODEC, MSGPACK_CODEC, DEFLATE_CODEC);
    room.addViewers(0, MSGPACK_CODEC, 500);
    bench.push(room, 1);
    await settle();
    expect(bench.read()).toEqual(['json:a batch 1', '[msgpack:a batch 1]', '[deflate:a batch 1]']);
    expect(bench.counters).toMatchObject({
      framesJson: 1,
      framesMsgpack: 1,
      framesDeflate: 1,
      pushes: 3,
      oversizedFrames: 0,
      ringWaits: 0,
    });
  });

  it('makes no frame for a codec that nobody uses', async () => {
    const bench = new PusherBench();
    bench.push(bench.room('a', MSGPACK_CODEC), 1);
    await settle();
    expect(bench.read()).toEqual(['[msgpack:a batch 1]']);
    expect(bench.counters).toMatchObject({ framesJson: 0, framesMsgpack: 1, framesDeflate: 0 });
  });

  it('without viewers makes no frame and wakes nobody, but is committed', async () => {
    const bench = new PusherBench();
    bench.push(bench.room('a'), 1);
    await settle();
    expect(bench.events).toEqual(['a 1']);
    expect(bench.counters).toMatchObject({ framesJson: 0, framesMsgpack: 0, framesDeflate: 0, pushes: 0 });
  });

  it('is committed after the head was stored and the wake-up was posted, all in one turn', async () => {
    const bench = new PusherBench();
    bench.push(bench.room('a', JSON_CODEC), 7);
    expect(bench.events).toEqual([]);
    await Promise.resolve();
    expect(bench.events).toEqual(['wake', 'a 7']);
  });

  it('shares its wake-up with every other room of its slot', async () => {
    const bench = new PusherBench();
    bench.push(bench.room('a', JSON_CODEC), 1);
    bench.push(bench.room('b', JSON_CODEC, MSGPACK_CODEC), 5);
    bench.push(bench.room('c', JSON_CODEC), 9);
    await settle();
    expect(bench.events).toEqual(['wake', 'a 1', 'b 5', 'c 9']);
    expect(bench.read()).toHaveLength(4);
  });

  it('counts the bytes of its frames, and those too large for the cork buffer', async () => {
    const bench = new PusherBench();
    const room = bench.room('a', MSGPACK_CODEC);
    bench.push(room, 1, 'x'.repeat(LARGE_FRAME));
    await settle();
    expect(bench.counters.largeFrames).toBe(1);
    expect(bench.counters.ringBytes).toBeGreaterThan(LARGE_FRAME);
    const before = bench.counters.ringBytes;
    bench.push(room, 2, 'x'.repeat(LARGE_FRAME - (before - LARGE_FRAME)));
    await settle();
    expect(bench.counters).toMatchObject({ largeFrames: 1, ringBytes: before + LARGE_FRAME });
  });
});

describe('the codecs of a push are those in use when it is committed:', () => {
  it('a viewer of another codec who came while deflate was under way gets its frame', async () => {
    const bench = new PusherBench();
    const room = bench.room('a', DEFLATE_CODEC);
    const open = holdDeflate();
    bench.push(room, 1);
    await settle();
    expect(bench.events).toEqual([]);
    room.addViewers(0, JSON_CODEC, 1);
    open();
    await settle();
    expect(bench.read()).toEqual(['json:a batch 1', '[deflate:a batch 1]']);
    expect(bench.counters).toMatchObject({ framesJson: 1, framesMsgpack: 0, framesDeflate: 1 });
  });

  it('a codec that nobody uses any more is not written', async () => {
    const bench = new PusherBench();
    const room = bench.room('a', DEFLATE_CODEC, MSGPACK_CODEC);
    const open = holdDeflate();
    bench.push(room, 1);
    room.addViewers(0, DEFLATE_CODEC, -1);
    open();
    await settle();
    expect(bench.read()).toEqual(['[msgpack:a batch 1]']);
    expect(bench.counters.pushes).toBe(1);
  });

  it('a room that everybody left is committed without a wake-up', async () => {
    const bench = new PusherBench();
    const room = bench.room('a', DEFLATE_CODEC);
    const open = holdDeflate();
    bench.push(room, 1);
    room.addViewers(0, DEFLATE_CODEC, -1);
    open();
    await settle();
    expect(bench.events).toEqual(['a 1']);
  });
});

describe('the shards of a push', () => {
  it('are those with viewers of its room and codec; the others are not woken', async () => {
    const bench = new PusherBench(65_536, 3);
    const room = bench.room('a');
    room.addViewers(1, JSON_CODEC, 1);
    room.addViewers(2, MSGPACK_CODEC, 1);
    bench.push(room, 1);
    await settle();
    expect(bench.events).toEqual(['wake 1', 'wake 2', 'a 1']);
    expect([0, 1, 2].map((shard) => bench.read(shard))).toEqual([[], ['json:a batch 1'], ['[msgpack:a batch 1]']]);
  });

  it('are woken once for all rooms of a slot, each for its own', async () => {
    const bench = new PusherBench(65_536, 3);
    const [a, b, quiet] = ['a', 'b', 'quiet'].map((name) => bench.room(name));
    if (a === undefined || b === undefined || quiet === undefined) throw new Error('no rooms');
    for (const room of [a, b]) room.addViewers(2, JSON_CODEC, 1);
    quiet.addViewers(0, JSON_CODEC, 1);
    bench.push(a, 1);
    bench.push(b, 5);
    bench.pusher.pushPresence(quiet);
    await settle();
    expect(bench.events).toEqual(['wake 0', 'wake 2', 'a 1', 'b 5']);
    expect([0, 1, 2].map((shard) => bench.read(shard))).toEqual([
      ['json:quiet presence 0'],
      [],
      ['json:a batch 1', 'json:b batch 5'],
    ]);
  });

  it('are those at the commit: one whose first viewer came while deflate was under way is in it, one that lost its last is not', async () => {
    const bench = new PusherBench(65_536, 3);
    const room = bench.room('a', DEFLATE_CODEC);
    const open = holdDeflate();
    bench.push(room, 1);
    room.addViewers(0, DEFLATE_CODEC, -1);
    room.addViewers(1, DEFLATE_CODEC, 1);
    room.addViewers(2, DEFLATE_CODEC, 1);
    room.dropShard(2);
    open();
    await settle();
    expect(bench.events).toEqual(['wake 1', 'a 1']);
    expect(bench.read(1)).toEqual(['[deflate:a batch 1]']);
  });

  it('get its recalls too', async () => {
    const bench = new PusherBench(65_536, 2);
    const room = bench.room('a');
    room.addViewers(1, JSON_CODEC, 1);
    bench.pusher.push(room, [], ['3.1'], bench.committed);
    await settle();
    expect([bench.read(0), bench.read(1)]).toEqual([[], ['json:a recall 3.1']]);
  });
});

describe('while a frame is deflated', () => {
  it('the other rooms of the slot wait for it and share its wake-up', async () => {
    const bench = new PusherBench();
    const open = holdDeflate();
    bench.push(bench.room('a', DEFLATE_CODEC), 1);
    bench.push(bench.room('b', JSON_CODEC), 1);
    await settle();
    expect(bench.events).toEqual([]);
    open();
    await settle();
    expect(bench.events).toEqual(['wake', 'b 1', 'a 1']);
  });

  it('they do not wait beyond the next slot', async () => {
    const bench = new PusherBench();
    const open = holdDeflate();
    bench.push(bench.room('a', DEFLATE_CODEC), 1);
    bench.push(bench.room('b', JSON_CODEC), 1);
    await bench.clock.advance(SLOT_MS);
    expect(bench.events).toEqual(['wake', 'b 1']);
    open();
    await settle();
    expect(bench.events).toEqual(['wake', 'b 1', 'wake', 'a 1']);
    expect(bench.read()).toEqual(['json:b batch 1', '[deflate:a batch 1]']);
  });
});

describe('a presence', () => {
  it('is JSON text on every codec in use, with what holds when it is committed', async () => {
    const bench = new PusherBench();
    const room = bench.room('a', JSON_CODEC, DEFLATE_CODEC);
    room.seq = 41;
    bench.pusher.pushPresence(room);
    bench.pusher.pushPresence(room);
    room.seq = 42;
    await settle();
    expect(bench.read()).toEqual(['json:a presence 42', 'deflate:a presence 42']);
    expect(bench.counters).toMatchObject({
      presences: 2,
      pushes: 0,
      framesJson: 0,
      framesMsgpack: 0,
      framesDeflate: 0,
    });
    expect(bench.events).toEqual(['wake']);
  });

  it('is said once', async () => {
    const bench = new PusherBench();
    bench.pusher.pushPresence(bench.room('quiet', JSON_CODEC));
    await settle();
    bench.push(bench.room('a', JSON_CODEC), 1);
    await settle();
    expect(bench.read()).toEqual(['json:quiet presence 0', 'json:a batch 1']);
  });

  it('of a room that everybody left is nothing, and wakes nobody', async () => {
    const bench = new PusherBench();
    bench.pusher.pushPresence(bench.room('a'));
    await settle();
    expect(bench.events).toEqual([]);
  });

  it('shares the wake-up of the slot', async () => {
    const bench = new PusherBench();
    bench.pusher.pushPresence(bench.room('quiet', JSON_CODEC));
    bench.push(bench.room('a', JSON_CODEC), 1);
    await settle();
    expect(bench.events).toEqual(['wake', 'a 1']);
    expect(bench.read()).toEqual(['json:a batch 1', 'json:quiet presence 0']);
  });

  it('gives way to a batch of its room, after which its seq would be an old one', async () => {
    const bench = new PusherBench();
    const room = bench.room('a', JSON_CODEC);
    bench.pusher.pushPresence(room);
    bench.push(room, 1);
    await settle();
    expect(bench.read()).toEqual(['json:a batch 1']);
  });
});

describe('a frame that the ring can never take', () => {
  const text = 'x'.repeat(800);

  it('is reported and counted, and the codecs whose frames fit go on', async () => {
    const bench = new PusherBench(2_048);
    const room = bench.room('a', JSON_CODEC, DEFLATE_CODEC);
    bench.push(room, 1, text.repeat(2));
    await settle();
    expect(bench.events).toEqual(['oversized a', 'wake', 'a 1']);
    expect(bench.read()).toEqual(['[deflate:a batch 1]']);
    expect(bench.counters).toMatchObject({ oversizedFrames: 1, pushes: 1 });
  });

  it('is left out, and the room goes on', async () => {
    const bench = new PusherBench(2_048);
    const room = bench.room('a', JSON_CODEC);
    bench.push(room, 1, text.repeat(2));
    await settle();
    bench.push(room, 2);
    await settle();
    expect(bench.events).toEqual(['oversized a', 'a 1', 'wake', 'a 2']);
    expect(bench.read()).toEqual(['json:a batch 2']);
  });

  it('is reported once, however long the rest of its push waits for room', async () => {
    const bench = new PusherBench(2_048);
    for (const name of ['a', 'b']) bench.push(bench.room(name, JSON_CODEC), 1, text);
    await settle();
    const room = bench.room('c', JSON_CODEC, MSGPACK_CODEC);
    bench.push(room, 1, text);
    await bench.clock.advance(5 * SLOT_MS);
    expect(bench.counters.pushes).toBe(2);
    expect(bench.counters.oversizedFrames).toBe(1);
  });
});

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
