import { equal } from 'node:assert/strict';
import type { RefusalCode } from '../../src/codes.ts';
import { type Codec, JSON_CODEC } from '../../src/frames/codec.ts';
import { createRing, RingReader, RingWriter } from '../../src/frames/frame-ring.ts';
import { largestBatch, mostRecalled } from '../../src/frames/push-size.ts';
import { Pusher } from '../../src/frames/pusher.ts';
import { Tally } from '../../src/metrics/tally.ts';
import type { PushSink } from '../../src/rooms/push-sink.ts';
import type { Origin, Room } from '../../src/rooms/room.ts';
import { Rooms } from '../../src/rooms/rooms.ts';
import type { StoredBatch } from '../../src/store/store.ts';
import { MemoryStore } from '../../src/store/store-memory.ts';
import { HandClock } from './hand-clock.ts';
import { Carousel, SOCKET_DRAFTS } from './sample.ts';

export const INTERVAL = 1_000;
export const HEARTBEAT = 15_000;

/**
 * Bytes that the store keeps. Few, so that it is full after a few calls: from then on every batch pushes one out, as
 * in a server that has run for minutes, and the garbage collector has no more to do at the end than at the start.
 */
const KEPT = 4_194_304;

/** The defaults of the settings. */
const LIMITS = { interval: INTERVAL, heartbeat: HEARTBEAT, maxBatch: 1_000, maxPending: 5_000, maxPendingAll: 200_000 };
const MAX_TEXT = 200;
const RING = 16_777_216;

/** Comments that were stored, and how many came to nothing. */
class CountingOrigin implements Origin {
  storedCount = 0;
  failedCount = 0;

  stored(_number: number, _seq: number, _place: number): void {
    this.storedCount += 1;
  }

  failed(_number: number, _code: RefusalCode): void {
    this.failedCount += 1;
  }
}

/** Tells when as many pushes as were announced are committed. */
class CommitCounter {
  #missing = 0;
  #resolve: () => void = () => undefined;

  expect(commits: number): Promise<void> {
    this.#missing += commits;
    return new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  count(): void {
    this.#missing -= 1;
    if (this.#missing === 0) this.#resolve();
  }
}

/** Commits every push in the turn in which it comes; nobody is sent anything. */
class CommittingSink implements PushSink {
  readonly #committed: (room: Room, seq: number) => void;
  presences = 0;

  constructor(committed: (room: Room, seq: number) => void) {
    this.#committed = committed;
  }

  push(room: Room, batches: readonly StoredBatch[]): void {
    this.#committed(room, batches.at(-1)?.seq ?? room.seq);
  }

  pushPresence(_room: Room): void {
    this.presences += 1;
  }
}

/** The ring behind a pusher, and the one shard that reads it. */
export class RingEnd {
  readonly #writer: RingWriter;
  readonly #reader: RingReader;
  #head = 0;

  constructor() {
    const memory = createRing(RING, 1);
    this.#writer = new RingWriter(memory);
    this.#writer.attach(0);
    this.#reader = new RingReader(memory, 0);
  }

  pusher(clock: HandClock, tally: Tally, committed: (room: Room, seq: number) => void): Pusher {
    return new Pusher({
      clock,
      ring: this.#writer,
      tally,
      wake: (_shard, head) => {
        this.#head = head;
      },
      committed,
      oversized: (room) => {
        throw new Error(`the frame of room ${room} does not fit`);
      },
    });
  }

  /** Reads everything that was pushed, which makes room for more. Frames are copies. */
  read(): Uint8Array[] {
    const frames: Uint8Array[] = [];
    this.#reader.read(this.#head, (_topic, frame) => frames.push(Uint8Array.from(frame)));
    return frames;
  }

  /** The same, without looking at it. */
  skip(): void {
    this.#reader.read(this.#head, () => undefined);
  }
}

export interface RigShape {
  /** Rooms with one viewer each. */
  readonly rooms: number;
  readonly codec?: Codec;
  /** Where pushes go; without it they are committed at once. */
  readonly end?: RingEnd;
}

/** Rooms as the server puts them together, on the memory store and a clock that is moved by hand. */
export class RoomsRig {
  readonly clock = new HandClock();
  readonly tally = new Tally();
  readonly origin = new CountingOrigin();
  readonly store: MemoryStore;
  readonly rooms: Rooms;
  readonly names: readonly string[];
  readonly #commits = new CommitCounter();
  readonly #drafts = new Carousel(SOCKET_DRAFTS);

  private constructor({ rooms, codec = JSON_CODEC, end }: RigShape) {
    this.store = new MemoryStore({ comments: 10_000, bytes: KEPT, age: 3_600_000, clock: this.clock });
    const committed = (room: Room, seq: number): void => {
      this.rooms.committed(room, seq);
      this.#commits.count();
    };
    this.rooms = new Rooms({
      ...LIMITS,
      clock: this.clock,
      store: this.store,
      sink: end?.pusher(this.clock, this.tally, committed) ?? new CommittingSink(committed),
      shards: 1,
      maxPushBytes: largestBatch(LIMITS.maxBatch, MAX_TEXT),
      maxRecalled: mostRecalled(16 * 1_048_576),
      tally: this.tally,
      onFault: (_room, error) => {
        throw error;
      },
    });
    this.names = Array.from({ length: rooms }, (_, i) => `room-${i}`);
    for (const name of this.names) this.rooms.join(name, 0, codec, 1);
  }

  static async create(shape: RigShape): Promise<RoomsRig> {
    const rig = new RoomsRig(shape);
    await rig.store.start({
      tail: (batches) => rig.rooms.tail(batches),
      recalled: (comments) => rig.rooms.recalled(comments),
      state: (state) => rig.rooms.storeState(state),
    });
    return rig;
  }

  /** Offers `each` real comments to every room; gives how many were accepted. */
  offer(each: number): number {
    let accepted = 0;
    for (const name of this.names) {
      for (let i = 0; i < each; i += 1) {
        if (this.rooms.offer(name, this.#drafts.next(), this.origin, i) === undefined) accepted += 1;
      }
    }
    return accepted;
  }

  /** Has every room, each with something pending, fire in one slot. Resolves when all pushes are committed. */
  fire(): Promise<void> {
    const committed = this.#commits.expect(this.names.length);
    this.clock.advance(INTERVAL);
    return committed;
  }

  /** Throws unless nothing is pending, nothing failed, and every room stands at its newest batch. */
  checkFired(): void {
    equal(this.rooms.pending, 0);
    equal(this.origin.failedCount, 0);
    for (const name of this.names) {
      const room = this.rooms.get(name);
      equal(room?.phase, 'idle');
      equal(room?.seq, room?.ownSeq);
    }
  }
}
