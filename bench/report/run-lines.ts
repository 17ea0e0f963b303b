import type { CommentsDocument, RunDocument, ServerDocument } from './bench-document.ts';
import { formatBytes, formatCount, formatCounts, formatMeasure, formatPlural, NONE } from './number-text.ts';
import { drawLines } from './plain-table.ts';

type Line = readonly [string, string, string];

/** Everything of a run that is a single number. */
export function drawRunLines(run: RunDocument): string {
  return drawLines([...loadLines(run), ...serverLines(run.server), ...generatorLines(run)]);
}

function loadLines(run: RunDocument): Line[] {
  const { connects, delivered, comments, closedByCode } = run;
  const closed = Object.values(closedByCode).reduce((sum, count) => sum + count, 0);
  const refused = Object.values(comments.refusedByCode).reduce((sum, count) => sum + count, 0);
  const way = { http: 'over HTTP', websocket: 'over WebSockets', others: 'by others than the bench' }[comments.by];
  const perSecond = formatMeasure(comments.acceptedPerSecond);
  return [
    ['connects', formatCount(connects.perSecond), `a second, ${formatCount(connects.count)} in all`],
    ['frames', formatCount(delivered.frames), `in ${formatMeasure(run.seconds)} s, ${formatBytes(delivered.bytes)}`],
    ['frames lost', formatCount(run.lostFrames), 'by the seq and prev of later ones'],
    ['skipped', formatCount(run.skippedMessages), 'times that a viewer was told to have read too slowly'],
    ['out of order', formatCount(run.outOfOrderFrames), 'frames'],
    ['faults', formatCount(run.faults.length), 'in what sampled viewers decoded'],
    ['closed by the server', formatCount(closed), formatCounts(closedByCode)],
    ['comments accepted', formatCount(comments.accepted), `${perSecond} a second, ${way}`],
    ...sentLines(comments),
    ['comments refused', formatCount(refused), formatCounts(comments.refusedByCode)],
  ];
}

function sentLines({ sent, acked }: CommentsDocument): Line[] {
  if (sent === null) return [];
  return [
    ['comments sent', formatCount(sent), 'by viewers'],
    ['comments acked', formatCount(acked), 'by the server, to those who sent them'],
  ];
}

function serverLines(server: ServerDocument): Line[] {
  if (server.unknownBecause !== null) return [['server CPU', NONE, `not known: ${server.unknownBecause}`]];
  const shards = (server.shardCores ?? []).map((cores, shard) => `shard ${shard} ${formatMeasure(cores)}`).join(', ');
  const { mainThreadCores, otherThreadsCores } = server;
  const parts = `main thread ${formatMeasure(mainThreadCores)}, ${shards}, other threads ${formatMeasure(otherThreadsCores)}`;
  const { memoryBytesBefore, memoryBytesAfter } = server;
  const memory = `KB of server memory, ${formatBytes(memoryBytesBefore)} before and ${formatBytes(memoryBytesAfter)} with all`;
  const unknown = `not known: ${server.memoryUnknownBecause}`;
  return [
    ['server CPU', formatMeasure(server.cpuCores), `cores: ${parts}`],
    ['a delivered frame', formatMeasure(server.cpuMicrosecondsPerFrame), 'µs of server CPU'],
    ['a delivered comment', formatMeasure(server.cpuNanosecondsPerComment), 'ns of server CPU'],
    [
      'an accepted comment',
      formatMeasure(server.mainThreadMicrosecondsPerAcceptedComment),
      "µs of the main thread's CPU, all else that it did included",
    ],
    [
      'a viewer',
      formatMeasure(server.memoryKilobytesPerViewer),
      server.memoryUnknownBecause === null ? memory : unknown,
    ],
  ];
}

function generatorLines({ generator }: RunDocument): Line[] {
  const { threadsCores, busiestThreadCores, mainThreadCores, machineBusyCores, machineCores } = generator;
  const parts =
    `load threads ${formatMeasure(threadsCores)}, the busiest ${formatMeasure(busiestThreadCores)}, main thread ` +
    `${formatMeasure(mainThreadCores)}; ${formatMeasure(generator.cpuMicrosecondsPerFrame)} µs a frame`;
  return [
    ['load generator', formatMeasure(generator.cpuCores), `cores: ${parts}`],
    [
      'machine',
      formatMeasure(machineBusyCores),
      `of ${formatPlural(machineCores, 'core')} busy, whoever used them; load threads stood for ` +
        `${formatMeasure(generator.worstLoopDelayMs)} ms at most`,
    ],
  ];
}
