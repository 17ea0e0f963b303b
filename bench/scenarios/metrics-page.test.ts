import { describe, expect, it } from 'vitest';
import { MetricsPage } from './metrics-page.ts';

const PAGE = `# HELP volley_refused_total Comments refused, by code.
# TYPE volley_refused_total counter
volley_refused_total{code="BUSY"} 3
volley_refused_total{code="ROOM_BUSY"} 4

volley_drops_total{shard="0",reason="skipped"} 1
volley_drops_total{shard="1",reason="skipped"} 2
volley_drops_total{shard="1",reason="slow_close"} 5
volley_thread_cpu_seconds_total{thread="main"} 1.5e-3
process_cpu_seconds_total 12.25
process_resident_memory_bytes 8.5e7 1764000000000
odd{text="a \\"quoted\\" word, a \\\\ and a \\n break"} 1
nothing_yet NaN
`;

describe('a page of metrics', () => {
  const page = new MetricsPage(PAGE);

  it('gives the value of a metric without labels, with or without a time', () => {
    expect(page.sum('process_cpu_seconds_total')).toBe(12.25);
    expect(page.sum('process_resident_memory_bytes')).toBe(8.5e7);
  });

  it('sums over labels, or over those with one', () => {
    expect(page.sum('volley_refused_total')).toBe(7);
    expect(page.sum('volley_drops_total', 'reason', 'skipped')).toBe(3);
    expect(page.sum('volley_drops_total', 'shard', '1')).toBe(7);
  });

  it('lists values by a label', () => {
    expect(page.by('volley_refused_total', 'code')).toEqual(
      new Map([
        ['BUSY', 3],
        ['ROOM_BUSY', 4],
      ]),
    );
    expect(page.by('volley_drops_total', 'reason').get('skipped')).toBe(3);
    expect(page.by('process_cpu_seconds_total', 'code').size).toBe(0);
  });

  it('reads escaped labels', () => {
    expect([...page.by('odd', 'text').keys()]).toEqual(['a "quoted" word, a \\ and a \n break']);
  });

  it('tells what is there from what is not', () => {
    expect(page.sum('volley_refused')).toBe(0);
    expect(page.sum('nothing_yet')).toBeNaN();
  });

  it('takes what is no such page for an empty one', () => {
    const page = new MetricsPage('<html>\n<p class="x">502 Bad Gateway</p>');
    expect(page.sum('<html>')).toBe(0);
    expect(page.by('<p', 'class').size).toBe(0);
  });
});
