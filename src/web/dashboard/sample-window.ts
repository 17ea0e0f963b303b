import type { Sample } from '../../metrics/sample.ts';

/** What the charts show at most, in ms. */
const SPAN_MS = 600_000;

/** Samples further apart than this, in ms, have a gap between them: the server was away or stood still. */
const GAP_MS = 2_500;

/** Samples that are older by more than this, in ms, come from a clock that was set back. */
const SET_BACK_MS = 5_000;

/** A moment of the charts; the line is broken where there is no sample. */
export interface Moment {
  readonly at: number;
  readonly sample: Sample | null;
}

/** The last minutes as this page knows them, over any number of connections and starts of the server. */
export class SampleWindow {
  #samples: Sample[] = [];

  /** When the newest was made, Unix ms; 0 for none. */
  get newestAt(): number {
    return this.#samples.at(-1)?.at ?? 0;
  }

  /**
   * Takes samples in, oldest first; those that are known already, or too old, are left out. Where the server's clock was
   * set back, what was before is forgotten: nothing would be newer for as long as it was set back.
   */
  add(samples: readonly Sample[]): void {
    const last = samples.at(-1)?.at ?? this.newestAt;
    if (last < this.newestAt - SET_BACK_MS) this.#samples = [];
    const fresh = samples.filter(({ at }) => at > this.newestAt);
    const all = [...this.#samples, ...fresh];
    const newest = all.at(-1)?.at ?? 0;
    this.#samples = all.filter(({ at }) => at > newest - SPAN_MS);
  }

  /** Everything of the last `spanMs`, oldest first, with a moment without a sample in every gap. */
  moments(spanMs: number): Moment[] {
    const moments: Moment[] = [];
    let before = Number.POSITIVE_INFINITY;
    for (const sample of this.#samples) {
      if (sample.at <= this.newestAt - spanMs) continue;
      if (sample.at - before > GAP_MS) moments.push({ at: before + 1_000, sample: null });
      moments.push({ at: sample.at, sample });
      before = sample.at;
    }
    return moments;
  }
}
