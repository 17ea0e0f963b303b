import type { Counts, Sample } from '../../metrics/sample.ts';

const ZERO: Counts = {
  commentsHttp: 0,
  commentsSocket: 0,
  refused: 0,
  batches: 0,
  pushes: 0,
  presences: 0,
  ringWaits: 0,
  shardRestarts: 0,
  joined: 0,
  deliveries: 0,
  deliveredBytes: 0,
  dropped: 0,
  skipped: 0,
  closed: 0,
};

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
    rates: { ...ZERO, ...given.rates },
  };
}
