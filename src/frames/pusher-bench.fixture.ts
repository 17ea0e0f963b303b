import { inflateRawSync } from 'node:zlib';
import { FakeClock } from '../clock.fixture.ts';
import { createMainCounters } from '../counters.ts';
import { Room } from '../rooms/room.ts';
import { encodeBatch } from './batch.ts';
import type { Codec } from './codec.ts';
import { decodeMsgpackFrame } from './codecs.ts';
import { BINARY, createRing, RingReader, RingWriter } from './frame-ring.ts';
import type { BatchMessage } from './messages.ts';
import { Pusher } from './pusher.ts';

/** A pusher between rooms and the shards that read the ring, and everything that it told anybody. */
export class PusherBench {
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
      committed: (room, seq) => {
        room.seq = seq;
        this.events.push(`${room.name} ${seq}`);
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

  /** Pushes batch `seq` with one comment. */
  push(room: Room, seq: number, text = 'gj'): void {
    const draft = { text, mode: 0, color: 0xffffff, size: 25, user: '', name: '', extra: '', at: this.clock.unix() };
    this.pusher.push(room, [{ seq, prev: seq - 1, ...encodeBatch([draft]) }], []);
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
