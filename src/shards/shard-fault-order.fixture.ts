/** The channel on which a test's server tells its shards to misbehave. */
export const FAULT_CHANNEL = 'volley-shard-faults';

export interface FaultOrder {
  readonly shard: number;
  /** `throw`: the next push throws half-way. `stall`: the thread stands still for `ms`. */
  readonly fault: 'throw' | 'stall';
  readonly ms: number;
}
