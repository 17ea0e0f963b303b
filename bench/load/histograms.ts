import { build, type Histogram } from 'hdr-histogram-js';

/** Ten minutes, in µs. */
const MOST = 600_000_000;

/** A histogram of µs up to ten minutes, to three digits. */
export function makeHistogram(): Histogram {
  return build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: MOST,
    numberOfSignificantValueDigits: 3,
    bitBucketSize: 64,
    useWebAssembly: false,
  });
}

/** Records a duration in ms. Below 0 and above ten minutes the bound is recorded: nothing is left out. */
export function recordMs(histogram: Histogram, ms: number): void {
  histogram.recordValue(Math.min(MOST, Math.max(0, Math.round(ms * 1_000))));
}
