import type { ComparisonDocument, RunDocument } from './bench-document.ts';

/** The figures that runs are compared by. */
const FIGURES: readonly (readonly [string, (run: RunDocument) => number | null | undefined])[] = [
  ['frames a second', ({ perSecond }) => perSecond.frames.average],
  ['comments a second', ({ perSecond }) => perSecond.comments.average],
  ['post to receipt 50 %, ms', ({ latencyMs }) => latencyMs.postToReceipt?.p50],
  ['post to receipt 99 %, ms', ({ latencyMs }) => latencyMs.postToReceipt?.p99],
  ['first to last viewer 50 %, ms', ({ latencyMs }) => latencyMs.firstToLast?.p50],
  ['first to last viewer 99 %, ms', ({ latencyMs }) => latencyMs.firstToLast?.p99],
  ['sent to ack 50 %, ms', ({ latencyMs }) => latencyMs.ack?.p50],
  ['connect to welcome 50 %, ms', ({ latencyMs }) => latencyMs.connect?.p50],
  ['connects a second', ({ connects }) => connects.perSecond],
  ['accepted comments a second', ({ comments }) => comments.acceptedPerSecond],
  ['server CPU, cores', ({ server }) => server.cpuCores],
  ['main thread, cores', ({ server }) => server.mainThreadCores],
  ['busiest shard, cores', ({ server }) => (server.shardCores === null ? null : Math.max(...server.shardCores))],
  ['server CPU a frame, µs', ({ server }) => server.cpuMicrosecondsPerFrame],
  ['main thread a comment, µs', ({ server }) => server.mainThreadMicrosecondsPerAcceptedComment],
  ['memory a viewer, KB', ({ server }) => server.memoryKilobytesPerViewer],
  ['frames lost', ({ lostFrames }) => lostFrames],
];

/** Holds runs against the first of them; empty for a single one. Figures that no run has are left out. */
export function compareRuns(runs: readonly RunDocument[]): ComparisonDocument[] {
  if (runs.length < 2) return [];
  return FIGURES.flatMap(([figure, read]) => {
    const values = runs.map((run) => read(run) ?? null);
    const [first = null] = values;
    const ratios = values.map((value) => (value === null || first === null || first === 0 ? null : value / first));
    return values.some((value) => value !== null) ? [{ figure, values, ratios }] : [];
  });
}
