import Table from 'cli-table3';
import type { BenchDocument, MachineDocument, RunDocument } from './document.ts';

const NONE = '–';

const WHOLE = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const UNITS = ['B', 'KB', 'MB', 'GB', 'TB'] as const;

/** A whole number with separators: `12,345`. */
export function formatCount(value: number | null): string {
  return value === null ? NONE : WHOLE.format(value);
}

/** A measure, to three digits or to the unit: `0.012`, `1.23`, `12.3`, `1,234`. */
export function formatMeasure(value: number | null): string {
  if (value === null) return NONE;
  const size = Math.abs(value);
  if (size >= 99.95 || size === 0) return WHOLE.format(value);
  if (size >= 9.995) return value.toFixed(1);
  return value.toFixed(size >= 0.9995 ? 2 : 3);
}

/** Bytes in the largest unit that leaves a digit before the point, 1 KB being 1,000 bytes: `1.02 MB`. */
export function formatBytes(bytes: number | null): string {
  if (bytes === null) return NONE;
  let unit = 0;
  let value = bytes;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1_000;
    unit += 1;
  }
  return `${unit === 0 ? WHOLE.format(value) : formatMeasure(value)} ${UNITS[unit]}`;
}

export function formatCounts(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([key, count]) => `${key} ${formatCount(count)}`)
    .join(', ');
}

export function formatPlural(count: number, one: string): string {
  return `${formatCount(count)} ${one}${count === 1 ? '' : 's'}`;
}

/** The middle of `values`; of two middle ones the mean. NaN for none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? Number.NaN;
  return (lower + upper) / 2;
}

/** `1.23 (1.20 to 1.31)`: a figure, by default the median, and how far the values lie apart. */
export function describeSpread(values: readonly number[], digits = 2, figure = median(values)): string {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return `${figure.toFixed(digits)} (${least.toFixed(digits)} to ${most.toFixed(digits)})`;
}

/** The value at a percentile by nearest rank, whatever the order of `values`; null for none. */
export function takeRank(values: readonly number[], percent: number): number | null {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.max(1, Math.ceil((percent / 100) * sorted.length)) - 1] ?? null;
}

/** A table with borders and without colours; all columns but the first stand to the right. */
export function drawTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const colAligns = head.map((_, column) => (column === 0 ? ('left' as const) : ('right' as const)));
  const table = new Table({ head: [...head], colAligns, style: { head: [], border: [], compact: true } });
  table.push(...rows.map((row) => [...row]));
  return table.toString();
}

/** The same in Markdown, which a terminal shows as columns too. */
export function drawMarkdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((_, i) => Math.max(...[head, ...rows].map((cells) => cells[i]?.length ?? 0)));
  const lines = [head, widths.map((width) => '-'.repeat(width)), ...rows];
  return lines.map((cells) => `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`).join('\n');
}

type Line = readonly [string, string, string];

function drawLines(lines: readonly Line[]): string {
  const name = Math.max(...lines.map(([word]) => word.length));
  const number = Math.max(...lines.map(([, word]) => word.length));
  return lines
    .map(([what, figure, words]) => ` ${what.padEnd(name)}  ${figure.padStart(number)}  ${words}`.trimEnd())
    .join('\n');
}

export function renderText(document: BenchDocument): string {
  const { runs, comparison, notes, interrupted } = document;
  const parts = [
    describeLoad(document),
    ...(interrupted ? ['INTERRUPTED: this is what was measured until then.'] : []),
    ...runs.map((run) => renderRun(run)),
    ...(comparison.length > 0 ? [drawComparison(document)] : []),
    [...notes.map((note) => `note: ${note}`), formatMachine(document.machine)].join('\n'),
  ];
  return `${parts.join('\n\n')}\n`;
}

function formatMachine({ cpuModel, cores, memoryBytes, kernel, node, volley, commit }: MachineDocument): string {
  const machine = `${cpuModel}, ${formatPlural(cores, 'core')}, ${formatBytes(memoryBytes)}, ${kernel}`;
  return `${machine}, Node ${node}, volley ${volley}${commit === null ? '' : ` (${commit})`}`;
}

function describeLoad({ scenario, settings }: BenchDocument): string {
  const { connections, rooms, loadThreads, codec, warmupSeconds, durationSeconds, senders } = settings;
  const rate = `${settings.commentsPerSecondPerRoom} comments a second a room`;
  const comments = {
    http: `${rate} over HTTP`,
    'paced senders': `${rate} from ${formatPlural(senders, 'sender')}`,
    'flooding senders': `comments as fast as acks come from ${formatPlural(senders, 'sender')}`,
    others: 'comments of others',
  }[settings.commentsBy];
  const who = `${formatPlural(connections, 'viewer')} in ${formatPlural(rooms, 'room')} on ${codec}`;
  const time = `${formatMeasure(durationSeconds)} s after ${formatMeasure(warmupSeconds)} s of warm-up`;
  return `${scenario}: ${who}, ${comments}; ${time}, ${formatPlural(loadThreads, 'load thread')}`;
}

function renderRun(run: RunDocument): string {
  const { perSecond, latencyMs, latencyTitles, warnings, notes } = run;
  const remarks = [...warnings.map((text) => `WARNING: ${text}`), ...notes.map((text) => `note: ${text}`)];
  const latencies = Object.entries(latencyMs).map(([key, { p2_5, p50, p97_5, p99, p99_9, max, average, count }]) => {
    const cells = [p2_5, p50, p97_5, p99, p99_9, max, average].map(formatMeasure);
    return [latencyTitles[key] ?? key, ...cells, formatCount(count)];
  });
  const rates = (['frames', 'comments', 'bytes'] as const).map((what) => {
    const { p1, p2_5, p50, p97_5, average, min } = perSecond[what];
    return [what, ...[p1, p2_5, p50, p97_5, average, min].map(what === 'bytes' ? formatBytes : formatCount)];
  });
  return [
    `server: ${run.server.description}`,
    drawTable(['ms', '2.5 %', '50 %', '97.5 %', '99 %', '99.9 %', 'max', 'avg', 'count'], latencies),
    drawTable(['a second', '1 %', '2.5 %', '50 %', '97.5 %', 'avg', 'min'], rates),
    drawLines([...loadLines(run), ...serverLines(run), ...generatorLines(run)]),
    ...(remarks.length > 0 ? ['', ...remarks] : []),
  ].join('\n');
}

function loadLines({ connects, delivered, comments, closedByCode, ...run }: RunDocument): Line[] {
  const sum = (counts: Record<string, number>): string =>
    formatCount(Object.values(counts).reduce((all, count) => all + count, 0));
  const way = { http: 'over HTTP', websocket: 'over WebSockets', others: 'by others than the bench' }[comments.by];
  const { accepted, acceptedPerSecond, refusedByCode, sent, acked } = comments;
  const lines: Line[] = [
    ['connects', formatCount(connects.perSecond), `a second, ${formatCount(connects.count)} in all`],
    ['frames', formatCount(delivered.frames), `in ${formatMeasure(run.seconds)} s, ${formatBytes(delivered.bytes)}`],
    ['frames lost', formatCount(run.lostFrames), 'by the seq and prev of later ones'],
    ['skipped', formatCount(run.skippedMessages), 'times that a viewer was told to have read too slowly'],
    ['out of order', formatCount(run.outOfOrderFrames), 'frames'],
    ['faults', formatCount(run.faults.length), 'in what was decoded'],
    ['closed by the server', sum(closedByCode), formatCounts(closedByCode)],
    ['comments accepted', formatCount(accepted), `${formatMeasure(acceptedPerSecond)} a second, ${way}`],
    ['comments sent', formatCount(sent), 'by viewers'],
    ['comments acked', formatCount(acked), 'by the server, to those who sent them'],
    ['comments refused', sum(refusedByCode), formatCounts(refusedByCode)],
  ];
  return sent === null ? lines.filter(([name]) => !/sent|acked/.test(name)) : lines;
}

function serverLines({ server }: RunDocument): Line[] {
  const { unknownBecause, shardCores, memoryUnknownBecause, memoryBytesBefore, memoryBytesAfter } = server;
  if (unknownBecause !== null) return [['server CPU', NONE, `not known: ${unknownBecause}`]];
  const shards = (shardCores ?? []).map((cores, shard) => `shard ${shard} ${formatMeasure(cores)}`);
  const others = `other threads ${formatMeasure(server.otherThreadsCores)}`;
  const threads = [`main thread ${formatMeasure(server.mainThreadCores)}`, ...shards, others].join(', ');
  const grown = `${formatBytes(memoryBytesBefore)} before and ${formatBytes(memoryBytesAfter)} with all`;
  const accepted = formatMeasure(server.mainThreadMicrosecondsPerAcceptedComment);
  const memory = memoryUnknownBecause === null ? `KB of server memory, ${grown}` : `not known: ${memoryUnknownBecause}`;
  return [
    ['server CPU', formatMeasure(server.cpuCores), `cores: ${threads}`],
    ['a delivered frame', formatMeasure(server.cpuMicrosecondsPerFrame), 'µs of server CPU'],
    ['a delivered comment', formatMeasure(server.cpuNanosecondsPerComment), 'ns of server CPU'],
    ['an accepted comment', accepted, "µs of the main thread's CPU, all else that it did included"],
    ['a viewer', formatMeasure(server.memoryKilobytesPerViewer), memory],
  ];
}

function generatorLines({ generator }: RunDocument): Line[] {
  const { threadsCores, busiestThreadCores, mainThreadCores, machineBusyCores, machineCores } = generator;
  const threads = `load threads ${formatMeasure(threadsCores)}, the busiest ${formatMeasure(busiestThreadCores)}`;
  const each = `${formatMeasure(generator.cpuMicrosecondsPerFrame)} µs a frame`;
  const stood = `load threads stood for ${formatMeasure(generator.worstLoopDelayMs)} ms at most`;
  const parts = `cores: ${threads}, main thread ${formatMeasure(mainThreadCores)}; ${each}`;
  return [
    ['load generator', formatMeasure(generator.cpuCores), parts],
    [
      'machine',
      formatMeasure(machineBusyCores),
      `of ${formatPlural(machineCores, 'core')} busy, whoever used them; ${stood}`,
    ],
  ];
}

/** Runs side by side, each with its ratio to the first. */
function drawComparison({ runs, comparison }: BenchDocument): string {
  const head = runs.flatMap(({ label }) => [label, 'ratio']);
  const rows = comparison.map(({ figure, values, ratios }) => {
    const shown = ratios.map((ratio) => (ratio === null ? NONE : `${ratio.toFixed(2)} ×`));
    return [figure, ...values.flatMap((value, run) => [formatMeasure(value), shown[run] ?? NONE])];
  });
  // The first has no ratio to itself.
  return drawTable(
    ['compared', ...head].toSpliced(2, 1),
    rows.map((row) => row.toSpliced(2, 1)),
  );
}
