import type { ComparisonDocument, LatencyDocument, RateDocument, RunDocument } from './bench-document.ts';
import { formatBytes, formatCount, formatMeasure, NONE } from './number-text.ts';
import { drawTable } from './plain-table.ts';

/** How long things took. */
export function drawLatency({ latencyMs, latencyTitles }: RunDocument): string {
  const rows = Object.entries(latencyMs).map(([key, latency]) => [latencyTitles[key] ?? key, ...latencyCells(latency)]);
  return drawTable(['ms', '2.5 %', '50 %', '97.5 %', '99 %', '99.9 %', 'max', 'avg', 'count'], rows);
}

function latencyCells({ p2_5, p50, p97_5, p99, p99_9, max, average, count }: LatencyDocument): string[] {
  return [...[p2_5, p50, p97_5, p99, p99_9, max, average].map(formatMeasure), formatCount(count)];
}

/** What all viewers together received a second. */
export function drawThroughput({ perSecond: { frames, comments, bytes } }: RunDocument): string {
  const rows = [
    ['frames', ...rateCells(frames, formatCount)],
    ['comments', ...rateCells(comments, formatCount)],
    ['bytes', ...rateCells(bytes, formatBytes)],
  ];
  return drawTable(['a second', '1 %', '2.5 %', '50 %', '97.5 %', 'avg', 'min'], rows);
}

function rateCells(
  { p1, p2_5, p50, p97_5, average, min }: RateDocument,
  format: (value: number | null) => string,
): string[] {
  return [p1, p2_5, p50, p97_5, average, min].map(format);
}

/** Runs side by side, each with its ratio to the first. */
export function drawComparison(labels: readonly string[], rows: readonly ComparisonDocument[]): string {
  const head = labels.flatMap((label, run) => (run === 0 ? [label] : [label, 'ratio']));
  return drawTable(
    ['compared', ...head],
    rows.map(({ figure, values, ratios }) => [
      figure,
      ...values.flatMap((value, run) => {
        const cell = formatMeasure(value);
        return run === 0 ? [cell] : [cell, formatRatio(ratios[run] ?? null)];
      }),
    ]),
  );
}

function formatRatio(ratio: number | null): string {
  return ratio === null ? NONE : `${ratio.toFixed(2)} ×`;
}
