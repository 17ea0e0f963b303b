/**
 * The rooms: pending comments of this second, and when each room fires.
 *
 * A room is due when it has something to push and at least `interval` has passed since it last fired. It then takes
 * its pending comments out for good and appends them as one batch; what it pushes is what the store's tail hands
 * back, in the tail's order, in one push. room.ts draws the phases of a room.
 */
import type { Clock } from '../clock.ts';
import { type Refusal, type RefusalCode, refusalOf } from '../codes.ts';
import type { Draft } from '../comment.ts';
import { countRefused, type MainCounters } from '../counters.ts';
import { FEW_OF_ROOM, leavesEnough } from '../fair-share.ts';
import { encodeBatch, fittingComments } from '../frames/batch.ts';
import { takeWithin } from '../frames/batch-lists.ts';
import type { Codec } from '../frames/codec.ts';
import type { PushSink } from '../frames/pusher.ts';
import type { Head, RecalledComment, Store, StoredBatch, StoreState } from '../store/store.ts';
import { QuietRooms } from './quiet-rooms.ts';
import { RecentRecalls } from './recent-recalls.ts';
import { type Origin, Room, type Waiting } from './room.ts';
import { Slots, slotStart } from './slots.ts';

/** A room that the store could not open is tried again after this time, in ms. */
const REOPEN_MS = 1_000;

export interface RoomsOptions {
  readonly clock: Clock;
  readonly store: Store;
  readonly sink: PushSink<Room>;
  readonly shards: number;
  /** Milliseconds between two pushes of a room. */
  readonly interval: number;
  /** Milliseconds without a push after which a room with viewers hears a presence. */
  readonly heartbeat: number;
  /** Most comments a push. */
  readonly maxBatch: number;
  /** Most ids of recalled comments a push; more wait for the room's next one. */
  readonly maxRecalled: number;
  /** Most comments waiting a room. */
  readonly maxPending: number;
  /** Most comments waiting in all rooms together. */
  readonly maxPendingAll: number;
  /** Most bytes of batches merged into one push, which holds at most `maxBatch` comments too; a single batch may be larger. */
  readonly maxPushBytes: number;
  readonly counters: MainCounters;
  /** Told when the store cannot open a room. */
  readonly onFault: (room: string, error: unknown) => void;
}

export class Rooms {
  /** What was recalled not long ago, for viewers who were away or still catching up. */
  readonly recalls = new RecentRecalls();
  readonly #options: RoomsOptions;
  readonly #rooms = new Map<string, Room>();
  readonly #slots: Slots<Room>;
  readonly #quiet: QuietRooms;
  #pendingAll = 0;
  /** Rooms that are not idle. */
  #inFlight = 0;
  #draining = false;
  #stalled = false;
  #isStopped = false;
  #drained: (() => void) | undefined;

  constructor(options: RoomsOptions) {
    this.#options = options;
    this.#slots = new Slots(options.clock, (due) => {
      for (const room of due) this.#fire(room);
    });
    this.#quiet = new QuietRooms(options.clock, options.heartbeat, (room) => {
      // While the store is slow viewers still hear that the link lives; a push under way tells them itself.
      if (room.phase !== 'pushing') options.sink.pushPresence(room);
    });
  }

  get size(): number {
    return this.#rooms.size;
  }

  /** Comments accepted and not yet fired. */
  get pending(): number {
    return this.#pendingAll;
  }

  all(): Iterable<Room> {
    return this.#rooms.values();
  }

  /** The room if it is live: somebody watches it or something is on its way. */
  get(name: string): Room | undefined {
    return this.#rooms.get(name);
  }

  /**
   * Takes a comment in, or says why not. `name` must be a valid room name. An accepted comment is either stored or
   * reported to `origin` as failed.
   */
  offer(name: string, draft: Draft, origin: Origin | null, number: number): Refusal | undefined {
    const { interval, maxPending, maxPendingAll, clock } = this.#options;
    const { refusal } = this;
    if (refusal !== null) return { code: refusal, retryAfterMs: interval };
    if (this.#pendingAll >= maxPendingAll) return { code: 'BUSY', retryAfterMs: interval };
    const room = this.#open(name);
    const own = room.pending.length;
    if (own >= maxPending || !leavesEnough(own, this.#pendingAll, maxPendingAll, FEW_OF_ROOM)) {
      return { code: 'ROOM_BUSY', retryAfterMs: interval };
    }
    const { text, mode, color, size, user, name: author, extra } = draft;
    const at = clock.unix();
    room.pending.push({ text, mode, color, size, user, name: author, extra, at, origin, number });
    this.#pendingAll += 1;
    this.#schedule(room);
    return undefined;
  }

  /** Why every comment is refused now; null when it is not. */
  get refusal(): 'SHUTTING_DOWN' | 'STORE_STALLED' | null {
    if (this.#draining) return 'SHUTTING_DOWN';
    return this.#stalled ? 'STORE_STALLED' : null;
  }

  /** As the store says ({@link StoreEvents}). */
  storeState(state: StoreState): void {
    this.#stalled = state === 'stalled';
  }

  /** Tells the viewers with their room's next push that comments are gone, and later those who come back. */
  recalled(comments: readonly RecalledComment[]): void {
    const { clock } = this.#options;
    for (const { room: name, id, at } of comments) {
      this.recalls.add(name, id, clock.now() - Math.max(0, clock.unix() - at));
      const room = this.#rooms.get(name);
      if (room === undefined) continue;
      room.recalled.push(id);
      this.#schedule(room);
    }
  }

  /** Counts viewers in; `count` may be 0. From this turn on the room's pushes are made for `codec`. */
  join(name: string, shard: number, codec: Codec, count: number): Room {
    const room = this.#open(name);
    room.addViewers(shard, codec, count);
    if (room.viewers > 0) this.#quiet.add(room);
    this.#forgetLater(room);
    return room;
  }

  /** Counts viewers out. */
  leave(name: string, shard: number, codec: Codec, count: number): void {
    const room = this.#rooms.get(name);
    if (room === undefined) return;
    room.addViewers(shard, codec, -count);
    this.#forgetLater(room);
  }

  /** Counts out every viewer of a shard that is gone. */
  dropShard(shard: number): void {
    for (const room of this.#rooms.values()) {
      room.dropShard(shard);
      this.#forgetLater(room);
    }
  }

  /** The store's tail: batches of any rooms, ours and other nodes', in order within each room. */
  tail(batches: readonly StoredBatch[]): void {
    for (const batch of batches) {
      const room = this.#rooms.get(batch.room);
      if (room === undefined) continue;
      if (room.phase !== 'opening' && batch.seq <= room.seq) continue;
      room.tail.push(batch);
      if (room.phase === 'appending') this.#pushOwn(room);
      else this.#schedule(room);
    }
  }

  /** The shards are told of everything up to `seq`, in this turn. */
  readonly #committed = (room: Room, seq: number): void => {
    room.seq = seq;
    this.#options.counters.pushTimes.record(this.#options.clock.now() - room.startedAt);
    this.#quiet.heard(room);
    this.#settle(room);
  };

  /** Fires what is pending without waiting for the interval, takes nothing more; resolves when all is committed. */
  drain(): Promise<void> {
    this.refuse();
    return new Promise((resolve) => {
      this.#drained = resolve;
      for (const room of this.#rooms.values()) this.#schedule(room);
      this.#tellDrained();
    });
  }

  /** From now on every comment is refused `SHUTTING_DOWN`. */
  refuse(): void {
    this.#draining = true;
  }

  stop(): void {
    this.#isStopped = true;
    this.#slots.stop();
    this.#quiet.stop();
  }

  #open(name: string): Room {
    let room = this.#rooms.get(name);
    if (room === undefined) {
      room = new Room(name, this.#options.shards);
      this.#rooms.set(name, room);
      this.#inFlight += 1;
      void this.#follow(room);
    }
    return room;
  }

  async #follow(room: Room): Promise<void> {
    if (this.#isStopped) return;
    let head: Head;
    try {
      head = await this.#options.store.follow(room.name);
    } catch (error) {
      this.#options.onFault(room.name, error);
      this.#refuseAll(this.#takePending(room, room.pending.length), refusalOf(error));
      if (room.viewers === 0 || this.#drained !== undefined) this.#abandon(room);
      else this.#options.clock.after(REOPEN_MS, () => void this.#follow(room));
      return;
    }
    room.seq = head.seq;
    room.tail = room.tail.filter(({ seq }) => seq > head.seq);
    this.#settle(room);
    for (const run of room.onOpen.splice(0)) run();
  }

  /** Nobody waits for a room that cannot be opened. */
  #abandon(room: Room): void {
    this.#inFlight -= 1;
    this.#rooms.delete(room.name);
    this.#tellDrained();
  }

  /** Puts the room into the slot in which it may fire next; once the server drains, fires it at once. */
  #schedule(room: Room): void {
    if (room.phase !== 'idle') return;
    if (this.#drained !== undefined) {
      this.#fire(room);
    } else if (!room.scheduled) {
      room.scheduled = true;
      this.#slots.add(room, room.firedAt + this.#options.interval);
    }
  }

  #fire(room: Room): void {
    room.scheduled = false;
    if (room.phase !== 'idle') return;
    if (room.pending.length === 0 && !room.hasNews) {
      this.#forget(room);
      return;
    }
    // The beginning of the slot, not the time of day: a timer that is late must not shift the room's beat.
    room.startedAt = this.#options.clock.now();
    room.firedAt = slotStart(room.startedAt);
    this.#inFlight += 1;
    // A push that was cut short may have left the room's own last batch: it goes out before another is appended.
    const backlog = room.ownSeq > room.seq;
    if (room.pending.length > 0 && !backlog) this.#append(room);
    else this.#push(room);
  }

  #append(room: Room): void {
    const { maxBatch, store, counters } = this.#options;
    const taken = this.#takePending(room, fittingComments(room.pending, maxBatch, store.maxBatchBytes));
    room.phase = 'appending';
    room.ownSeq = 0;
    counters.batches += 1;
    store.append(room.name, encodeBatch(taken)).then(
      (seq) => this.#stored(room, taken, seq),
      (error: unknown) => this.#failed(room, taken, error),
    );
  }

  /** Takes the oldest `count` pending comments out for good. */
  #takePending(room: Room, count: number): readonly Waiting[] {
    const taken = count >= room.pending.length ? room.pending : room.pending.slice(0, count);
    room.pending = count >= room.pending.length ? [] : room.pending.slice(count);
    this.#pendingAll -= taken.length;
    room.taken += taken.length;
    return taken;
  }

  #refuseAll(taken: readonly Waiting[], code: RefusalCode): void {
    countRefused(this.#options.counters, code, taken.length);
    for (const { origin, number } of taken) origin?.failed(number, code);
  }

  #stored(room: Room, taken: readonly Waiting[], seq: number): void {
    this.#options.counters.appendTimes.record(this.#options.clock.now() - room.startedAt);
    for (const [place, { origin, number }] of taken.entries()) origin?.stored(number, seq, place);
    room.ownSeq = seq;
    this.#pushOwn(room);
  }

  #failed(room: Room, taken: readonly Waiting[], error: unknown): void {
    const { counters, clock } = this.#options;
    counters.appendTimes.record(clock.now() - room.startedAt);
    this.#refuseAll(taken, refusalOf(error));
    // Other nodes' batches must not wait for an append of ours to succeed.
    if (room.hasNews) this.#push(room);
    else this.#settle(room);
  }

  /** Pushes once the append is answered and its batch has come out of the tail, whichever is later. */
  #pushOwn(room: Room): void {
    if (room.ownSeq === 0) return;
    const newest = room.tail.at(-1)?.seq ?? room.seq;
    if (newest >= room.ownSeq) this.#push(room);
  }

  #push(room: Room): void {
    const batches = takeWithin(room.tail, this.#options.maxPushBytes, this.#options.maxBatch);
    room.tail = room.tail.slice(batches.length);
    const recalled = room.recalled.splice(0, this.#options.maxRecalled);
    room.phase = 'pushing';
    this.#options.sink.push(room, batches, recalled, this.#committed);
  }

  #settle(room: Room): void {
    room.phase = 'idle';
    this.#inFlight -= 1;
    if (room.pending.length > 0 || room.hasNews) this.#schedule(room);
    else this.#forgetLater(room);
    this.#tellDrained();
  }

  /** A room that nobody watches is looked at again when it could fire: forgotten before, it could fire too soon. */
  #forgetLater(room: Room): void {
    if (room.viewers === 0) {
      this.#quiet.drop(room);
      this.#schedule(room);
    }
  }

  #forget(room: Room): void {
    if (room.viewers > 0) return;
    this.#rooms.delete(room.name);
    this.#options.store.unfollow(room.name);
  }

  #tellDrained(): void {
    if (this.#drained === undefined || this.#inFlight > 0) return;
    this.#drained();
    this.#drained = undefined;
  }
}
