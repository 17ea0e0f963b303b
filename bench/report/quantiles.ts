import type { Histogram } from 'hdr-histogram-js';
import type { LatencyDocument, RateDocument } from './bench-document.ts';

/** Percentiles of a histogram of µs, in ms. */
export function describeLatency(histogram: Histogram): LatencyDocument {
  const count = histogram.totalCount;
  // A percentile is the upper end of its bucket, which may lie above the highest value itself.
  const at = (percent: number): number | null =>
    count === 0 ? null : Math.min(histogram.getValueAtPercentile(percent), histogram.maxValue) / 1_000;
  return {
    count,
    p2_5: at(2.5),
    p50: at(50),
    p97_5: at(97.5),
    p99: at(99),
    p99_9: at(99.9),
    max: count === 0 ? null : histogram.maxValue / 1_000,
    average: count === 0 ? null : histogram.mean / 1_000,
  };
}

/** Exact percentiles of a few values. */
export function describeRate(values: readonly number[]): RateDocument {
  const sorted = [...values].sort((one, other) => one - other);
  const at = (percent: number): number | null => valueAt(sorted, percent);
  return {
    p1: at(1),
    p2_5: at(2.5),
    p50: at(50),
    p97_5: at(97.5),
    average: sorted.length === 0 ? null : sorted.reduce((sum, value) => sum + value, 0) / sorted.length,
    min: sorted[0] ?? null,
  };
}

/**
 * The least of the values that so many percent of them are not above (the nearest rank); null for none.
 * @param sorted rising
 */
export function valueAt(sorted: readonly number[], percent: number): number | null {
  const rank = Math.max(1, Math.ceil((percent / 100) * sorted.length));
  return sorted[rank - 1] ?? null;
}
