/** What a server counted and used: from its API's metrics, and from /proc. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { BenchError } from '../bench-error.ts';
import { benchNow } from '../load/tally.ts';

/** How long an answer may take: a post that waits for the store may wait two intervals. */
const ANSWER_MS = 10_000;

/**
 * Asks the server's API; with comments it posts them.
 * @throws BenchError when no answer comes
 */
export async function callApi(url: string, comments?: unknown): Promise<{ status: number; text: string }> {
  const headers = { 'content-type': 'application/json' };
  const post = comments === undefined ? {} : { method: 'POST', headers, body: JSON.stringify(comments) };
  try {
    const answer = await fetch(url, { ...post, signal: AbortSignal.timeout(ANSWER_MS) });
    return { status: answer.status, text: await answer.text() };
  } catch (error) {
    const { origin } = new URL(url);
    if (error instanceof Error && error.name === 'TimeoutError') {
      throw new BenchError(`the server's API at ${origin} did not answer within ${ANSWER_MS / 1_000} s`);
    }
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new BenchError(`the server's API at ${origin} cannot be reached (${message || code})`);
  }
}

const SAMPLE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: \d+)?$/;
const LABEL = /([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/** What a server's `/metrics` said at one moment. */
export class MetricsPage {
  readonly #samples: { name: string; labels: ReadonlyMap<string, string>; value: number }[] = [];

  /** Reads Prometheus' text format. Lines that are not samples are left out. */
  constructor(text: string) {
    for (const line of text.split('\n')) {
      const [, name, labels = '', value] = SAMPLE.exec(line) ?? [];
      if (name === undefined) continue;
      const read = [...labels.matchAll(LABEL)].map(([, key = '', text = '']) => [key, text] as const);
      this.#samples.push({ name, labels: new Map(read), value: Number(value) });
    }
  }

  /**
   * Reads a server's metrics.
   * @throws BenchError when the API does not answer, or not with metrics
   */
  static async fetch(apiUrl: string): Promise<MetricsPage> {
    const { status, text } = await callApi(`${apiUrl}/metrics`);
    if (status !== 200) throw new BenchError(`${apiUrl}/metrics answered ${status}`);
    return new MetricsPage(text);
  }

  /** The sum of the samples of `name`, of those with this label where one is given; 0 for none. */
  sum(name: string, label?: string, wanted?: string): number {
    const found = this.#samples.filter((sample) => sample.name === name);
    const chosen = label === undefined ? found : found.filter(({ labels }) => labels.get(label) === wanted);
    return chosen.reduce((sum, { value }) => sum + value, 0);
  }

  /** The samples of `name` by the value of `label`; those without it are left out. */
  by(name: string, label: string): Map<string, number> {
    const values = new Map<string, number>();
    for (const sample of this.#samples) {
      const key = sample.labels.get(label);
      if (sample.name === name && key !== undefined) values.set(key, (values.get(key) ?? 0) + sample.value);
    }
    return values;
  }
}

/** What a server has counted and used since its start. CPU in seconds. */
export type ServerReading = Awaited<ReturnType<typeof readServer>>;

/** What a server used and counted between two readings. */
export type ServerFigures = ReturnType<typeof compareReadings>;

/**
 * Reads a volley server.
 * @param pid its process where it runs on this machine: its memory then comes from /proc, where that exists
 * @throws BenchError when the API does not answer, or not with volley's metrics
 */
export async function readServer(apiUrl: string, pid: number | null) {
  const page = await MetricsPage.fetch(apiUrl);
  const at = benchNow();
  const threads = page.by('volley_thread_cpu_seconds_total', 'thread');
  const mainCpu = threads.get('main');
  if (mainCpu === undefined) throw new BenchError(`${apiUrl}/metrics is not that of a volley server`);
  threads.delete('main');
  const shards = [...threads].sort(([one], [other]) => Number(one) - Number(other));
  const hasProc = pid !== null && existsSync(`/proc/${pid}/status`);
  return {
    at,
    /** The whole process. */
    processCpu: page.sum('process_cpu_seconds_total'),
    mainCpu,
    /** By shard. A shard tells it once a second. */
    shardCpu: shards.map(([, cpu]) => cpu),
    /** Resident bytes. */
    memory: hasProc ? readMemory(pid) : page.sum('process_resident_memory_bytes'),
    /** Comments, by HTTP and by socket. */
    accepted: page.sum('volley_comments_total'),
    refused: page.by('volley_refused_total', 'code'),
    /** Messages dropped for slow viewers. */
    dropped: page.sum('volley_drops_total', 'reason', 'backpressure'),
    skipped: page.sum('volley_drops_total', 'reason', 'skipped'),
    slowCloses: page.sum('volley_drops_total', 'reason', 'slow_close'),
    shardRestarts: page.sum('volley_shard_restarts_total'),
  };
}

export function compareReadings(from: ServerReading, to: ServerReading) {
  const seconds = (to.at - from.at) / 1_000;
  const mainCores = (to.mainCpu - from.mainCpu) / seconds;
  const shardCores = to.shardCpu.map((cpu, shard) => (cpu - (from.shardCpu[shard] ?? 0)) / seconds);
  const totalCores = (to.processCpu - from.processCpu) / seconds;
  const more = [...to.refused].map(([code, count]) => [code, count - (from.refused.get(code) ?? 0)] as const);
  return {
    seconds,
    totalCores,
    mainCores,
    shardCores,
    // Shards tell their CPU once a second, the process at once: the rest may come out a little below 0.
    otherCores: Math.max(0, totalCores - shardCores.reduce((sum, cores) => sum + cores, mainCores)),
    accepted: to.accepted - from.accepted,
    refused: new Map(more.filter(([, count]) => count > 0)),
    dropped: to.dropped - from.dropped,
    skipped: to.skipped - from.skipped,
    slowCloses: to.slowCloses - from.slowCloses,
    shardRestarts: to.shardRestarts - from.shardRestarts,
  };
}

/** Resident memory of `pid` in bytes, as Linux tells it. */
export function readMemory(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) * 1_024;
}

/**
 * CPU that the living threads of `pid` have spent, user and system, in seconds. A thread that ends takes its share with
 * it. Where the kernel does not count nanoseconds, it comes in steps of 10 ms and includes ended threads.
 */
export function readCpuSeconds(pid: number): number {
  if (!existsSync('/proc/self/schedstat')) return readTicks(pid);
  const threads = readdirSync(`/proc/${pid}/task`).map((thread) => readNanoseconds(pid, thread));
  return threads.reduce((sum, nanoseconds) => sum + nanoseconds, 0) / 1e9;
}

function readNanoseconds(pid: number, thread: string): number {
  try {
    return Number.parseInt(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1'), 10);
  } catch (error) {
    // The thread has ended since the folder was read; Linux says the one or the other.
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return 0;
    throw error;
  }
}

function readTicks(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // The second field is the program's name in parentheses, which may hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [user = Number.NaN, system = Number.NaN] = fields.slice(11, 13).map(Number);
  return (user + system) / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'latin1' }));
}
