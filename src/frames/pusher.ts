/**
 * From batches to the ring: makes a push's frames, commits them, and tells the shards.
 *
 * A commit is one turn of the loop: bytes into the ring, `Atomics.store(head)`, one wake-up for each shard that has
 * viewers for something in it, and the room's seq. Codecs in use and the shards of each are read in that turn. A viewer
 * is counted before the boundary of its join is read, so every entry above that boundary names its shard.
 */
import { type Clock, SLOT_MS } from '../clock.ts';
import type { MainCounters } from '../counters.ts';
import type { EncodedBatch, NumberedBatch } from './batch.ts';
import { ALL_CODECS, type Codec, isBinary } from './codec.ts';
import { FrameMaker } from './frame-maker.ts';
import { BINARY, type RingEntry, type RingWriter } from './frame-ring.ts';
import { encodeMessage } from './messages.ts';

/**
 * The most bytes of payload that uWebSockets.js sends from its 16 KB cork buffer. A larger published message is
 * first appended to every socket's own buffer, and that memory is kept.
 */
export const LARGE_FRAME = 16_370;

/** The viewers of a room, as they are now: read anew at every commit. */
export interface Audience {
  readonly name: string;
  /** The room's last committed seq. */
  readonly seq: number;
  readonly viewers: number;
  readonly viewersByCodec: readonly [number, number, number];
  /** The topic of those on `codec`, as the bytes that go into the ring. */
  topic(codec: Codec): Uint8Array;
  /** The shards that have any on `codec`, as a mask for the ring. */
  shardsOf(codec: Codec): Uint32Array;
}

/** Where rooms push to. */
export interface PushSink<Room extends Audience> {
  /**
   * Pushes `batches`, one message a codec, to the room's viewers, and after it the ids of recalled comments. Either may
   * be empty, not both. At most one push a room is under way. `committed` is called in the turn in which every shard is
   * told of it, with the last batch's seq, or the room's where there is none.
   */
  push(
    room: Room,
    batches: readonly (EncodedBatch & NumberedBatch)[],
    recalled: readonly string[],
    committed: (room: Room, seq: number) => void,
  ): void;
  /** Tells the viewers of a quiet room that the link lives. May be dropped. */
  pushPresence(room: Room): void;
}

/** What counts the frames of each codec. */
const FRAMES_OF = ['framesJson', 'framesMsgpack', 'framesDeflate'] as const;

interface Push<Room> {
  readonly room: Room;
  readonly seq: number;
  readonly committed: (room: Room, seq: number) => void;
  /** Null when there is no batch in it. */
  readonly maker: FrameMaker | null;
  /** The message that recalls comments, where there is one: the same bytes on every codec. */
  readonly recall: Uint8Array | null;
  /** Codecs whose frame was reported as too large, a bit each. */
  oversized: number;
}

export interface PusherOptions {
  readonly clock: Clock;
  readonly ring: RingWriter;
  readonly counters: MainCounters;
  /** Tells a shard that the ring is readable up to `head`. */
  readonly wake: (shard: number, head: number) => void;
  /** Told of a frame that no ring of this size can hold. */
  readonly oversized: (room: string, bytes: number) => void;
}

export class Pusher<Room extends Audience> implements PushSink<Room> {
  readonly #options: PusherOptions;
  /** Made, not yet committed, in the order in which they are to be. */
  #ready: Push<Room>[] = [];
  #presences = new Set<Room>();
  /** Pushes whose frames are being deflated off the loop. */
  #making = 0;
  #flushing = false;
  #retrying: (() => void) | undefined;
  readonly #count: (codec: Codec) => void;

  constructor(options: PusherOptions) {
    this.#options = options;
    this.#count = (codec) => {
      options.counters[FRAMES_OF[codec]] += 1;
    };
  }

  push(
    room: Room,
    batches: readonly (EncodedBatch & NumberedBatch)[],
    recalled: readonly string[],
    committed: (room: Room, seq: number) => void,
  ): void {
    const maker = batches.length > 0 ? new FrameMaker(batches, room.viewers, this.#count) : null;
    const recall = recalled.length > 0 ? encoder.encode(encodeMessage({ type: 'recall', ids: recalled })) : null;
    const push: Push<Room> = { room, seq: batches.at(-1)?.seq ?? room.seq, committed, maker, recall, oversized: 0 };
    let making: Promise<void> | undefined;
    for (const codec of ALL_CODECS) {
      if (room.viewersByCodec[codec] > 0) making = maker?.make(codec) ?? making;
    }
    if (making === undefined) {
      this.#add(push);
      return;
    }
    this.#making += 1;
    // Deflate fails only for want of memory: a fault of the whole process, left to the handler of unhandled ones.
    making.then(() => {
      this.#making -= 1;
      this.#add(push);
    });
  }

  pushPresence(room: Room): void {
    this.#presences.add(room);
    this.#flushLater();
  }

  #add(push: Push<Room>): void {
    this.#ready.push(push);
    this.#flushLater();
  }

  stop(): void {
    this.#retrying?.();
  }

  /**
   * Gathers what one slot's rooms push into one commit: it waits for the end of this turn, and for frames that are
   * still being made, but not beyond the next slot.
   */
  #flushLater(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      if (this.#making === 0) this.flush();
      else this.#retry();
    });
  }

  #retry(): void {
    this.#retrying ??= this.#options.clock.after(SLOT_MS, () => {
      this.#retrying = undefined;
      this.flush();
    });
  }

  /** Commits, in order, what the ring has room for; what it has not waits for the next slot. */
  flush(): void {
    const { ring, counters, wake } = this.#options;
    const ready = this.#ready;
    const before = counters.pushes + counters.presences + counters.recalls;
    let done = 0;
    while (done < ready.length && this.#write(ready[done] as Push<Room>)) done += 1;
    // A room that pushes needs no presence, and one written after its batch would name the seq before it.
    for (const { room } of ready) this.#presences.delete(room);
    if (done === ready.length) this.#writePresences();
    if (done < ready.length) {
      if (this.#retrying === undefined) counters.ringWaits += 1;
      this.#retry();
    }
    this.#ready = ready.slice(done);
    if (counters.pushes + counters.presences + counters.recalls > before) ring.publish(wake);
    for (const { committed, room, seq } of ready.slice(0, done)) committed(room, seq);
  }

  /** Writes a push for the codecs that are in use now, which may be others than when its frames were made. */
  #write(push: Push<Room>): boolean {
    const { ring, counters } = this.#options;
    const recalls = push.recall === null ? [] : controlEntries(push.room, push.recall);
    const entries: RingEntry[] = [];
    let size = recalls.reduce((sum, { topic, frame }) => sum + ring.entrySize(topic.length, frame.length), 0);
    let bytes = 0;
    let large = 0;
    for (const codec of ALL_CODECS) {
      if (push.room.viewersByCodec[codec] === 0) continue;
      const frame = push.maker?.frame(codec);
      const topic = push.room.topic(codec);
      if (frame === undefined) continue;
      const entry = ring.entrySize(topic.length, frame.length);
      if (size + entry > ring.capacity / 2) {
        if ((push.oversized & (1 << codec)) === 0) {
          push.oversized |= 1 << codec;
          counters.oversizedFrames += 1;
          this.#options.oversized(push.room.name, frame.length);
        }
        continue;
      }
      size += entry;
      entries.push({ topic, frame, flags: isBinary(codec) ? BINARY : 0, readers: push.room.shardsOf(codec) });
      bytes += frame.length;
      if (frame.length > LARGE_FRAME) large += 1;
    }
    // After the batches: what is recalled may be in one of them.
    if (!ring.write([...entries, ...recalls])) return false;
    counters.pushes += entries.length;
    counters.recalls += recalls.length;
    counters.ringBytes += bytes;
    counters.largeFrames += large;
    return true;
  }

  /** Presences that find no room are dropped: the next heartbeat says the same. */
  #writePresences(): void {
    const { ring, counters } = this.#options;
    for (const room of this.#presences) {
      const entries = controlEntries(room, presenceFrame(room));
      if (entries.length > 0 && ring.write(entries)) counters.presences += entries.length;
    }
    this.#presences.clear();
  }
}

/** A control message, for the viewers of each codec: text on all of them. */
function controlEntries(room: Audience, frame: Uint8Array): RingEntry[] {
  const entries: RingEntry[] = [];
  for (const codec of ALL_CODECS) {
    if (room.viewersByCodec[codec] === 0) continue;
    entries.push({ topic: room.topic(codec), frame, flags: 0, readers: room.shardsOf(codec) });
  }
  return entries;
}

const encoder = new TextEncoder();

function presenceFrame(room: Audience): Uint8Array {
  return encoder.encode(encodeMessage({ type: 'presence', seq: room.seq, viewers: room.viewers }));
}
