/**
 * What the sampler sends and the dashboard draws: types only, so that a browser's code can share them. Rates are a
 * second, times are in ms.
 */
import type { DurationSummary, SAMPLED } from '../counters.ts';

/** One second of the server. It is kept for the charts. */
export interface Sample {
  /** When it was made, Unix ms. */
  readonly at: number;
  readonly viewers: number;
  readonly rooms: number;
  /** Comments accepted and not yet fired. */
  readonly pending: number;
  /** Bytes kept in the store, and bytes of the ring in use. */
  readonly storeBytes: number;
  readonly ringUsed: number;
  readonly rates: Counts;
  /** Refusals by code, of the codes that were refused in this second. */
  readonly refused: Readonly<Record<string, number>>;
  /** From a room's fire to the store's answer, and to its commit to the ring. */
  readonly store: DurationSummary;
  readonly push: DurationSummary;
  /** Main first, then the shards in their order. */
  readonly threads: readonly ThreadSample[];
}

export interface ThreadSample {
  /** CPU seconds a second: 1 is a core. */
  readonly cpu: number;
  readonly delayMean: number;
  readonly delayMax: number;
}

/** What is counted, as totals since the start of the server, or as rates. `refused`: of all codes together. */
export type Counts = Readonly<Record<(typeof SAMPLED)[number] | 'refused', number>>;

/** A room in the list of the busiest. */
export interface BusyRoom {
  readonly room: string;
  readonly viewers: number;
  /** Comments accepted in the last second. */
  readonly comments: number;
  readonly pending: number;
  readonly seq: number;
}

/** What is told of the newest second only. */
export interface Tick {
  readonly sample: Sample;
  readonly totals: Counts;
  /** Totals of refusals by code. */
  readonly refused: Readonly<Record<string, number>>;
  readonly ringCapacity: number;
  /** The ten with the most viewers, and the ten with the most comments in the last second, the busiest first. */
  readonly byViewers: readonly BusyRoom[];
  readonly byComments: readonly BusyRoom[];
}

/** What a stream begins with: the kept samples that its reader does not have, oldest first. */
export interface History {
  readonly samples: readonly Sample[];
  /** Null in the first second. */
  readonly tick: Tick | null;
}

/** One room. */
export interface RoomDetail extends BusyRoom {
  /** Somebody watches, or something is on its way; else only `seq` tells anything. */
  readonly live: boolean;
  /** By codec: json, msgpack, deflate. */
  readonly viewersByCodec: readonly number[];
  readonly viewersByShard: readonly number[];
  /** Ms since the room last fired, null if it has not since it became live. */
  readonly sincePush: number | null;
}
