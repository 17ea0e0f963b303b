import type { DurationSummary } from '../../counters.ts';
import type { Counts, Sample, ThreadSample, Tick } from '../../metrics/sample.ts';
import type { Unit } from './number-text.ts';

/** A line of a chart: what it is called, its value in a sample, and its total since the server's start. */
export interface Line {
  readonly label: string;
  readonly value: (sample: Sample) => number;
  readonly total?: (tick: Tick) => number;
}

/** A chart. */
export interface Chart {
  readonly id: string;
  readonly title: string;
  readonly unit: Unit;
  /** The unit of the totals. */
  readonly totalUnit?: Unit;
  /** The one value that says most. */
  readonly headline: (sample: Sample) => number;
  /** Its lines may change with what there is to show. */
  readonly lines: (samples: readonly Sample[], tick: Tick | null) => readonly Line[];
  /** What stands there as long as there is no line. */
  readonly none?: string;
}

/** Codes with a line of their own; the others share one. */
const MOST_CODES = 5;

/** All charts of the page, in its order. */
export const CHARTS: readonly Chart[] = [
  {
    id: 'viewers',
    title: 'Viewers',
    unit: 'count',
    headline: (s) => s.viewers,
    lines: () => [{ label: 'connected', value: (s) => s.viewers }],
  },
  {
    id: 'comments',
    title: 'Comments in',
    unit: 'rate',
    headline: ({ rates }) => rates.commentsHttp + rates.commentsSocket + rates.commentsDemo,
    lines: (_, tick) => [
      counted('over HTTP', 'commentsHttp'),
      counted('from viewers', 'commentsSocket'),
      ...((tick?.totals.commentsDemo ?? 0) > 0 ? [counted('made up (--demo)', 'commentsDemo')] : []),
    ],
  },
  {
    id: 'refused',
    title: 'Refused',
    unit: 'rate',
    headline: ({ rates }) => rates.refused,
    lines: refusalLines,
    none: 'Nothing was refused.',
  },
  {
    id: 'pushes',
    title: 'Pushes',
    unit: 'rate',
    headline: ({ rates }) => rates.pushes,
    lines: () => [counted('batches fired', 'batches'), counted('frames', 'pushes'), counted('presences', 'presences')],
  },
  {
    id: 'deliveries',
    title: 'Deliveries',
    unit: 'rate',
    headline: ({ rates }) => rates.deliveries,
    lines: () => [counted('to viewers', 'deliveries')],
  },
  {
    id: 'bytes',
    title: 'Bytes delivered',
    unit: 'byteRate',
    totalUnit: 'bytes',
    headline: ({ rates }) => rates.deliveredBytes,
    lines: () => [counted('payload', 'deliveredBytes')],
  },
  {
    id: 'slow',
    title: 'Slow viewers',
    unit: 'rate',
    headline: ({ rates }) => rates.dropped,
    lines: () => [
      counted('messages dropped', 'dropped'),
      counted('viewers skipped', 'skipped'),
      counted('viewers closed', 'closed'),
    ],
  },
  {
    id: 'store',
    title: 'Store latency',
    unit: 'ms',
    headline: ({ store }) => store.p99,
    lines: () => durations((sample) => sample.store),
  },
  {
    id: 'push',
    title: 'Push latency',
    unit: 'ms',
    headline: ({ push }) => push.p99,
    lines: () => durations((sample) => sample.push),
  },
  {
    id: 'delay',
    title: 'Event-loop delay',
    unit: 'ms',
    headline: ({ threads }) => Math.max(0, ...threads.map(({ delayMax }) => delayMax)),
    lines: (samples) => linePerThread(samples, ({ delayMax }) => delayMax),
  },
  {
    id: 'cpu',
    title: 'CPU',
    unit: 'share',
    headline: ({ threads }) => threads.reduce((sum, { cpu }) => sum + cpu, 0),
    lines: (samples) => linePerThread(samples, ({ cpu }) => cpu),
  },
];

function counted(label: string, name: keyof Counts): Line {
  return { label, value: ({ rates }) => rates[name], total: ({ totals }) => totals[name] };
}

function durations(of: (sample: Sample) => DurationSummary): Line[] {
  return [
    { label: 'mean', value: (sample) => of(sample).mean },
    { label: '99th percentile', value: (sample) => of(sample).p99 },
    { label: 'longest', value: (sample) => of(sample).max },
  ];
}

/** Main, then the shards. */
function linePerThread(samples: readonly Sample[], of: (thread: ThreadSample) => number): Line[] {
  const count = samples.at(-1)?.threads.length ?? 0;
  return Array.from({ length: count }, (_, i) => ({
    label: i === 0 ? 'main' : `shard ${i - 1}`,
    value: ({ threads }: Sample) => {
      const thread = threads[i];
      return thread === undefined ? 0 : of(thread);
    },
  }));
}

/** The codes that were refused most in these samples, and what else was refused since the start. */
function refusalLines(samples: readonly Sample[], tick: Tick | null): Line[] {
  const sums = new Map(Object.keys(tick?.refused ?? {}).map((code) => [code, 0]));
  for (const { refused } of samples) {
    for (const [code, rate] of Object.entries(refused)) sums.set(code, (sums.get(code) ?? 0) + rate);
  }
  const codes = [...sums].sort(([one, a], [other, b]) => b - a || (one < other ? -1 : 1)).map(([code]) => code);
  const rest = codes.splice(codes.length > MOST_CODES + 1 ? MOST_CODES : MOST_CODES + 1);
  // By name, so that a line keeps its colour when another overtakes it.
  const lines = codes.sort().map((code) => ofCodes(code, [code]));
  return rest.length === 0 ? lines : [...lines, ofCodes(`${rest.length} others`, rest)];
}

function ofCodes(label: string, codes: readonly string[]): Line {
  const sum = (by: Readonly<Record<string, number>>): number => codes.reduce((all, code) => all + (by[code] ?? 0), 0);
  return { label, value: ({ refused }) => sum(refused), total: ({ refused }) => sum(refused) };
}

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
