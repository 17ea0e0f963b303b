import { describe, expect, it } from 'vitest';
import type { Counts, Sample, Tick } from '../../metrics/sample.ts';
import { zeroCounts } from '../../metrics/sampler.ts';
import { CHARTS, SampleWindow } from './chart-list.ts';

const NEVER = { count: 0, mean: 0, p99: 0, max: 0 };

/** A sample of a server that does nothing. */
function sampleOf(given: Partial<Omit<Sample, 'rates'>> & { rates?: Partial<Counts> } = {}): Sample {
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

function chartOf(id: string) {
  const chart = CHARTS.find((known) => known.id === id);
  if (chart === undefined) throw new Error(`no chart ${id}`);
  return chart;
}

function tickOf(refused: Record<string, number>): Tick {
  const sample = sampleOf();
  return { sample, totals: sample.rates, refused, ringCapacity: 0, byViewers: [], byComments: [] };
}

describe('the chart of refusals', () => {
  const { lines } = chartOf('refused');

  it('has no line where nothing was refused', () => {
    expect(lines([sampleOf()], tickOf({}))).toEqual([]);
  });

  it('has a line a code, also one that was refused before these minutes', () => {
    const tick = tickOf({ TEXT_INVALID: 7, BUSY: 2 });
    const sample = sampleOf({ refused: { TEXT_INVALID: 3 } });
    const found = lines([sample], tick);
    expect(found.map(({ label, value, total }) => [label, value(sample), total?.(tick)])).toEqual([
      ['BUSY', 0, 2],
      ['TEXT_INVALID', 3, 7],
    ]);
  });

  it('keeps lines for the five codes refused most, and one for the rest', () => {
    const refused = Object.fromEntries(['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H'].map((code, i) => [code, i + 1]));
    const sample = sampleOf({ refused });
    const found = lines([sample], tickOf(refused));
    expect(found.map(({ label, value }) => [label, value(sample)])).toEqual([
      ['D', 4],
      ['E', 5],
      ['F', 6],
      ['G', 7],
      ['H', 8],
      ['3 others', 6],
    ]);
  });
});

describe('the charts of threads', () => {
  it('have a line for main and each shard', () => {
    const threads = [0.5, 0.25, 0.125].map((cpu, i) => ({ cpu, delayMean: 0, delayMax: i }));
    const sample = sampleOf({ threads });
    const found = chartOf('cpu').lines([sample], null);
    expect(found.map(({ label, value }) => [label, value(sample)])).toEqual([
      ['main', 0.5],
      ['shard 0', 0.25],
      ['shard 1', 0.125],
    ]);
    expect(chartOf('cpu').headline(sample)).toBe(0.875);
    expect(chartOf('delay').headline(sample)).toBe(2);
  });
});

describe('every chart', () => {
  it('has a name of its own, and 0 for a server that does nothing', () => {
    expect(new Set(CHARTS.map(({ id }) => id)).size).toBe(CHARTS.length);
    for (const { headline, lines } of CHARTS) {
      const sample = sampleOf();
      expect(headline(sample)).toBe(0);
      for (const { value } of lines([sample], null)) expect(value(sample)).toBe(0);
    }
  });
});

const START = 1_764_000_000_000;

/** Samples of these seconds. */
function samplesOf(...seconds: number[]) {
  return seconds.map((second) => sampleOf({ at: START + second * 1_000, viewers: second }));
}

function secondsOf(window: SampleWindow, spanMs = 600_000) {
  return window.moments(spanMs).map(({ at, sample }) => (sample === null ? null : (at - START) / 1_000));
}

describe('the window of samples', () => {
  it('is empty at first', () => {
    const window = new SampleWindow();
    expect(window.newestAt).toBe(0);
    expect(window.moments(600_000)).toEqual([]);
  });

  it('takes each sample once, whatever a new connection repeats', () => {
    const window = new SampleWindow();
    window.add(samplesOf(1, 2, 3));
    window.add(samplesOf(2, 3, 4));
    window.add(samplesOf(4));
    expect(secondsOf(window)).toEqual([1, 2, 3, 4]);
    expect(window.newestAt).toBe(START + 4_000);
  });

  it('keeps what it had when the server comes back, with a gap between', () => {
    const window = new SampleWindow();
    window.add(samplesOf(1, 2));
    window.add(samplesOf(9, 10));
    expect(secondsOf(window)).toEqual([1, 2, null, 9, 10]);
  });

  it('begins anew where the server’s clock was set back', () => {
    const window = new SampleWindow();
    window.add(samplesOf(100, 101));
    window.add(samplesOf(98));
    expect(secondsOf(window)).toEqual([100, 101]);
    window.add(samplesOf(20));
    window.add(samplesOf(21));
    expect(secondsOf(window)).toEqual([20, 21]);
  });

  it('has no gap where a sample came late', () => {
    const window = new SampleWindow();
    window.add([...samplesOf(1), ...samplesOf(3.4)]);
    expect(secondsOf(window)).toEqual([1, 3.4]);
  });

  it('forgets what is older than ten minutes, and shows as much as is asked for', () => {
    const window = new SampleWindow();
    window.add(samplesOf(...Array.from({ length: 900 }, (_, i) => i)));
    expect(secondsOf(window)).toHaveLength(600);
    expect(secondsOf(window)[0]).toBe(300);
    expect(secondsOf(window, 60_000)).toHaveLength(60);
  });
});
