/** The channel on which a test's server tells its shards to misbehave. */
export const FAULT_CHANNEL = 'volley-shard-faults';

export interface FaultOrder {
  readonly shard: number;
  /** `throw`: the next push throws half-way. `stall`: one call blocks the thread for `ms`. `loop`: it spins for `ms`. */
  readonly fault: 'throw' | 'stall' | 'loop';
  readonly ms: number;
}
