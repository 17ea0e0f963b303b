import type { Counts, Sample } from '../../metrics/sample.ts';
import { zeroCounts } from '../../metrics/sampler.ts';

const NEVER = { count: 0, mean: 0, p99: 0, max: 0 };

/** A sample of a server that does nothing. */
export function sampleOf(given: Partial<Omit<Sample, 'rates'>> & { rates?: Partial<Counts> } = {}): Sample {
  return {
    at: 1_764_000_000_000,
    viewers: 0,
    rooms: 0,
    pending: 0,
    storeBytes: 0,
    ringUsed: 0,
    refused: {},
    store: NEVER,
    push: NEVER,
    threads: [],
    ...given,
    rates: { ...zeroCounts(), ...given.rates },
  };
}
