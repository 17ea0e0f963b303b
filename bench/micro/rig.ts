/** What the benchmarks work on: the real comments of bench/comments.xml, and rooms as the server puts them together. */
import { equal } from 'node:assert/strict';
import type { RecordedComment } from '../../scripts/bilibili-xml.ts';
import type { Clock } from '../../src/clock.ts';
import type { Draft } from '../../src/comment.ts';
import { checkComment } from '../../src/comment-check.ts';
import { createMainCounters } from '../../src/counters.ts';
import { type Codec, JSON_CODEC } from '../../src/frames/codec.ts';
import { createRing, RingReader, RingWriter } from '../../src/frames/frame-ring.ts';
import { largestBatch, mostRecalled } from '../../src/frames/push-size.ts';
import { Pusher, type PushSink } from '../../src/frames/pusher.ts';
import type { Origin, Room, Waiting } from '../../src/rooms/room.ts';
import { Rooms } from '../../src/rooms/rooms.ts';
import { MemoryStore } from '../../src/store/store-memory.ts';
import { BenchError } from '../options.ts';
import { readComments } from '../run/feed.ts';

const AT = 1_764_000_000_000;
export const MAX_TEXT = 200;
export const INTERVAL = 1_000;
export const HEARTBEAT = 15_000;
const RING = 16_777_216;

export const COMMENTS: readonly RecordedComment[] = readComments().comments;

export const SOCKET_DRAFTS: readonly Draft[] = COMMENTS.map((comment) => draftOf(comment, 'none'));

function draftOf(comment: RecordedComment, identity: 'full' | 'none'): Draft {
  const draft = checkComment(comment, MAX_TEXT, identity);
  if (typeof draft === 'string') throw new BenchError(`the sample holds a comment that volley refuses: ${draft}`);
  return draft;
}

export function socketMessage({ text, mode, color, size }: RecordedComment, ref: string): string {
  return JSON.stringify({ type: 'comment', ref, text, mode, color, size });
}

/** Gives the same things over and over, so that no two calls in a row have the same input. */
export class Carousel<T> {
  readonly all: readonly T[];
  #index = 0;

  constructor(things: readonly T[]) {
    if (things.length === 0) throw new BenchError('the sample holds too few comments');
    this.all = things;
  }

  next(): T {
    this.#index = this.#index + 1 === this.all.length ? 0 : this.#index + 1;
    return this.last;
  }

  get last(): T {
    return this.all[this.#index] as T;
  }
}

/** Windows over the sample begin at most this many comments apart, so that there are several of large ones. */
const STEP = 128;

const ORIGIN: Origin = { stored: () => undefined, failed: () => undefined };

/**
 * Every run of `count` comments, as a room takes them to the store: spread over one second, as `Rooms.offer` keeps them.
 * A single one comes from a socket; more come over HTTP, so each has an identity.
 */
export function takenBatches(count: number): Waiting[][] {
  const batches: Waiting[][] = [];
  for (let first = 0; first + count <= COMMENTS.length; first += Math.min(count, STEP)) {
    const taken = COMMENTS.slice(first, first + count).map((comment, number) => {
      const { text, mode, color, size, user, name, extra } = draftOf(comment, count > 1 ? 'full' : 'none');
      const at = AT + Math.floor((number * 1_000) / count);
      return { text, mode, color, size, user, name, extra, at, origin: ORIGIN, number };
    });
    batches.push(taken);
  }
  return batches;
}

/** A clock that a benchmark moves by hand; what falls due runs in the turn in which it does. */
export class HandClock implements Clock {
  #now = 0;
  readonly #timers = new Set<{ readonly at: number; readonly run: () => void }>();

  now(): number {
    return this.#now;
  }

  unix(): number {
    return AT + this.#now;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  advance(ms: number): void {
    const end = this.#now + ms;
    const earliest = () =>
      [...this.#timers].reduce((one, other) => (other.at < one.at ? other : one), { at: end + 1, run() {} });
    for (let next = earliest(); next.at <= end; next = earliest()) {
      this.#timers.delete(next);
      this.#now = next.at;
      next.run();
    }
    this.#now = end;
  }
}

export type RingEnd = ReturnType<typeof makeRing>;

/** A ring with one reader. @param shards that it has masks for */
export function makeRing(shards = 1) {
  const memory = createRing(RING, shards);
  const writer = new RingWriter(memory);
  writer.attach(0);
  const reader = new RingReader(memory, 0);
  const end = {
    ...{ writer, reader, head: 0 },
    read(): Uint8Array[] {
      const frames: Uint8Array[] = [];
      reader.read(end.head, (_topic, frame) => frames.push(Uint8Array.from(frame)));
      return frames;
    },
    skip: (): void => reader.read(end.head, () => undefined),
  };
  return end;
}

/**
 * Bytes that the store keeps. Few, so that it is full after a few calls: from then on every batch pushes one out, as in a
 * server that has run for minutes, and the garbage collector has no more to do at the end than at the start.
 */
const KEPT = 4_194_304;

const LIMITS = { interval: INTERVAL, heartbeat: HEARTBEAT, maxBatch: 1_000, maxPending: 5_000, maxPendingAll: 200_000 };
const SIZES = { maxPushBytes: largestBatch(LIMITS.maxBatch, MAX_TEXT), maxRecalled: mostRecalled(16 * 1_048_576) };

const rethrow = (_room: unknown, error: unknown): never => {
  throw error;
};

export type RoomsRig = Awaited<ReturnType<typeof makeRooms>>;

/** Rooms with one viewer each. @param end the ring for pushes; without it they are committed in the turn they come */
export async function makeRooms(count: number, codec: Codec = JSON_CODEC, end?: RingEnd) {
  const clock = new HandClock();
  const counters = createMainCounters();
  const store = new MemoryStore({ comments: 10_000, bytes: KEPT, age: 3_600_000, clock });
  const drafts = new Carousel(SOCKET_DRAFTS);
  const told = { stored: 0, failed: 0 };
  const origin: Origin = { stored: () => (told.stored += 1), failed: () => (told.failed += 1) };
  let missing = 0;
  let allCommitted = (): void => undefined;

  let tellRooms: (room: Room, seq: number) => void;
  const committed = (room: Room, seq: number): void => {
    tellRooms(room, seq);
    missing -= 1;
    if (missing === 0) allCommitted();
  };
  const wake = (_shard: number, head: number): void => {
    if (end !== undefined) end.head = head;
  };
  const oversized = (room: unknown): never => rethrow(room, 'too large');
  const pusher = end && new Pusher<Room>({ clock, ring: end.writer, counters, wake, oversized });
  const sink: PushSink<Room> = {
    push(room, batches, recalled, tell) {
      tellRooms = tell;
      if (pusher) pusher.push(room, batches, recalled, committed);
      else committed(room, batches.at(-1)?.seq ?? room.seq);
    },
    pushPresence: (room) => pusher?.pushPresence(room),
  };
  const rooms: Rooms = new Rooms({ ...LIMITS, ...SIZES, clock, store, sink, shards: 1, counters, onFault: rethrow });
  const names = Array.from({ length: count }, (_, i) => `room-${i}`);
  for (const name of names) rooms.join(name, 0, codec, 1);
  await store.start({
    tail: (batches) => rooms.tail(batches),
    recalled: (comments) => rooms.recalled(comments),
    state: (state) => rooms.storeState(state),
  });

  return {
    ...{ clock, counters, store, rooms, names, told, origin },

    /** Offers `each` real comments to every room; returns how many were accepted. */
    offer(each: number): number {
      let accepted = 0;
      for (const name of names) {
        for (let i = 0; i < each; i += 1) if (rooms.offer(name, drafts.next(), origin, i) === undefined) accepted += 1;
      }
      return accepted;
    },

    /** Has every room, each with something pending, fire at once. Resolves when all pushes are committed. */
    fire(): Promise<void> {
      missing += names.length;
      const all = new Promise<void>((resolve) => {
        allCommitted = resolve;
      });
      clock.advance(INTERVAL);
      return all;
    },

    checkFired(): void {
      equal(rooms.pending + told.failed, 0);
      for (const name of names) {
        const room = rooms.get(name);
        equal(`${room?.phase} at ${room?.seq}`, `idle at ${room?.ownSeq}`);
      }
    },
  };
}
