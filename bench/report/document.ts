/**
 * The JSON document of `npm run bench -- --json`, and what the text report is made from. docs/bench.md says what its
 * members mean. Members may be added within a schemaVersion; none is renamed or removed.
 */
import { execFileSync } from 'node:child_process';
import { availableParallelism, cpus, release, totalmem, type } from 'node:os';
import type { Histogram } from 'hdr-histogram-js';
import { compiledFile, readVersion } from '../../src/compiled-file.ts';
import { type RunSettings, shapeOf } from '../run/scenarios.ts';
import { findFaults, findLimits, findReservations } from './remarks.ts';
import { isUnknown, type RunResult, type ScenarioResult } from './result.ts';
import { takeRank } from './text.ts';

export type BenchDocument = ReturnType<typeof describeResult>;
export type RunDocument = ReturnType<typeof describeRun>;
export type MachineDocument = ReturnType<typeof describeMachine>;

export function describeResult(
  { runs, interrupted, notes }: ScenarioResult,
  startedAt: Date,
  command: readonly string[],
  settings: RunSettings,
  machine: MachineDocument,
) {
  const described = runs.map(describeRun);
  return {
    schemaVersion: 1,
    tool: 'volley bench',
    startedAt: startedAt.toISOString(),
    command,
    scenario: settings.scenario,
    interrupted,
    machine,
    settings: {
      connections: settings.connections,
      durationSeconds: settings.duration,
      warmupSeconds: settings.warmup,
      rooms: settings.rooms,
      commentsPerSecondPerRoom: settings.rate,
      loadThreads: settings.workers,
      codec: settings.codec,
      senders: settings.senders,
      commentsBy: describeSource(settings),
      url: settings.url,
      apiUrl: settings.apiUrl,
      intervalMs: settings.interval,
      serverStore: settings.url === null ? settings.serverStore : null,
      behindSeconds: settings.behind,
      commentsFile: settings.comments,
    },
    notes,
    runs: described,
    comparison: compareRuns(described),
  };
}

function describeSource(settings: RunSettings): 'http' | 'paced senders' | 'flooding senders' | 'others' {
  const { kind } = shapeOf(settings).sending;
  if (kind === 'flood') return 'flooding senders';
  if (kind === 'paced') return 'paced senders';
  return settings.url !== null && settings.apiUrl === null ? 'others' : 'http';
}

export function describeRun(run: RunResult) {
  const { load, timings, connects, feed, shape, generator, sawAllFrames } = run;
  const server = isUnknown(run.server) ? null : run.server;
  const doSend = shape.sending.kind !== 'none';
  // The server counts what it accepts at once; an answer may come an interval later.
  const accepted = server?.accepted ?? feed?.accepted ?? load.acked;
  return {
    label: run.label,
    server: describeServer(run),
    seconds: load.seconds,
    latencyMs: Object.fromEntries(timings.map(({ key, histogram }) => [key, describeLatency(histogram)])),
    latencyTitles: Object.fromEntries(timings.map(({ key, title }) => [key, title])),
    perSecond: {
      frames: describeRate(load.perSecond.map(({ frames }) => frames)),
      comments: describeRate(load.perSecond.map(({ comments }) => comments)),
      bytes: describeRate(load.perSecond.map(({ bytes }) => bytes)),
    },
    series: load.perSecond,
    connects: { ...connects, perSecond: divide(connects.count, connects.seconds) },
    delivered: { frames: load.frames, comments: load.comments, bytes: load.bytes },
    lostFrames: load.lost,
    skippedMessages: load.skipped,
    outOfOrderFrames: load.outOfOrder,
    faults: load.faults,
    closedByCode: Object.fromEntries(load.closed) as Record<string, number>,
    failedConnects: load.failedConnects,
    comments: {
      by: feed !== null ? ('http' as const) : doSend ? ('websocket' as const) : ('others' as const),
      accepted,
      acceptedPerSecond: divide(accepted, server?.seconds ?? load.seconds),
      refusedByCode: Object.fromEntries(feed?.refused ?? load.refused),
      unposted: feed?.unposted ?? 0,
      sent: doSend ? load.sent : null,
      acked: doSend ? load.acked : null,
    },
    generator: {
      ...generator,
      cpuMicrosecondsPerFrame: sawAllFrames ? divide(generator.cpuCores * load.seconds * 1e6, load.frames) : null,
      meanPostWaitMs: feed?.meanWait ?? null,
      worstPostDelayMs: feed?.worstLate ?? null,
    },
    warnings: [...findFaults(run), ...findLimits(run, describeLatency(load.spread).p50)],
    notes: findReservations(run),
  };
}

const SHRUNK = "it is less than the server's own growth and shrinking";

function describeServer({ server, memory, load, target, sawAllFrames }: RunResult) {
  const known = isUnknown(server) ? null : server;
  const used = known === null || !sawAllFrames ? null : known.cpuCores * load.seconds;
  const grown = isUnknown(memory) ? null : memory;
  const perViewer = grown === null ? null : divide((grown.after - grown.before) / 1_024, grown.viewers);
  return {
    description: target.description,
    workers: target.workers,
    unknownBecause: isUnknown(server) ? server.unknown : null,
    cpuCores: known?.cpuCores ?? null,
    mainThreadCores: known?.mainThreadCores ?? null,
    shardCores: known?.shardCores ?? null,
    otherThreadsCores: known?.otherThreadsCores ?? null,
    cpuMicrosecondsPerFrame: used === null ? null : divide(used * 1e6, load.frames),
    cpuNanosecondsPerComment: used === null ? null : divide(used * 1e9, load.comments),
    mainThreadMicrosecondsPerAcceptedComment:
      known === null ? null : divide(known.mainThreadCores * known.seconds * 1e6, known.accepted),
    memoryBytesBefore: grown?.before ?? null,
    memoryBytesAfter: grown?.after ?? null,
    memoryKilobytesPerViewer: perViewer === null || perViewer <= 0 ? null : perViewer,
    memoryUnknownBecause: isUnknown(memory) ? memory.unknown : perViewer !== null && perViewer <= 0 ? SHRUNK : null,
    droppedMessages: known?.dropped ?? null,
    slowCloses: known?.slowCloses ?? null,
    refusedByCode: known === null ? null : Object.fromEntries(known.refused),
  };
}

/** Percentiles of a histogram of µs, in ms. All but `count` are null where nothing was timed. */
export function describeLatency(histogram: Histogram) {
  const count = histogram.totalCount;
  const inMs = (value: number): number | null => (count === 0 ? null : value / 1_000);
  // A percentile is the upper end of its bucket, which may lie above the highest value itself.
  const at = (percent: number) => inMs(Math.min(histogram.getValueAtPercentile(percent), histogram.maxValue));
  return {
    ...{ count, p2_5: at(2.5), p50: at(50), p97_5: at(97.5), p99: at(99), p99_9: at(99.9) },
    max: inMs(histogram.maxValue),
    average: inMs(histogram.mean),
  };
}

/** Exact percentiles of a few values, by nearest rank; null for no values. */
export function describeRate(values: readonly number[]) {
  const at = (percent: number) => takeRank(values, percent);
  const sum = values.reduce((all, value) => all + value, 0);
  return { p1: at(1), p2_5: at(2.5), p50: at(50), p97_5: at(97.5), average: divide(sum, values.length), min: at(0) };
}

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

/** Compares runs with the first of them; empty for a single one. Figures that no run has are left out. */
function compareRuns(runs: readonly RunDocument[]) {
  if (runs.length < 2) return [];
  return FIGURES.flatMap(([figure, read]) => {
    const values = runs.map((run) => read(run) ?? null);
    const [first = null] = values;
    const ratios = values.map((value) => (value === null || first === null ? null : divide(value, first)));
    return values.some((value) => value !== null) ? [{ figure, values, ratios }] : [];
  });
}

function divide(amount: number, by: number): number | null {
  return by > 0 ? amount / by : null;
}

/** The machine and the programs that figures come from. */
export function describeMachine() {
  return {
    cpuModel: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    kernel: `${type()} ${release()}`,
    node: process.version,
    volley: readVersion(),
    commit: readCommit(),
  };
}

/** @param written a file whose change does not make the checkout dirty */
export function readCommit(written = 'docs/benchmarks.md'): string | null {
  // Looking must not write the index.
  const env = { ...process.env, GIT_OPTIONAL_LOCKS: '0' };
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: compiledFile('..'), encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    const commit = git('rev-parse', '--short=12', 'HEAD').trim();
    const changes = git('status', '--porcelain', '--untracked-files=no', '--', '.', `:(exclude)${written}`);
    return changes === '' ? commit : `${commit}-dirty`;
  } catch {
    // No git, or no checkout: an installed package has neither.
    return null;
  }
}
