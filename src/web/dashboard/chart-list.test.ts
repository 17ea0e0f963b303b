import { describe, expect, it } from 'vitest';
import type { Tick } from '../../metrics/sample.ts';
import { CHARTS } from './chart-list.ts';
import { sampleOf } from './sample.fixture.ts';

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
