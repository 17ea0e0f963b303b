import type { RefusalCode } from '../codes.ts';
import { DEFAULT_COLOR, DEFAULT_MODE, DEFAULT_SIZE, type Draft } from '../comment.ts';
import { createMainCounters, type MainCounters } from '../counters.ts';
import { decodeBatch, type EncodedBatch, encodeBatch } from '../frames/batch.ts';
import type { PushSink } from '../frames/pusher.ts';
import type { Origin, Room } from '../rooms/room.ts';
import { Rooms, type RoomsOptions } from '../rooms/rooms.ts';
import type { RecalledComment, Store, StoredBatch } from '../store/store.ts';
import { FakeClock } from './clock.ts';

/** A push that the sink was handed. */
interface SeenPush {
  readonly room: string;
  readonly at: number;
  readonly seqs: readonly number[];
  readonly prevs: readonly number[];
  readonly texts: readonly string[];
  readonly recalled: readonly string[];
}

/** Keeps what rooms push. Commits in the same turn unless `holds`; then a test says when. */
class FakeSink implements PushSink<Room> {
  readonly pushes: SeenPush[] = [];
  readonly presences: { room: string; at: number }[] = [];
  holds = false;
  /** Runs in place of a commit's telling; a test may do more. */
  onCommit = (room: Room, seq: number, committed: (room: Room, seq: number) => void): void => committed(room, seq);
  readonly #clock: FakeClock;
  #held: (() => void)[] = [];

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  push(
    room: Room,
    batches: readonly StoredBatch[],
    recalled: readonly string[],
    committed: (room: Room, seq: number) => void,
  ): void {
    this.pushes.push({
      room: room.name,
      at: this.#clock.now(),
      seqs: batches.map(({ seq }) => seq),
      prevs: batches.map(({ prev }) => prev),
      texts: batches.flatMap(textsOf),
      recalled,
    });
    const commit = (): void => this.onCommit(room, batches.at(-1)?.seq ?? room.seq, committed);
    if (this.holds) this.#held.push(commit);
    else commit();
  }

  pushPresence(room: Room): void {
    this.presences.push({ room: room.name, at: this.#clock.now() });
  }

  /** Commits everything held. */
  commit(): void {
    const held = this.#held;
    this.#held = [];
    for (const commit of held) commit();
  }

  /** The texts of all pushes of a room, in order. */
  texts(room: string): string[] {
    return this.pushes.filter((push) => push.room === room).flatMap(({ texts }) => texts);
  }

  /** When a room pushed. */
  times(room: string): number[] {
    return this.pushes.filter((push) => push.room === room).map(({ at }) => at);
  }
}

/** What became of the comments of one sender. */
export class Receipts implements Origin {
  /** Ids by comment number. */
  readonly ids = new Map<number, string>();
  readonly codes = new Map<number, RefusalCode>();

  stored(number: number, seq: number, place: number): void {
    if (this.ids.has(number) || this.codes.has(number)) throw new Error(`comment ${number} was answered before`);
    this.ids.set(number, `${seq}.${place}`);
  }

  failed(number: number, code: RefusalCode): void {
    if (this.ids.has(number) || this.codes.has(number)) throw new Error(`comment ${number} was answered before`);
    this.codes.set(number, code);
  }
}

/** What a test may set; the rest has the defaults of the settings. */
export type RigOptions = Partial<Omit<RoomsOptions, 'clock'>> & { readonly clock?: FakeClock };

/** Rooms on a clock that stands still, and everything round them. */
export interface RoomsRig<S extends Store> {
  readonly clock: FakeClock;
  readonly store: S;
  readonly sink: FakeSink;
  readonly counters: MainCounters;
  readonly rooms: Rooms;
}

export async function createRooms<S extends Store>(store: S, options: RigOptions = {}): Promise<RoomsRig<S>> {
  const clock = options.clock ?? new FakeClock();
  const sink = new FakeSink(clock);
  const counters = createMainCounters();
  const rooms = new Rooms({
    store,
    sink,
    counters,
    shards: 2,
    interval: 1_000,
    heartbeat: 15_000,
    maxBatch: 1_000,
    maxRecalled: 200,
    maxPending: 5_000,
    maxPendingAll: 200_000,
    maxPushBytes: 1_000_000,
    onFault: () => undefined,
    ...options,
    clock,
  });
  await store.start({
    tail: (batches) => rooms.tail(batches),
    recalled: (comments) => rooms.recalled(comments),
    state: (state) => rooms.storeState(state),
  });
  return { clock, store, sink, counters, rooms };
}

export function draftOf(text: string): Draft {
  return { text, mode: DEFAULT_MODE, color: DEFAULT_COLOR, size: DEFAULT_SIZE, user: '', name: '', extra: '' };
}

/** A comment that is recalled now. */
export function recallOf(room: string, id: string, at = 1_764_000_000_000): RecalledComment {
  return { room, id, at };
}

/** A batch as another node would have encoded it. */
export function batchOf(...texts: string[]): EncodedBatch {
  return encodeBatch(texts.map((text) => ({ ...draftOf(text), at: 1_764_000_000_000 })));
}

/** The texts in a batch, in order. */
export function textsOf({ bytes }: { readonly bytes: Uint8Array }): string[] {
  return decodeBatch({ seq: 0, prev: 0, bytes }).comments.map(({ text }) => text);
}
