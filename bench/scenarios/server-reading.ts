import { BenchError } from '../bench-error.ts';
import { benchNow } from '../load/bench-clock.ts';
import { readMemory } from '../process-stats.ts';
import { callApi } from './api-call.ts';
import { MetricsPage } from './metrics-page.ts';

/** What a server counts. */
export interface ServerCounts {
  /** Comments accepted, by HTTP and by socket. */
  readonly accepted: number;
  readonly refused: ReadonlyMap<string, number>;
  /** Messages dropped for slow viewers. */
  readonly dropped: number;
  /** `skipped` messages. */
  readonly skipped: number;
  readonly slowCloses: number;
  readonly shardRestarts: number;
}

/** What a server has counted and used since its start. CPU in seconds. */
export interface ServerReading extends ServerCounts {
  /** `benchNow()` of the reading. */
  readonly at: number;
  /** The whole process. */
  readonly processCpu: number;
  readonly mainCpu: number;
  /** By shard. A shard tells it once a second. */
  readonly shardCpu: readonly number[];
  /** Resident bytes. */
  readonly memory: number;
}

/**
 * Reads a server's metrics.
 * @param pid the server's process where it runs on this machine: its memory is then taken from /proc, where that is
 * @throws BenchError when the API does not answer, or not with volley's metrics
 */
export async function readServer(apiUrl: string, pid: number | null): Promise<ServerReading> {
  const page = new MetricsPage(await fetchMetrics(apiUrl));
  const at = benchNow();
  const threads = page.by('volley_thread_cpu_seconds_total', 'thread');
  const mainCpu = threads.get('main');
  if (mainCpu === undefined) throw new BenchError(`${apiUrl}/metrics is not that of a volley server`);
  threads.delete('main');
  const shards = [...threads].sort(([one], [other]) => Number(one) - Number(other));
  const resident = pid === null ? undefined : readResident(pid);
  return {
    at,
    processCpu: page.sum('process_cpu_seconds_total'),
    mainCpu,
    shardCpu: shards.map(([, cpu]) => cpu),
    memory: resident ?? page.sum('process_resident_memory_bytes'),
    accepted: page.sum('volley_comments_total'),
    refused: page.by('volley_refused_total', 'code'),
    dropped: page.sum('volley_drops_total', 'reason', 'backpressure'),
    skipped: page.sum('volley_drops_total', 'reason', 'skipped'),
    slowCloses: page.sum('volley_drops_total', 'reason', 'slow_close'),
    shardRestarts: page.sum('volley_shard_restarts_total'),
  };
}

async function fetchMetrics(apiUrl: string): Promise<string> {
  const { status, text } = await callApi(`${apiUrl}/metrics`);
  if (status !== 200) throw new BenchError(`${apiUrl}/metrics answered ${status}`);
  return text;
}

/** Resident bytes of a process; undefined where there is no /proc that tells. */
function readResident(pid: number): number | undefined {
  try {
    return readMemory(pid);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
