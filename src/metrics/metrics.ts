/**
 * The metrics in Prometheus' format, made from the table in counters.ts when somebody scrapes. docs/metrics.md lists them;
 * `npm run lint` checks the list.
 */
import { statSync } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises';
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import {
  type MainCounters,
  type MainName,
  METRICS,
  type Metric,
  type ReadName,
  type ShardCounters,
  type ShardName,
  type TimesName,
} from '../counters.ts';
import { DELAY_RESOLUTION_MS, LoopDelayMeter, threadCpuSeconds } from '../thread-stats.ts';

export interface MetricsSources {
  readonly counters: MainCounters;
  readonly rooms: { readonly size: number; readonly pending: number };
  readonly ring: { readonly capacity: number; used(): number };
  readonly store: { stats(): { readonly bytes: number; readonly pruned: number } };
  readonly shards: readonly ShardCounters[];
  /** The package of uWebSockets.js that the shards run on and its version, a space between; '' while not known. */
  readonly library: () => string;
  /** Lines that the log has lost. */
  readonly lostLines: () => number;
}

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [value: number, labels?: Labels];

/** The main thread's event-loop delay since the last scrape, in seconds. */
interface Delay {
  readonly mean: number;
  readonly max: number;
}

/** How the metrics are read that nobody counts. */
const READERS: Readonly<Record<ReadName, (from: MetricsSources, delay: Delay) => Iterable<Sample>>> = {
  volley_refused_total: ({ counters, shards }) => gatherRefused(counters, shards),
  volley_store_pruned_batches_total: ({ store }) => [[store.stats().pruned]],
  volley_log_lines_lost_total: ({ lostLines }) => [[lostLines()]],
  volley_thread_cpu_seconds_total: (from) => byThread(from, threadCpuSeconds(), 'cpu'),
  volley_rooms: ({ rooms }) => [[rooms.size]],
  volley_pending_comments: ({ rooms }) => [[rooms.pending]],
  volley_store_bytes: ({ store }) => [[store.stats().bytes]],
  volley_ring_used_bytes: ({ ring }) => [[ring.used()]],
  volley_uwebsockets_info: ({ library }) => {
    const [name, version] = library().split(' ');
    return name && version ? [[1, { package: name, version }]] : [];
  },
  volley_ring_capacity_bytes: ({ ring }) => [[ring.capacity]],
  volley_event_loop_delay_mean_seconds: (from, { mean }) => byThread(from, mean, 'delayMean'),
  volley_event_loop_delay_max_seconds: (from, { max }) => byThread(from, max, 'delayMax'),
};

/** What one turn of the loop may take of making the text, in ms. */
const TURN_MS = 2;

export class Metrics {
  readonly #sources: MetricsSources;
  /** The metrics of the process and of Node.js. */
  readonly #process = new Registry();
  readonly #delay = new LoopDelayMeter();
  /** Ends when the next text may be begun. */
  #pause: Promise<unknown> = Promise.resolve();
  #next: Promise<string> | undefined;
  #openFiles = 0;

  constructor(sources: MetricsSources) {
    this.#sources = sources;
    collectDefaultMetrics({ register: this.#process, eventLoopMonitoringPrecision: DELAY_RESOLUTION_MS });
    this.#replaceOpenFiles();
  }

  get contentType(): string {
    return this.#process.contentType;
  }

  /**
   * The text, with numbers of after this call. It is made by turns of the loop, once for all who ask while another is
   * made, and then not again for as long as it took.
   */
  read(): Promise<string> {
    this.#next ??= this.#pause.then(() => {
      this.#next = undefined;
      const began = performance.now();
      const made = this.#make();
      const rest = (): Promise<void> => wait(performance.now() - began);
      this.#pause = made.then(rest, rest);
      return made;
    });
    return this.#next;
  }

  stop(): void {
    this.#delay.stop();
  }

  async #make(): Promise<string> {
    const texts: string[] = [];
    let began = performance.now();
    for await (const text of this.#renderAll()) {
      texts.push(text);
      if (performance.now() - began < TURN_MS) continue;
      await nextTurn();
      began = performance.now();
    }
    return texts.join('\n');
  }

  /** The text of each metric. */
  async *#renderAll(): AsyncGenerator<string> {
    for (const { name } of this.#process.getMetricsAsArray()) {
      yield `${await this.#process.getSingleMetricAsString(name)}\n`;
    }
    const delay = this.#delay.take();
    for (const metric of METRICS as readonly Metric[]) yield render(metric, this.#sources, delay);
  }

  /** The library's own lists the names of all open files at once, which with 100,000 viewers holds the loop up. */
  #replaceOpenFiles(): void {
    const name = 'process_open_fds';
    if (this.#process.getSingleMetric(name) === undefined) return;
    this.#process.removeSingleMetric(name);
    const gauge = new Gauge({
      name,
      help: 'Number of open file descriptors.',
      registers: [this.#process],
      collect: async () => {
        this.#openFiles = await countOpenFiles(this.#openFiles);
        gauge.set(this.#openFiles);
      },
    });
  }
}

const OPEN_FILES = '/proc/self/fd';

/** Open files of this process, `last` where they cannot be counted. Linux tells their number since 6.2. */
async function countOpenFiles(last: number): Promise<number> {
  try {
    const { size } = statSync(OPEN_FILES);
    if (size > 0) return size;
    let count = 0;
    for await (const _file of await opendir(OPEN_FILES, { bufferSize: 256 })) count += 1;
    return count;
  } catch {
    // Out of files there is none for the list either.
    return last;
  }
}

function render(metric: Metric, from: MetricsSources, delay: Delay): string {
  const { name, help, type = 'counter', main = {} } = metric;
  let text = `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
  if (type === 'summary') {
    // Without quantiles, which Prometheus' own summaries may lack.
    for (const counter of Object.keys(main)) {
      const { seconds, count } = from.counters[counter as TimesName];
      text += `${name}_sum ${seconds}\n${name}_count ${count}\n`;
    }
    return text;
  }
  const samples = metric.read ? READERS[name as ReadName](from, delay) : gather(metric, from);
  for (const [value, labels] of samples) text += `${name}${renderLabels(labels)} ${value}\n`;
  return text;
}

function* gather({ main = {}, shards: ofShards = {} }: Metric, { counters, shards }: MetricsSources): Iterable<Sample> {
  for (const [name, labels] of Object.entries(main)) yield [counters[name as MainName], labels];
  for (const [shard, row] of shards.entries()) {
    for (const [name, labels] of Object.entries(ofShards)) {
      yield [row.get(name as ShardName), { shard: String(shard), ...labels }];
    }
  }
}

function byThread({ shards }: MetricsSources, main: number, name: ShardName): Sample[] {
  return [
    [main, { thread: 'main' }],
    ...shards.map((row, shard): Sample => [row.get(name), { thread: String(shard) }]),
  ];
}

/** Values are codes, words and numbers: nothing in them needs an escape. */
function renderLabels(labels: Labels = {}): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  return pairs.length === 0 ? '' : `{${pairs.join()}}`;
}

/** Main and shards refuse different things under the same codes. */
function* gatherRefused({ refused }: MainCounters, shards: readonly ShardCounters[]): Iterable<Sample> {
  const counts = new Map<string, number>(refused);
  for (const row of shards) {
    for (const [code, count] of row.refused()) counts.set(code, (counts.get(code) ?? 0) + count);
  }
  for (const [code, count] of counts) yield [count, { code }];
}
