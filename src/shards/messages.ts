/**
 * Every message between the main thread and a shard. One MessagePort a shard and generation, so all of them arrive
 * in the order in which they were posted: an answer that subscribes viewers stands exactly between the wake-up for
 * the last batch that it covers and the wake-up for the next.
 */
import type { MessagePort } from 'node:worker_threads';
import type { RefusalCode } from '../codes.ts';
import type { Codec } from '../frames/codec.ts';
import type { RingMemory } from '../frames/frame-ring.ts';

/** What a shard's task is started with. */
export interface ShardTask {
  readonly shard: number;
  readonly port: MessagePort;
  readonly ring: RingMemory;
  /** Memory of {@link ShardCounters}. */
  readonly counters: SharedArrayBuffer;
  readonly limits: ShardLimits;
}

export interface ShardLimits {
  readonly host: string;
  /** The real port, never 0. */
  readonly port: number;
  /** Shards, and most connections to the API: both have a part in the open files of the process. */
  readonly workers: number;
  readonly apiConnections: number;
  /** Milliseconds between two pushes of a room: what a refused sender is told to wait. */
  readonly interval: number;
  /** Most comments waiting in a room. */
  readonly maxPending: number;
  readonly maxMessage: number;
  readonly maxText: number;
  /** Whether viewers may set the name of their comments. */
  readonly viewerNames: boolean;
  readonly maxBackpressure: number;
  /** Bytes of backfill under way to viewers of this shard: its share of --catch-up-bytes. */
  readonly catchUpBytes: number;
  /** Milliseconds. */
  readonly slowClose: number;
  /** Seconds. */
  readonly idleTimeout: number;
}

/**
 * A wake-up is a bare number, the head up to which the ring is readable: it costs the same whatever was pushed. It is
 * posted to the shards that have viewers for something in the commit.
 */
export type ToShard =
  | number
  | { readonly kind: 'answers'; readonly answers: readonly JoinAnswer[] }
  | {
      readonly kind: 'receipts';
      /** Triples: comment number, seq, place. */
      readonly stored: Float64Array;
      readonly failed: readonly CommentFailure[];
    }
  /** Stop listening, refuse comments, post what is gathered, answer `quiesced`. */
  | { readonly kind: 'quiesce' }
  /** Close every viewer with 1012, then the App; the task resolves. */
  | { readonly kind: 'close' };

/** A comment that was refused, or was accepted and not stored after all. */
export interface CommentFailure {
  /** The shard's number for it. */
  readonly number: number;
  readonly code: RefusalCode;
  readonly retryAfterMs?: number;
}

export type FromShard =
  /** Takes viewers; `library` is the package of uWebSockets.js that it runs on, and its version. */
  { readonly kind: 'listening'; readonly library: string } | ShardTurn | { readonly kind: 'quiesced' };

/** What the message of a shard begins with that found no uWebSockets.js: errors lose their class between threads. */
export const NO_BINARY = 'uWebSockets.js has no binary that loads with';

/** What one turn of the shard's loop gathered. Joins count before leaves. */
export interface ShardTurn {
  readonly kind: 'turn';
  readonly joins: readonly JoinRequest[];
  readonly leaves: readonly Leave[];
  readonly comments: CommentColumns | null;
}

/** Viewers of one shard at the same point of the same room, who share one answer. */
export interface JoinRequest {
  /** The shard's number for this request. */
  readonly id: number;
  readonly room: string;
  readonly codec: Codec;
  /** Viewers that become present with this request; 0 when they ask for the next step of their backfill. */
  readonly joining: number;
  readonly from: JoinPoint;
}

/** Where viewers stand: new, with or without a wish for older batches, or in the middle of a backfill. */
export type JoinPoint =
  | { readonly kind: 'now' }
  | { readonly kind: 'since'; readonly seq: number }
  | { readonly kind: 'history'; readonly comments: number }
  | { readonly kind: 'next'; readonly seq: number };

export interface JoinAnswer {
  readonly id: number;
  /** The welcome message, for those who are new. */
  readonly welcome: string | null;
  /** One step of the backfill. */
  readonly frame: Uint8Array | null;
  /** Recalls that went out while they were away or caught up; after the frame, which may hold one of the comments. */
  readonly recall: string | null;
  /** The seq that the viewers have reached with this answer. */
  readonly reached: number;
  /** Nothing newer is committed: subscribe in the turn in which this arrives. Else ask for the next step. */
  readonly live: boolean;
}

export interface Leave {
  readonly room: string;
  readonly codec: Codec;
  readonly count: number;
}

/** Comments as columns: flat arrays cross threads several times cheaper than objects. */
export interface CommentColumns {
  /** The first comment's number; the others follow. */
  readonly first: number;
  readonly rooms: string[];
  readonly texts: string[];
  readonly modes: number[];
  readonly colors: number[];
  readonly sizes: number[];
  readonly names: string[];
  readonly extras: string[];
}
