import { isUnknown, type RunResult } from '../scenarios/run-result.ts';
import type { CommentsDocument, GeneratorDocument, RunDocument, ServerDocument } from './bench-document.ts';
import { findGeneratorLimits } from './generator-limit.ts';
import { describeLatency, describeRate } from './quantiles.ts';
import { findFaults, findReservations } from './run-remarks.ts';

const KILOBYTE = 1_024;

const SHRUNK = "it is less than the server's own growth and shrinking";

/** What a run measured, with all that follows from it. */
export function describeRun(run: RunResult): RunDocument {
  const { load, timings, connects } = run;
  const server = describeServer(run);
  const generator = describeGenerator(run);
  return {
    label: run.label,
    server,
    seconds: load.seconds,
    latencyMs: Object.fromEntries(timings.map(({ key, histogram }) => [key, describeLatency(histogram)])),
    latencyTitles: Object.fromEntries(timings.map(({ key, title }) => [key, title])),
    perSecond: {
      frames: describeRate(load.perSecond.map(({ frames }) => frames)),
      comments: describeRate(load.perSecond.map(({ comments }) => comments)),
      bytes: describeRate(load.perSecond.map(({ bytes }) => bytes)),
    },
    series: load.perSecond.map(({ frames, comments, bytes }) => ({ frames, comments, bytes })),
    connects: { ...connects, perSecond: divide(connects.count, connects.seconds) },
    delivered: { frames: load.frames, comments: load.comments, bytes: load.bytes },
    lostFrames: load.lost,
    skippedMessages: load.skipped,
    outOfOrderFrames: load.outOfOrder,
    faults: load.faults,
    closedByCode: Object.fromEntries(load.closed),
    failedConnects: load.failedConnects,
    comments: describeComments(run),
    generator,
    warnings: [...findFaults(run), ...findLimits(run, server, generator)],
    notes: findReservations(run),
  };
}

function describeServer({ server, memory, load, ...run }: RunResult): ServerDocument {
  const known = isUnknown(server) ? null : server;
  const cpu = known?.totalCores ?? null;
  const used = cpu === null || !run.sawAllFrames ? null : cpu * load.seconds;
  const grown = isUnknown(memory) ? null : memory;
  const perViewer = grown === null ? null : divide((grown.after - grown.before) / KILOBYTE, grown.viewers);
  return {
    description: run.serverDescription,
    workers: run.serverWorkers,
    unknownBecause: isUnknown(server) ? server.unknown : null,
    cpuCores: cpu,
    mainThreadCores: known?.mainCores ?? null,
    shardCores: known?.shardCores ?? null,
    otherThreadsCores: known?.otherCores ?? null,
    cpuMicrosecondsPerFrame: used === null ? null : divide(used * 1e6, load.frames),
    cpuNanosecondsPerComment: used === null ? null : divide(used * 1e9, load.comments),
    mainThreadMicrosecondsPerAcceptedComment:
      known === null ? null : divide(known.mainCores * known.seconds * 1e6, known.accepted),
    memoryBytesBefore: grown?.before ?? null,
    memoryBytesAfter: grown?.after ?? null,
    memoryKilobytesPerViewer: perViewer === null || perViewer <= 0 ? null : perViewer,
    memoryUnknownBecause: isUnknown(memory) ? memory.unknown : perViewer !== null && perViewer <= 0 ? SHRUNK : null,
    droppedMessages: known?.dropped ?? null,
    slowCloses: known?.slowCloses ?? null,
    refusedByCode: known === null ? null : Object.fromEntries(known.refused),
  };
}

function describeComments({ feed, load, server, shape }: RunResult): CommentsDocument {
  const doSend = shape.sending.kind !== 'none';
  const by = feed !== null ? 'http' : doSend ? 'websocket' : 'others';
  // The server counts what it accepts at once; an answer may come an interval later.
  const accepted = isUnknown(server) ? (feed?.accepted ?? load.acked) : server.accepted;
  const seconds = isUnknown(server) ? load.seconds : server.seconds;
  return {
    by,
    accepted,
    acceptedPerSecond: divide(accepted, seconds),
    refusedByCode: Object.fromEntries(feed?.refused ?? load.refused),
    unposted: feed?.unposted ?? 0,
    sent: doSend ? load.sent : null,
    acked: doSend ? load.acked : null,
  };
}

function describeGenerator({ generator, feed, load, sawAllFrames }: RunResult): GeneratorDocument {
  return {
    cpuCores: generator.totalCores,
    threadsCores: generator.threadsCores,
    busiestThreadCores: generator.busiestCores,
    mainThreadCores: generator.mainCores,
    cpuMicrosecondsPerFrame: sawAllFrames ? divide(generator.totalCores * load.seconds * 1e6, load.frames) : null,
    worstLoopDelayMs: generator.worstDelay,
    meanPostWaitMs: feed?.meanWait ?? null,
    worstPostDelayMs: feed?.worstLate ?? null,
    machineBusyCores: generator.machineBusyCores,
    machineCores: generator.machineCores,
  };
}

function findLimits(
  { serverIsLocal, sawAllFrames, load, settings }: RunResult,
  { cpuCores, shardCores }: ServerDocument,
  generator: GeneratorDocument,
) {
  const viewers = settings.connections / settings.rooms;
  const threads = Math.min(settings.workers, settings.connections);
  const frame = divide(generator.threadsCores * load.seconds * 1e3, load.frames);
  return findGeneratorLimits({
    ...generator,
    generatorCores: generator.cpuCores,
    serverCores: cpuCores,
    shardCores,
    isLocal: serverIsLocal,
    ownSpreadMs: frame === null || !sawAllFrames ? null : (frame * viewers) / threads,
    spreadMs: describeLatency(load.spread).p50,
  });
}

/** null where there is nothing to divide by. */
function divide(amount: number, by: number): number | null {
  return by > 0 ? amount / by : null;
}
