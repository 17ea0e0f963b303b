import type { BenchDocument, MachineDocument, RunDocument, SettingsDocument } from './bench-document.ts';
import { formatBytes, formatMeasure, formatPlural } from './number-text.ts';
import { drawRunLines } from './run-lines.ts';
import { drawComparison, drawLatency, drawThroughput } from './run-tables.ts';

/** The report for people, with a line break at its end. */
export function renderText(document: BenchDocument): string {
  const { runs, comparison, notes, interrupted } = document;
  const parts = [
    describeLoad(document),
    ...(interrupted ? ['INTERRUPTED: this is what was measured until then.'] : []),
    ...runs.map((run) => renderRun(run)),
    ...(comparison.length > 0 ? [drawComparison(labelsOf(runs), comparison)] : []),
    [...notes.map((note) => `note: ${note}`), describeMachine(document.machine)].join('\n'),
  ];
  return `${parts.join('\n\n')}\n`;
}

function renderRun(run: RunDocument): string {
  const remarks = [...run.warnings.map((text) => `WARNING: ${text}`), ...run.notes.map((text) => `note: ${text}`)];
  return [
    `server: ${run.server.description}`,
    drawLatency(run),
    drawThroughput(run),
    drawRunLines(run),
    ...(remarks.length > 0 ? ['', ...remarks] : []),
  ].join('\n');
}

function describeLoad({ scenario, settings }: BenchDocument): string {
  const { connections, rooms, loadThreads, codec, warmupSeconds, durationSeconds } = settings;
  return (
    `${scenario}: ${formatPlural(connections, 'viewer')} in ${formatPlural(rooms, 'room')} on ${codec}, ` +
    `${describeComments(settings)}; ${formatMeasure(durationSeconds)} s after ${formatMeasure(warmupSeconds)} s of ` +
    `warm-up, ${formatPlural(loadThreads, 'load thread')}`
  );
}

function describeComments({ commentsPerSecondPerRoom, senders, commentsBy }: SettingsDocument): string {
  const rate = `${commentsPerSecondPerRoom} comments a second a room`;
  switch (commentsBy) {
    case 'http':
      return `${rate} over HTTP`;
    case 'paced senders':
      return `${rate} from ${formatPlural(senders, 'sender')}`;
    case 'flooding senders':
      return `comments as fast as acks come from ${formatPlural(senders, 'sender')}`;
    case 'others':
      return 'comments of others';
  }
}

function describeMachine({ cpuModel, cores, memoryBytes, kernel, node, volley, commit }: MachineDocument): string {
  const build = commit === null ? volley : `${volley} (${commit})`;
  return `${cpuModel}, ${formatPlural(cores, 'core')}, ${formatBytes(memoryBytes)}, ${kernel}, Node ${node}, volley ${build}`;
}

function labelsOf(runs: readonly RunDocument[]): string[] {
  return runs.map(({ label }) => label);
}
