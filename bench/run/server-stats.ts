/** What a server counted and used: from its API's metrics, and from /proc. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { addTo, benchNow } from '../load/tally.ts';
import { BenchError } from '../options.ts';

/** How long an answer may take: a post that waits for the store may wait two intervals. */
const ANSWER_MS = 10_000;

/** Asks the server's API; with comments it posts them. Throws BenchError when no answer comes. */
export async function callApi(url: string, comments?: unknown): Promise<{ status: number; text: string }> {
  const headers = { 'content-type': 'application/json' };
  const post = comments === undefined ? {} : { method: 'POST', headers, body: JSON.stringify(comments) };
  try {
    const answer = await fetch(url, { ...post, signal: AbortSignal.timeout(ANSWER_MS) });
    return { status: answer.status, text: await answer.text() };
  } catch (error) {
    const { name, message, cause } = error as Error & { cause?: NodeJS.ErrnoException };
    const late = name === 'TimeoutError' ? `did not answer within ${ANSWER_MS / 1_000} s` : undefined;
    const why = late ?? `cannot be reached (${cause?.message || cause?.code || message})`;
    throw new BenchError(`the server's API at ${new URL(url).origin} ${why}`);
  }
}

const SAMPLE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: \d+)?$/gm;
const LABEL = /([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"/g;

export type MetricsPage = ReturnType<typeof readMetrics>;

/** Reads a server's `/metrics`, which is Prometheus' text format. Lines that are not samples are left out. */
export function readMetrics(text: string) {
  const samples = [...text.matchAll(SAMPLE)].map(([, name, labels = '', value]) => {
    const read = [...labels.matchAll(LABEL)].map(([, key = '', word = '']) => [key, word] as const);
    return { name, labels: new Map(read), value: Number(value) };
  });
  const of = (name: string) => samples.filter((sample) => sample.name === name);
  return {
    /** The sum of the samples of `name`, of those with this label where one is given; 0 for none. */
    sum(name: string, label = '', wanted?: string): number {
      const chosen = of(name).filter(({ labels }) => wanted === undefined || labels.get(label) === wanted);
      return chosen.reduce((sum, { value }) => sum + value, 0);
    },

    /** The samples of `name` by the value of `label`; those without it are left out. */
    by(name: string, label: string): Map<string, number> {
      const values = new Map<string, number>();
      for (const { labels, value } of of(name)) {
        const key = labels.get(label);
        if (key !== undefined) addTo(values, key, value);
      }
      return values;
    },
  };
}

/** @throws BenchError when the API does not answer, or not with metrics */
export async function fetchMetrics(apiUrl: string): Promise<MetricsPage> {
  const { status, text } = await callApi(`${apiUrl}/metrics`);
  if (status !== 200) throw new BenchError(`${apiUrl}/metrics answered ${status}`);
  return readMetrics(text);
}

export type ServerReading = Awaited<ReturnType<typeof readServer>>;

export type ServerFigures = ReturnType<typeof compareReadings>;

/**
 * Reads a volley server.
 * @param pid its process where it runs on this machine: its memory then comes from /proc, where that exists
 * @throws BenchError when the API does not answer, or not with volley's metrics
 */
export async function readServer(apiUrl: string, pid: number | null) {
  const page = await fetchMetrics(apiUrl);
  const at = benchNow();
  const threads = page.by('volley_thread_cpu_seconds_total', 'thread');
  const mainCpu = threads.get('main');
  if (mainCpu === undefined) throw new BenchError(`${apiUrl}/metrics is not that of a volley server`);
  threads.delete('main');
  const shards = [...threads].sort(([one], [other]) => Number(one) - Number(other));
  const hasProc = pid !== null && existsSync(`/proc/${pid}/status`);
  const drops = page.by('volley_drops_total', 'reason');
  return {
    at,
    processCpu: page.sum('process_cpu_seconds_total'),
    mainCpu,
    /** By shard. A shard tells it once a second. */
    shardCpu: shards.map(([, cpu]) => cpu),
    memory: hasProc ? readMemory(pid) : page.sum('process_resident_memory_bytes'),
    refused: page.by('volley_refused_total', 'code'),
    counts: {
      accepted: page.sum('volley_comments_total'),
      dropped: drops.get('backpressure') ?? 0,
      skipped: drops.get('skipped') ?? 0,
      slowCloses: drops.get('slow_close') ?? 0,
      shardRestarts: page.sum('volley_shard_restarts_total'),
    },
  };
}

export function compareReadings(from: ServerReading, to: ServerReading) {
  const seconds = (to.at - from.at) / 1_000;
  const mainThreadCores = (to.mainCpu - from.mainCpu) / seconds;
  const shardCores = to.shardCpu.map((cpu, shard) => (cpu - (from.shardCpu[shard] ?? 0)) / seconds);
  const cpuCores = (to.processCpu - from.processCpu) / seconds;
  const refused = [...to.refused].map(([code, count]) => [code, count - (from.refused.get(code) ?? 0)] as const);
  const counts = { ...to.counts };
  for (const key of Object.keys(counts) as (keyof typeof counts)[]) counts[key] -= from.counts[key];
  return {
    ...{ seconds, cpuCores, mainThreadCores, shardCores },
    // Shards tell their CPU once a second, the process at once: the rest may come out a little below 0.
    otherThreadsCores: Math.max(0, cpuCores - shardCores.reduce((sum, cores) => sum + cores, mainThreadCores)),
    refused: new Map(refused.filter(([, count]) => count > 0)),
    ...counts,
  };
}

/** Resident memory of `pid` in bytes, as Linux tells it. */
export function readMemory(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) * 1_024;
}

/** CPU in seconds that the living threads of `pid` have spent, as Linux tells it. */
export function readCpuSeconds(pid: number): number {
  let nanoseconds = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      nanoseconds += Number.parseInt(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1'), 10);
    } catch (error) {
      // The thread has ended since the folder was read; Linux says the one or the other.
      if (!['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
  return nanoseconds / 1e9;
}
