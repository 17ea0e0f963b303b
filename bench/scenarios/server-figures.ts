import type { ServerCounts, ServerReading } from './server-reading.ts';

/** What a server used and counted between two readings. */
export interface ServerFigures extends ServerCounts {
  readonly seconds: number;
  /** The whole process. */
  readonly totalCores: number;
  readonly mainCores: number;
  /** By shard. */
  readonly shardCores: readonly number[];
  /** The process less main and shards: threads of V8 and libuv. */
  readonly otherCores: number;
}

/** The difference of two readings of the same server. */
export function compareReadings(from: ServerReading, to: ServerReading): ServerFigures {
  const seconds = (to.at - from.at) / 1_000;
  const mainCores = (to.mainCpu - from.mainCpu) / seconds;
  const shardCores = to.shardCpu.map((cpu, shard) => (cpu - (from.shardCpu[shard] ?? 0)) / seconds);
  const totalCores = (to.processCpu - from.processCpu) / seconds;
  const rest = totalCores - shardCores.reduce((sum, cores) => sum + cores, mainCores);
  const refused = new Map<string, number>();
  for (const [code, count] of to.refused) {
    const more = count - (from.refused.get(code) ?? 0);
    if (more > 0) refused.set(code, more);
  }
  return {
    seconds,
    totalCores,
    mainCores,
    shardCores,
    // Shards tell their CPU once a second, the process at once: the rest can come out a little below nothing.
    otherCores: Math.max(0, rest),
    accepted: to.accepted - from.accepted,
    refused,
    dropped: to.dropped - from.dropped,
    skipped: to.skipped - from.skipped,
    slowCloses: to.slowCloses - from.slowCloses,
    shardRestarts: to.shardRestarts - from.shardRestarts,
  };
}
