import { BUSY_THREAD } from '../load/load-figures.ts';
import { formatMeasure } from './number-text.ts';

/** What tells whether the load generator, and not the server, was the limit. CPU in cores. */
export interface LimitSigns {
  /** The busiest load thread. */
  readonly busiestThreadCores: number;
  /** The bench's main thread, which posts over HTTP. */
  readonly mainThreadCores: number;
  /** The longest that a load thread's loop stood, in ms. */
  readonly worstLoopDelayMs: number;
  /** By how much the latest HTTP post missed its time, in ms; null without a feed. */
  readonly worstPostDelayMs: number | null;
  readonly machineBusyCores: number;
  readonly machineCores: number;
  /** The whole server; null where it is not known. */
  readonly serverCores: number | null;
  /** The whole process of the bench. */
  readonly generatorCores: number;
  /** What every viewer of a room needs of the load threads to take one frame; null where it is not known. */
  readonly ownSpreadMs: number | null;
  /** The median from the first to the last viewer of a frame; null where it is not known. */
  readonly spreadMs: number | null;
  /** The server's shards; null where they are not known. */
  readonly shardCores: readonly number[] | null;
  /** Whether the server runs on this machine. */
  readonly isLocal: boolean;
}

/** The share of all cores from which on threads wait for one another. */
const BUSY_MACHINE = 0.95;

/** A loop that stood this long shows in the highest latencies. */
const LONG_DELAY_MS = 100;

/** From this share of a spread on it is mostly the generator's. */
const OWN_SPREAD = 0.7;

/** What the generator was the limit of, a plain sentence each; none when the figures are the server's. */
export function findGeneratorLimits(signs: LimitSigns): string[] {
  const { busiestThreadCores, mainThreadCores, worstLoopDelayMs, worstPostDelayMs, shardCores } = signs;
  const limits: string[] = [];
  if (busiestThreadCores >= BUSY_THREAD) {
    limits.push(
      `the load generator was the limit, not the server: its busiest thread used ${busiestThreadCores.toFixed(2)} cores; ` +
        'give it more threads (--workers) on a machine with cores to spare',
    );
  }
  if (mainThreadCores >= BUSY_THREAD) {
    limits.push(
      `the bench's main thread, which posts the comments, was the limit: it used ${mainThreadCores.toFixed(2)} cores; ` +
        'let viewers send them (--senders)',
    );
  }
  const { machineBusyCores, machineCores, isLocal } = signs;
  const idle = shardCores === null || shardCores.every((cores) => cores < BUSY_THREAD);
  if (isLocal && machineBusyCores >= BUSY_MACHINE * machineCores && idle) {
    const own = (signs.serverCores ?? 0) + signs.generatorCores;
    limits.push(
      `the machine was the limit, not the server: all of its ${machineCores} cores were busy and no shard was, ` +
        `${own.toFixed(2)} of them with server and load generator; the latencies are too high`,
    );
  }
  if (worstLoopDelayMs >= LONG_DELAY_MS) {
    limits.push(
      `the load generator stood still for up to ${worstLoopDelayMs.toFixed(0)} ms, so the highest latencies may be its own`,
    );
  }
  if (worstPostDelayMs !== null && worstPostDelayMs >= LONG_DELAY_MS) {
    limits.push(
      `the bench posted up to ${worstPostDelayMs.toFixed(0)} ms late, which counts as latency: from when a post was due`,
    );
  }
  const { ownSpreadMs, spreadMs } = signs;
  if (ownSpreadMs !== null && spreadMs !== null && ownSpreadMs >= OWN_SPREAD * spreadMs) {
    limits.push(
      `the time from first to last viewer may be the load generator's own: its threads take ${formatMeasure(ownSpreadMs)} ms ` +
        `to read one frame for all viewers of a room, and the median is ${formatMeasure(spreadMs)} ms; --workers spreads it`,
    );
  }
  return limits;
}
