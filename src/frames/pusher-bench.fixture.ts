import { inflateRawSync } from 'node:zlib';
import { FakeClock } from '../clock.fixture.ts';
import { Tally } from '../metrics/tally.ts';
import { Room } from '../rooms/room.ts';
import { encodeBatch } from './batch.ts';
import type { BatchMessage } from './batch-message.ts';
import type { Codec } from './codec.ts';
import { decodeMsgpackFrame } from './codec-msgpack.ts';
import { BINARY, createRing, RingReader, RingWriter } from './frame-ring.ts';
import { Pusher } from './pusher.ts';

/** A pusher between rooms and one reader of the ring, and everything that it told anybody. */
export class PusherBench {
  readonly clock = new FakeClock();
  readonly tally = new Tally();
  readonly events: string[] = [];
  readonly wakes: number[] = [];
  readonly pusher: Pusher;
  readonly #reader: RingReader;
  readonly #head: Int32Array;

  constructor(capacity = 65_536) {
    const memory = createRing(capacity, 1);
    const ring = new RingWriter(memory);
    this.#head = new Int32Array(memory.buffer, 0, 1);
    this.#reader = new RingReader(memory, 0, ring.attach(0));
    this.pusher = new Pusher({
      clock: this.clock,
      ring,
      tally: this.tally,
      wake: (head) => {
        this.wakes.push(head);
        this.events.push(Atomics.load(this.#head, 0) === head ? 'wake' : 'wake before the head was stored');
      },
      committed: (room, seq) => {
        room.seq = seq;
        this.events.push(`${room.name} ${seq}`);
      },
      oversized: (room) => this.events.push(`oversized ${room}`),
    });
  }

  room(name: string, ...codecs: Codec[]): Room {
    const room = new Room(name, 1);
    for (const codec of codecs) room.addViewers(0, codec, 1);
    return room;
  }

  /** Pushes batch `seq` with one comment. */
  push(room: Room, seq: number, text = 'gj'): void {
    const draft = { text, mode: 0, color: 0xffffff, size: 25, user: '', name: '', extra: '', at: this.clock.unix() };
    this.pusher.push(room, [{ room: room.name, seq, prev: seq - 1, ...encodeBatch([draft]) }], []);
  }

  /** Reads what the last wake-up named: `codec:room type seq`, for a recall its ids, binary frames in brackets. */
  read(): string[] {
    const seen: string[] = [];
    this.#reader.read(this.wakes.at(-1) ?? 0, (topicBytes, frame, flags) => {
      const topic = Buffer.from(topicBytes).toString();
      const bytes = Uint8Array.from(frame);
      const message = flags === BINARY ? unpack(topic, bytes) : JSON.parse(Buffer.from(bytes).toString());
      const line = `${topic} ${message.type} ${message.seq ?? message.ids.join()}`;
      seen.push(flags === BINARY ? `[${line}]` : line);
    });
    return seen;
  }
}

function unpack(topic: string, frame: Uint8Array): BatchMessage {
  return decodeMsgpackFrame(topic.startsWith('deflate:') ? inflateRawSync(frame) : frame);
}
