/** What the test of joins and its shards tell each other, on one channel each way. */
export const ORDER_CHANNEL = 'volley-joining-orders';
export const REPORT_CHANNEL = 'volley-joining-reports';

/** Rooms of each shard's viewers; the first is everybody's. The last shard joins none. */
export const SHARDS = 5;
export const IDLE_SHARD = SHARDS - 1;
export const ROOMS = ['all', ...Array.from({ length: 12 }, (_, i) => `room-${i}`)];

/** `still`: nobody joins or leaves any more. `throw`: the next push of a shard throws. */
export type JoiningOrder =
  | { readonly do: 'still' }
  | { readonly do: 'throw'; readonly shard: number }
  | { readonly do: 'report'; readonly number: number; readonly seqs: ReadonlyMap<string, number> };

/** What a viewer saw that it should not have. It is told at once: its shard may be about to end. */
export interface JoiningFault {
  readonly fault: string;
}

/** Of one generation of a shard. */
export interface JoiningReport {
  readonly shard: number;
  /** Of the order that this answers. */
  readonly number: number;
  readonly joined: number;
  /** Batches that viewers saw. */
  readonly batches: number;
  /** Ring entries published. */
  readonly entries: number;
  /** Viewers that have not seen the newest batch of their room yet. */
  readonly behind: number;
}
