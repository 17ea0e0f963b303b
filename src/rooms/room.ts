import type { RefusalCode } from '../codes.ts';
import type { TimedDraft } from '../frames/batch.ts';
import { ALL_CODECS, CODECS, type Codec, topicOf } from '../frames/codec.ts';
import { maskWords } from '../frames/frame-ring.ts';
import type { StoredBatch } from '../store/store.ts';

/** Whoever sent comments and hears what became of them, by the number that it gave each. */
export interface Origin {
  /** The store holds comment `number`: its id is `seq.place`. */
  stored(number: number, seq: number, place: number): void;
  /** Comment `number`, accepted before, was not stored after all. */
  failed(number: number, code: RefusalCode): void;
}

/** An accepted comment on its way to the store. `origin` is null for who does not want to know. */
export interface Waiting extends TimedDraft {
  readonly origin: Origin | null;
  readonly number: number;
}

/**
 * What a room is doing. Between fire and commit it has one batch of its own at most.
 *
 *   opening ──the store follows it──▶ idle ──fire──▶ appending ──answered and in the tail──▶ pushing
 *      │ ▲                            ▲ ▲                │                                      │
 *      └─┘ the store failed:          │ └────refused─────┘                                      │
 *          again after a second       └───────────────committed to the ring────────────────────┘
 *
 * `appending` ends when both have come, in whichever order: the append's answer with a seq, and the tail with a batch of
 * that seq. Batches of other nodes that the tail brings meanwhile wait for it, so that all go out as one push. A refused
 * append (STORE_UNKNOWN too) ends it at once; if the tail brings the batch after all, it is pushed like another node's.
 * While a room is `opening`, its comments wait and joins queue.
 */
type RoomPhase = 'opening' | 'idle' | 'appending' | 'pushing';

const encoder = new TextEncoder();

/** A room that somebody watches, or that has comments on their way. */
export class Room {
  readonly name: string;
  /** The last committed seq: every shard has been told of the ring entries up to here, and of nothing beyond. */
  seq = 0;
  phase: RoomPhase = 'opening';
  /** What is to be done once it is open. */
  onOpen: (() => void)[] = [];
  /** Accepted, not yet fired, oldest first. */
  pending: Waiting[] = [];
  /** Delivered by the store, not yet pushed, oldest first. */
  tail: StoredBatch[] = [];
  /** Ids of recalled comments that its viewers have not been told of, oldest first. */
  recalled: string[] = [];
  /** The seq of the batch in flight once its append is answered, 0 before. */
  ownSeq = 0;
  /** When it last fired or pushed the tail, in the clock's ms. */
  firedAt = Number.NEGATIVE_INFINITY;
  /** When what is in flight began, in the clock's ms: `firedAt` is the beginning of that slot. */
  startedAt = 0;
  /** Comments taken out of `pending` since the room was opened. */
  taken = 0;
  /** When its viewers last heard anything. */
  heardAt = Number.NEGATIVE_INFINITY;
  /** True while it stands in a slot. */
  scheduled = false;
  /** Viewers in all and by codec. Read as they are now at every commit. */
  viewers = 0;
  readonly viewersByCodec: [number, number, number] = [0, 0, 0];
  /** Viewers by shard and codec, so that a lost shard's can be taken off: `[shard * 3 + codec]`. */
  readonly #byShard: Uint32Array;
  /** The shards whose count is not 0, by codec. */
  readonly #masks: (Uint32Array | undefined)[] = [];
  readonly #shards: number;
  readonly #topics: (Uint8Array | undefined)[] = [];

  constructor(name: string, shards: number) {
    this.name = name;
    this.#shards = shards;
    this.#byShard = new Uint32Array(shards * CODECS.length);
  }

  /** Something for its viewers that needs no append. */
  get hasNews(): boolean {
    return this.tail.length > 0 || this.recalled.length > 0;
  }

  /** The topic of this room's viewers on `codec`, as the bytes that go into the ring. */
  topic(codec: Codec): Uint8Array {
    this.#topics[codec] ??= encoder.encode(topicOf(codec, this.name));
    return this.#topics[codec];
  }

  /** The shards with viewers on `codec`, as a mask for the ring. It changes as viewers come and go. */
  shardsOf(codec: Codec): Uint32Array {
    this.#masks[codec] ??= new Uint32Array(maskWords(this.#shards));
    return this.#masks[codec];
  }

  /** Counts viewers in, or out where `count` is negative. */
  addViewers(shard: number, codec: Codec, count: number): void {
    if (count === 0) return;
    const index = shard * CODECS.length + codec;
    const viewers = (this.#byShard[index] ?? 0) + count;
    this.#byShard[index] = viewers;
    const mask = this.shardsOf(codec);
    const bit = 1 << (shard & 31);
    const others = (mask[shard >>> 5] ?? 0) & ~bit;
    mask[shard >>> 5] = viewers > 0 ? others | bit : others;
    this.viewersByCodec[codec] += count;
    this.viewers += count;
  }

  /** Its viewers on one shard, whatever their codec. */
  viewersOn(shard: number): number {
    return this.#byShard.subarray(shard * CODECS.length, (shard + 1) * CODECS.length).reduce((sum, n) => sum + n, 0);
  }

  /** Takes off what a lost shard had here. */
  dropShard(shard: number): void {
    for (const codec of ALL_CODECS) {
      this.addViewers(shard, codec, -(this.#byShard[shard * CODECS.length + codec] ?? 0));
    }
  }
}
