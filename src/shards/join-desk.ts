/**
 * Joining without a gap. The boundary of a join is the room's last committed seq, read in the turn that posts the
 * answer; wake-ups and answers travel on one port in order, so a viewer that is subscribed when the answer arrives
 * gets every batch above the boundary, once. What lies between where a viewer stands and the boundary goes out as
 * backfill, in steps; only the step after which nothing newer is committed makes the viewer live.
 */
import { type Clock, SLOT_MS } from '../clock.ts';
import type { Codec } from '../frames/codec.ts';
import { JSON_CODEC } from '../frames/codec.ts';
import { FrameMaker } from '../frames/frame-maker.ts';
import type { Tally } from '../metrics/tally.ts';
import type { Room } from '../rooms/room.ts';
import type { Rooms } from '../rooms/rooms.ts';
import type { Store, StoredBatch } from '../store/store.ts';
import type { JoinAnswer, JoinPoint, JoinRequest } from './messages.ts';

export interface JoinDeskOptions {
  readonly clock: Clock;
  readonly rooms: Rooms;
  readonly store: Store;
  readonly tally: Tally;
  /** Told when what a viewer asked for could not be read. */
  readonly onFault: (room: string, error: unknown) => void;
  /** Milliseconds between two pushes of a room, told in `welcome`. */
  readonly interval: number;
  /** Most comments of a whole backfill, rounded up to whole batches. */
  readonly maxBackfill: number;
  /** Most bytes of a step's frame; a single batch may be larger, a batch is never cut. */
  readonly stepBytes: number;
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
  /** Steps read in this slot, by point and boundary. */
  readonly #steps = new Map<string, Promise<Step>>();

  constructor(options: JoinDeskOptions) {
    this.#options = options;
  }

  /**
   * Answers a request of `shard`; null where the answer needs the store, and then `later` gets it, in the turn in
   * which its boundary holds. Viewers that join count as present from now on.
   */
  answer(shard: number, request: JoinRequest, later: (answer: JoinAnswer) => void): JoinAnswer | null {
    const { id, codec, from, joining } = request;
    const room = this.#options.rooms.join(request.room, shard, codec, joining);
    if (from.kind === 'since' && from.seq > room.seq && from.seq <= this.#options.store.lastSeq(room.name)) {
      // Stored and on its way to the ring, known to this viewer from the API: it is not from another life of the room.
      this.#options.clock.after(SLOT_MS, () => {
        const answer = this.answer(shard, { ...request, joining: 0 }, later);
        if (answer !== null) later(answer);
      });
      return null;
    }
    if (from.kind === 'now' || (from.kind === 'since' && from.seq === room.seq)) {
      return { id, welcome: this.#welcome(room), frame: null, reached: room.seq, live: true };
    }
    this.#step(room, codec, from).then((step) => {
      const welcome = from.kind === 'next' ? null : this.#welcome(room, step);
      later({ id, welcome, frame: step.frame, reached: step.reached, live: step.reached >= room.seq });
    });
    return null;
  }

  #welcome(room: Room, step?: Step): string {
    const { name, seq, viewers } = room;
    const welcome = { type: 'welcome', room: name, seq, viewers, interval: this.#options.interval };
    const reset = step?.reset ? { reset: true } : {};
    const gap = step?.gap ? { gap: step.gap } : {};
    return JSON.stringify({ ...welcome, ...reset, ...gap });
  }

  /** The step from a point to the boundary as it is now, read once a slot however many ask. */
  #step(room: Room, codec: Codec, from: JoinPoint): Promise<Step> {
    const key = `${room.name} ${room.seq} ${codec} ${JSON.stringify(from)}`;
    let step = this.#steps.get(key);
    if (step === undefined) {
      if (this.#steps.size === 0) this.#options.clock.after(SLOT_MS, () => this.#steps.clear());
      step = this.#read(room, codec, from).catch((error: unknown) => this.#giveUp(room, from, error));
      this.#steps.set(key, step);
    }
    return step;
  }

  /** What cannot be read is a gap to whoever asked for it, not a fault of the server. */
  #giveUp(room: Room, from: JoinPoint, error: unknown): Step {
    this.#options.onFault(room.name, error);
    const gap = from.kind === 'since' && from.seq < room.seq ? { from: from.seq + 1, to: room.seq } : null;
    return { frame: null, reached: room.seq, reset: from.kind === 'since' && from.seq > room.seq, gap };
  }

  async #read(room: Room, codec: Codec, from: JoinPoint): Promise<Step> {
    const { store, stepBytes } = this.#options;
    const upTo = room.seq;
    const reset = from.kind === 'since' && from.seq > upTo;
    const after = await this.#startOf(room.name, upTo, from);
    // A JSON frame is two to four times the size of the batches in it; reading less spares encoding too much.
    const batches = await store.read(room.name, after, upTo, codec === JSON_CODEC ? stepBytes / 2 : stepBytes);
    const { frame, taken } = this.#encode(batches, codec, room.viewers);
    const reached = taken.at(-1)?.seq ?? upTo;
    const before = taken[0]?.prev ?? upTo;
    const gap = from.kind === 'since' && !reset && before > from.seq ? { from: from.seq + 1, to: before } : null;
    return { frame, reached, reset, gap };
  }

  /** The seq after which a viewer's backfill begins. */
  async #startOf(room: string, upTo: number, from: JoinPoint): Promise<number> {
    const { store, maxBackfill } = this.#options;
    if (from.kind === 'now') return upTo;
    if (from.kind === 'next') return from.seq;
    if (from.kind === 'history') return store.seqBefore(room, upTo, Math.min(from.comments, maxBackfill));
    const oldest = await store.seqBefore(room, upTo, maxBackfill);
    return from.seq > upTo ? oldest : Math.max(from.seq, oldest);
  }

  /** One frame of as many batches as fit into a step. */
  #encode(
    batches: readonly StoredBatch[],
    codec: Codec,
    viewers: number,
  ): { frame: Uint8Array | null; taken: readonly StoredBatch[] } {
    const { stepBytes, tally } = this.#options;
    let taken = batches;
    while (taken.length > 0) {
      const frame = new FrameMaker(taken, viewers, () => {
        tally.backfillFrames += 1;
      }).frame(codec);
      if (frame.length <= stepBytes || taken.length === 1) return { frame, taken };
      taken = taken.slice(0, Math.max(1, Math.floor((taken.length * stepBytes) / frame.length)));
    }
    return { frame: null, taken };
  }
}
