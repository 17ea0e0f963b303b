import type { LoadFigures } from '../load/load-figures.ts';
import { isUnknown, type RunResult } from '../scenarios/run-result.ts';
import type { CommentsDocument, GeneratorDocument, RunDocument, ServerDocument } from './bench-document.ts';
import { findGeneratorLimits } from './generator-limit.ts';
import { describeLatency, describeRate } from './quantiles.ts';

/** Below this many viewers the growth of the heap outweighs what they take. */
const FEW_VIEWERS = 2_000;

/** Below this many whole seconds a percentile of them says little. */
const FEW_SECONDS = 10;

const KILOBYTE = 1_024;

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
    warnings: [...findFaults(load), ...findLimits(run, server, generator)],
    notes: [...run.notes, ...findReservations(run)],
  };
}

function describeServer({ server, memory, load, ...run }: RunResult): ServerDocument {
  const known = isUnknown(server) ? null : server;
  const cpu = known?.totalCores ?? null;
  const used = cpu === null || !run.sawAllFrames ? null : cpu * load.seconds;
  const grown = isUnknown(memory) ? null : memory;
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
    memoryKilobytesPerViewer: grown === null ? null : divide((grown.after - grown.before) / KILOBYTE, grown.viewers),
    memoryUnknownBecause: isUnknown(memory) ? memory.unknown : null,
    droppedMessages: known?.dropped ?? null,
    slowCloses: known?.slowCloses ?? null,
    refusedByCode: known === null ? null : Object.fromEntries(known.refused),
  };
}

function describeComments({ feed, load, server }: RunResult): CommentsDocument {
  const by = feed !== null ? 'http' : load.sent > 0 ? 'websocket' : 'others';
  // The server counts what it accepts at once; an answer may come an interval later.
  const accepted = isUnknown(server) ? (feed?.accepted ?? load.acked) : server.accepted;
  const seconds = isUnknown(server) ? load.seconds : server.seconds;
  return {
    by,
    accepted,
    acceptedPerSecond: divide(accepted, seconds),
    refusedByCode: Object.fromEntries(feed?.refused ?? load.refused),
    unposted: feed?.unposted ?? 0,
  };
}

function describeGenerator({ generator, feed, load }: RunResult): GeneratorDocument {
  return {
    threadsCores: generator.threadsCores,
    busiestThreadCores: generator.busiestCores,
    mainThreadCores: generator.mainCores,
    cpuMicrosecondsPerFrame: divide(generator.threadsCores * load.seconds * 1e6, load.frames),
    worstLoopDelayMs: generator.worstDelay,
    worstPostDelayMs: feed?.worstLate ?? null,
    machineBusyCores: generator.machineBusyCores,
    machineCores: generator.machineCores,
  };
}

function findFaults({ faults, lost, failedConnects, outOfOrder, closed }: LoadFigures): string[] {
  const found = faults.map((fault) => `fault: ${fault}`);
  if (lost > 0) found.push(`${lost} frames were lost`);
  if (outOfOrder > 0) found.push(`fault: ${outOfOrder} frames came out of order`);
  if (closed.size > 0) {
    const codes = [...closed].map(([code, count]) => `${count} with ${code}`).join(', ');
    found.push(`the server closed connections: ${codes}`);
  }
  if (failedConnects > 0) found.push(`${failedConnects} viewers that had left did not come up again`);
  return found;
}

function findLimits(
  { serverIsLocal }: RunResult,
  { cpuCores, shardCores }: ServerDocument,
  generator: GeneratorDocument,
) {
  return findGeneratorLimits({ ...generator, serverCores: cpuCores, shardCores, isLocal: serverIsLocal });
}

/** What keeps the figures from saying as much as they seem to. */
function findReservations({ load, memory, feed, server, sawAllFrames }: RunResult): string[] {
  const found: string[] = [];
  if (load.perSecond.length < FEW_SECONDS) {
    found.push(`only ${load.perSecond.length} whole seconds: their percentiles say little`);
  }
  if (!isUnknown(memory) && memory.viewers < FEW_VIEWERS) {
    found.push(`memory a viewer: with fewer than ${FEW_VIEWERS} viewers it is mostly the growth of the server's heap`);
  }
  if (!sawAllFrames) found.push('CPU a frame and a comment are not known: not all frames were counted');
  if (feed !== null && feed.unposted > 0) {
    found.push(
      `${feed.unposted} comments were not posted because the server took posts more slowly than they were due`,
    );
  }
  if (!isUnknown(server) && server.shardRestarts > 0) {
    found.push(`the server started a shard again ${server.shardRestarts} times: see its log`);
  }
  return found;
}

/** null where there is nothing to divide by. */
function divide(amount: number, by: number): number | null {
  return by > 0 ? amount / by : null;
}
