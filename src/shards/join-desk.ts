/**
 * Joining without a gap. The boundary of a join is the room's last committed seq, read in the turn that posts the
 * answer; wake-ups and answers travel on one port in order, so a viewer that is subscribed when the answer arrives
 * gets every batch above the boundary, once. What lies between where a viewer stands and the boundary goes out as
 * backfill, in steps; only the step after which nothing newer is committed makes the viewer live.
 */
import { type Clock, SLOT_MS } from '../clock.ts';
import type { MainCounters } from '../counters.ts';
import { takeWithin } from '../frames/batch-lists.ts';
import type { Codec } from '../frames/codec.ts';
import { JSON_CODEC } from '../frames/codec.ts';
import { FrameMaker } from '../frames/frame-maker.ts';
import { encodeMessage } from '../frames/messages.ts';
import type { Room } from '../rooms/room.ts';
import type { Rooms } from '../rooms/rooms.ts';
import { type Store, type StoredBatch, seqBefore } from '../store/store.ts';
import { TurnQueue } from '../turn-queue.ts';
import type { JoinAnswer, JoinPoint, JoinRequest } from './messages.ts';

/** Batches that are looked at for one viewer; where the comments of more begin is looked for once for all of a room. */
const NEAR = 64;

/** How long that is remembered, in ms. */
const STARTS_MS = 10_000;

/** A step of a backfill is encoded in up to a millisecond. */
const STEPS_A_TURN = 4;

export interface JoinDeskOptions {
  readonly clock: Clock;
  readonly rooms: Rooms;
  readonly store: Store;
  readonly counters: MainCounters;
  /** Told when what a viewer asked for could not be read. */
  readonly onFault: (room: string, error: unknown) => void;
  /** Milliseconds between two pushes of a room, told in `welcome`. */
  readonly interval: number;
  /** Most comments of a whole backfill, rounded up to whole batches. */
  readonly maxBackfill: number;
  /** Most bytes of a step's frame; a single batch may be larger, a batch is never cut. */
  readonly stepBytes: number;
}

/** Where viewers stand whose answer needs the store. `reset`: their `since` is from another life of the room. */
type StepPoint = Exclude<JoinPoint, { readonly kind: 'now' }> | { readonly kind: 'reset' };

/** What the store has for those at a point, whatever their codec. */
interface Found {
  /** The boundary: the room's last committed seq when the reading began. */
  readonly upTo: number;
  readonly batches: readonly StoredBatch[];
}

/** One step of a backfill: shared by all viewers at the same point. */
interface Step {
  readonly frame: Uint8Array | null;
  readonly reached: number;
  readonly reset: boolean;
  readonly gap: { readonly from: number; readonly to: number } | null;
}

export class JoinDesk {
  readonly #options: JoinDeskOptions;
  /** Steps made in this slot, by room, boundary, point and codec. */
  readonly #steps = new Map<string, Promise<Step>>();
  /** What they were made of, by the same without the codec. */
  readonly #readings = new Map<string, Promise<Found>>();
  /** Before which batch the last so many comments of a room begin, by room, boundary and number. */
  readonly #starts = new Map<string, Promise<number>>();
  readonly #turns: TurnQueue;

  constructor(options: JoinDeskOptions) {
    this.#options = options;
    this.#turns = new TurnQueue(STEPS_A_TURN);
  }

  /**
   * Answers a request of `shard`; null where the answer needs the store, and then `later` gets it, in the turn in
   * which its boundary holds. Viewers that join count as present from now on.
   */
  answer(shard: number, request: JoinRequest, later: (answer: JoinAnswer) => void): JoinAnswer | null {
    const room = this.#options.rooms.join(request.room, shard, request.codec, request.joining);
    return this.#answer(room, request, later);
  }

  #answer(room: Room, request: JoinRequest, later: (answer: JoinAnswer) => void): JoinAnswer | null {
    const { id, from } = request;
    const again = (): void => {
      const answer = this.#answer(room, request, later);
      if (answer !== null) later(answer);
    };
    if (room.phase === 'opening') {
      room.onOpen.push(again);
      return null;
    }
    if (from.kind === 'now' || (from.kind === 'since' && from.seq === room.seq)) {
      const recall = from.kind === 'now' ? null : this.#recall(room);
      return { id, welcome: this.#welcome(room), frame: null, recall, reached: room.seq, live: true };
    }
    if (from.kind === 'since' && from.seq > room.seq) {
      void this.#isReset(room, from.seq).then((isReset) => {
        if (isReset) this.#sendStep(room, request, { kind: 'reset' }, later);
        // Stored and on its way to the ring, known to this viewer from the API.
        else this.#options.clock.after(SLOT_MS, again);
      });
      return null;
    }
    this.#sendStep(room, request, from, later);
    return null;
  }

  /** True when no batch of the room has, or will have by what is on its way, a seq as high as `since`. */
  async #isReset(room: Room, since: number): Promise<boolean> {
    try {
      return since > (await this.#options.store.head(room.name)).ceiling;
    } catch (error) {
      this.#options.onFault(room.name, error);
      return true;
    }
  }

  #sendStep(room: Room, request: JoinRequest, from: StepPoint, later: (answer: JoinAnswer) => void): void {
    this.#step(room, request.codec, from).then((step) => {
      const welcome = from.kind === 'next' ? null : this.#welcome(room, step);
      const live = step.reached >= room.seq;
      const recall = live ? this.#recall(room) : null;
      later({ id: request.id, welcome, frame: step.frame, recall, reached: step.reached, live });
    });
  }

  /** Who becomes live now was not told of recalls before, some of which may be of comments that it has. */
  #recall(room: Room): string | null {
    return this.#options.rooms.recalls.messageOf(room.name, this.#options.clock.now());
  }

  #welcome(room: Room, step?: Step): string {
    const { name, seq, viewers } = room;
    const { interval } = this.#options;
    const reset = step?.reset ? { reset: true } : {};
    const gap = step?.gap ? { gap: step.gap } : {};
    return encodeMessage({ type: 'welcome', room: name, seq, viewers, interval, ...reset, ...gap });
  }

  /** The step from a point to the boundary as it is now: read once a slot and encoded once a codec, however many ask. */
  #step(room: Room, codec: Codec, from: StepPoint): Promise<Step> {
    if (this.#steps.size === 0) this.#options.clock.after(SLOT_MS, () => this.#forget());
    const point = `${room.name} ${room.seq} ${JSON.stringify(from)}`;
    return share(this.#steps, `${codec} ${point}`, async () => {
      try {
        const found = await share(this.#readings, point, () => this.#read(room, from));
        await this.#turns.next();
        return this.#make(found, codec, from, room.viewers);
      } catch (error) {
        return this.#giveUp(room, from, error);
      }
    });
  }

  #forget(): void {
    this.#steps.clear();
    this.#readings.clear();
  }

  /** What cannot be read is a gap to those who asked for it, not a fault of the server. */
  #giveUp(room: Room, from: StepPoint, error: unknown): Step {
    this.#options.onFault(room.name, error);
    const gap = from.kind === 'since' && from.seq < room.seq ? { from: from.seq + 1, to: room.seq } : null;
    return { frame: null, reached: room.seq, reset: from.kind === 'reset', gap };
  }

  async #read(room: Room, from: StepPoint): Promise<Found> {
    const { store, stepBytes } = this.#options;
    const upTo = room.seq;
    const after = await this.#startOf(room.name, upTo, from);
    const { batches } = await store.read(room.name, after, upTo, stepBytes);
    return { upTo, batches };
  }

  #make({ upTo, batches }: Found, codec: Codec, from: StepPoint, viewers: number): Step {
    const { stepBytes } = this.#options;
    // A JSON frame is two to four times the size of the batches in it; trying fewer spares encoding too much.
    const some = codec === JSON_CODEC ? takeWithin(batches, stepBytes / 2) : batches;
    const { frame, taken } = this.#encode(some, codec, viewers);
    const reached = taken.at(-1)?.seq ?? upTo;
    const before = taken[0]?.prev ?? upTo;
    const gap = from.kind === 'since' && before > from.seq ? { from: from.seq + 1, to: before } : null;
    return { frame, reached, reset: from.kind === 'reset', gap };
  }

  /** The seq after which a viewer's backfill begins. */
  async #startOf(room: string, upTo: number, from: StepPoint): Promise<number> {
    const { store, maxBackfill } = this.#options;
    if (from.kind === 'next') return from.seq;
    if (from.kind === 'history') return this.#startOfLast(room, upTo, Math.min(from.comments, maxBackfill));
    if (from.kind === 'reset') return this.#startOfLast(room, upTo, maxBackfill);
    const missed = await store.outline(room, upTo, maxBackfill + 1, from.seq, NEAR);
    const comments = missed.reduce((sum, { count }) => sum + count, 0);
    if (missed.length < NEAR && comments <= maxBackfill) return from.seq;
    return Math.max(from.seq, await this.#startOfLast(room, upTo, maxBackfill));
  }

  /** The same for all who join a room before its next push, so it is looked for once. */
  #startOfLast(room: string, upTo: number, comments: number): Promise<number> {
    if (this.#starts.size === 0) this.#options.clock.after(STARTS_MS, () => this.#starts.clear());
    const key = `${room} ${upTo} ${comments}`;
    const start = share(this.#starts, key, () => seqBefore(this.#options.store, room, upTo, comments));
    start.catch(() => this.#starts.delete(key));
    return start;
  }

  /** One frame of as many batches as fit into a step. */
  #encode(
    batches: readonly StoredBatch[],
    codec: Codec,
    viewers: number,
  ): { frame: Uint8Array | null; taken: readonly StoredBatch[] } {
    const { stepBytes, counters } = this.#options;
    let taken = batches;
    while (taken.length > 0) {
      const frame = new FrameMaker(taken, viewers, () => {
        counters.backfillFrames += 1;
      }).frame(codec);
      if (frame.length <= stepBytes || taken.length === 1) return { frame, taken };
      taken = taken.slice(0, Math.max(1, Math.floor((taken.length * stepBytes) / frame.length)));
    }
    return { frame: null, taken };
  }
}

/** What `map` holds under `key`; made, and kept, where it holds nothing. */
function share<T>(map: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> {
  let shared = map.get(key);
  if (shared === undefined) {
    shared = make();
    map.set(key, shared);
  }
  return shared;
}
