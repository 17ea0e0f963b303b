/**
 * The metrics in Prometheus' format. Nothing is counted here: numbers are gathered from the tally, the rooms and the
 * shards' shared memory when somebody scrapes. docs/metrics.md lists them; `npm run lint` checks the list.
 */
import { statSync } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises';
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { CODECS } from '../frames/codec.ts';
import type { RingWriter } from '../frames/frame-ring.ts';
import type { Rooms } from '../rooms/rooms.ts';
import type { ShardCounters } from '../shards/counters.ts';
import type { Store } from '../store/store.ts';
import type { Durations } from './durations.ts';
import { API_CUTS, BACKGROUND_FAULTS, type Tally } from './tally.ts';
import { DELAY_RESOLUTION_MS, LoopDelayMeter, threadCpuSeconds } from './thread-stats.ts';

export interface MetricsSources {
  readonly tally: Tally;
  readonly rooms: Rooms;
  readonly ring: RingWriter;
  readonly store: Pick<Store, 'stats'>;
  readonly shards: readonly ShardCounters[];
  /** The package of uWebSockets.js that the shards run on and its version, a space between; '' while not known. */
  readonly library: () => string;
  /** Lines that the log has lost. */
  readonly lostLines: () => number;
}

type Sample = readonly [value: number, labels?: Record<string, string>];

/** One metric: its name, what it counts, and how its samples are gathered. */
interface Metric {
  readonly name: string;
  readonly help: string;
  readonly gather: (from: MetricsSources) => Iterable<Sample>;
}

const COUNTERS: readonly Metric[] = [
  {
    name: 'volley_comments_total',
    help: 'Comments accepted, by the way they came (http, socket).',
    gather: ({ tally }) => [
      [tally.commentsHttp, { source: 'http' }],
      [tally.commentsSocket, { source: 'socket' }],
      [tally.commentsDemo, { source: 'demo' }],
    ],
  },
  {
    name: 'volley_refused_total',
    help: 'Comments, posts and handshakes refused, by code.',
    gather: gatherRefused,
  },
  { name: 'volley_batches_total', help: 'Batches that rooms fired.', gather: ({ tally }) => [[tally.batches]] },
  {
    name: 'volley_frames_encoded_total',
    help: 'Frames encoded for pushes, by codec: one a push and codec in use, whatever the viewers and workers.',
    gather: ({ tally }) => CODECS.map((codec, place) => [tally.framesEncoded[place] ?? 0, { codec }]),
  },
  {
    name: 'volley_backfill_frames_total',
    help: 'Frames encoded for viewers that catch up.',
    gather: ({ tally }) => [[tally.backfillFrames]],
  },
  { name: 'volley_pushes_total', help: 'Frames committed to the ring.', gather: ({ tally }) => [[tally.pushes]] },
  {
    name: 'volley_presences_total',
    help: 'Presence messages committed to the ring for quiet rooms.',
    gather: ({ tally }) => [[tally.presences]],
  },
  {
    name: 'volley_comments_recalled_total',
    help: 'Comments recalled.',
    gather: ({ tally }) => [[tally.commentsRecalled]],
  },
  {
    name: 'volley_recalls_total',
    help: 'Recall messages committed to the ring: one a push and codec in use.',
    gather: ({ tally }) => [[tally.recalls]],
  },
  {
    name: 'volley_store_pruned_batches_total',
    help: 'Batches dropped from the store because they were too old or too much.',
    gather: ({ store }) => [[store.stats().pruned]],
  },
  {
    name: 'volley_large_frames_total',
    help: 'Frames over 16 KB, which uWebSockets.js buffers per viewer.',
    gather: ({ tally }) => [[tally.largeFrames]],
  },
  {
    name: 'volley_oversized_frames_total',
    help: 'Frames that the ring is too small for; their viewers see a gap.',
    gather: ({ tally }) => [[tally.oversizedFrames]],
  },
  {
    name: 'volley_ring_bytes_total',
    help: 'Frame bytes written to the ring.',
    gather: ({ tally }) => [[tally.ringBytes]],
  },
  {
    name: 'volley_ring_waits_total',
    help: 'Times that a push found no room in the ring and waited a slot.',
    gather: ({ tally }) => [[tally.ringWaits]],
  },
  {
    name: 'volley_messages_total',
    help: 'Messages between the main thread and the shards, by direction (to_shards, from_shards).',
    gather: ({ tally }) => [
      [tally.messagesToShards, { direction: 'to_shards' }],
      [tally.messagesFromShards, { direction: 'from_shards' }],
    ],
  },
  {
    name: 'volley_shard_restarts_total',
    help: 'Times that a shard was run again after a fault.',
    gather: ({ tally }) => [[tally.shardRestarts]],
  },
  {
    name: 'volley_viewers_joined_total',
    help: 'Connections that became viewers, by shard.',
    gather: ({ shards }) => shards.map((row, shard) => [row.get('joined'), { shard: String(shard) }]),
  },
  {
    name: 'volley_viewer_messages_total',
    help: 'Messages that viewers sent, by shard.',
    gather: ({ shards }) => shards.map((row, shard) => [row.get('messagesReceived'), { shard: String(shard) }]),
  },
  {
    name: 'volley_published_total',
    help: 'Ring entries that a shard has published, by shard.',
    gather: ({ shards }) => shards.map((row, shard) => [row.get('published'), { shard: String(shard) }]),
  },
  {
    name: 'volley_deliveries_total',
    help: 'Messages published to viewers, those dropped for slow viewers included, by shard.',
    gather: ({ shards }) => shards.map((row, shard) => [row.get('deliveries'), { shard: String(shard) }]),
  },
  {
    name: 'volley_delivered_bytes_total',
    help: 'Payload bytes of those messages, by shard.',
    gather: ({ shards }) => shards.map((row, shard) => [row.get('deliveredBytes'), { shard: String(shard) }]),
  },
  {
    name: 'volley_drops_total',
    help: 'What slow viewers cost them, by shard and reason: messages dropped (backpressure), viewers told (skipped), viewers closed (slow_close).',
    gather: gatherDrops,
  },
  {
    name: 'volley_listen_pauses_total',
    help: 'Times that a shard stopped listening because the process was about to run out of files, by shard.',
    gather: ({ shards }) => shards.map((row, shard) => [row.get('listenPauses'), { shard: String(shard) }]),
  },
  {
    name: 'volley_api_cuts_total',
    help: 'Connections to the API that the server closed, by reason.',
    gather: ({ tally }) => API_CUTS.map((reason) => [tally.apiCuts[reason], { reason }]),
  },
  {
    name: 'volley_background_faults_total',
    help: 'Errors outside of any request that the server survived, by what met them.',
    gather: ({ tally }) => BACKGROUND_FAULTS.map((source) => [tally.backgroundFaults[source], { source }]),
  },
  {
    name: 'volley_log_lines_lost_total',
    help: 'Lines of the log that could not be written or were too many.',
    gather: ({ lostLines }) => [[lostLines()]],
  },
  {
    name: 'volley_flood_closes_total',
    help: 'Viewers closed because they sent too much, by shard.',
    gather: ({ shards }) => shards.map((row, shard) => [row.get('floodClosed'), { shard: String(shard) }]),
  },
  {
    name: 'volley_thread_cpu_seconds_total',
    help: 'CPU time by thread: main, or the number of a shard.',
    gather: ({ shards }) => [
      [threadCpuSeconds(), { thread: 'main' }],
      ...shards.map((row, shard): Sample => [row.get('cpu'), { thread: String(shard) }]),
    ],
  },
];

const GAUGES: readonly Metric[] = [
  {
    name: 'volley_viewers',
    help: 'Viewers connected, by shard.',
    gather: ({ shards }) => shards.map((row, shard) => [row.get('viewers'), { shard: String(shard) }]),
  },
  {
    name: 'volley_sockets',
    help: "Connections to the viewers' port, those without a handshake included, by shard.",
    gather: ({ shards }) => shards.map((row, shard) => [row.get('sockets'), { shard: String(shard) }]),
  },
  {
    name: 'volley_api_connections',
    help: 'Connections to the API.',
    gather: ({ tally }) => [[tally.api.connections]],
  },
  {
    name: 'volley_api_unsent_bytes',
    help: "Bytes of the API's answers that their readers have not taken.",
    gather: ({ tally }) => [[tally.api.unsentBytes]],
  },
  {
    name: 'volley_api_body_bytes',
    help: 'Bytes of bodies that have not arrived whole.',
    gather: ({ tally }) => [[tally.api.bodyBytes]],
  },
  {
    name: 'volley_catch_up_bytes',
    help: 'Bytes of backfill asked for or sent, and not read yet, by shard.',
    gather: ({ shards }) => shards.map((row, shard) => [row.get('catchUpBytes'), { shard: String(shard) }]),
  },
  {
    name: 'volley_joins_waiting',
    help: 'Viewers that wait for their next step of backfill because of --catch-up-bytes, by shard.',
    gather: ({ shards }) => shards.map((row, shard) => [row.get('joinsWaiting'), { shard: String(shard) }]),
  },
  { name: 'volley_rooms', help: 'Rooms that are live.', gather: ({ rooms }) => [[rooms.size]] },
  {
    name: 'volley_pending_comments',
    help: 'Comments accepted and not yet fired.',
    gather: ({ rooms }) => [[rooms.pending]],
  },
  { name: 'volley_store_bytes', help: 'Bytes kept in the store.', gather: ({ store }) => [[store.stats().bytes]] },
  { name: 'volley_ring_used_bytes', help: 'Bytes of the ring in use.', gather: ({ ring }) => [[ring.used()]] },
  {
    name: 'volley_uwebsockets_info',
    help: 'Always 1; the package of uWebSockets.js that is in use, and its version.',
    gather: ({ library }) => {
      const [name, version] = library().split(' ');
      return name && version ? [[1, { package: name, version }]] : [];
    },
  },
  { name: 'volley_ring_capacity_bytes', help: 'Size of the ring.', gather: ({ ring }) => [[ring.capacity]] },
];

const TIMES: readonly { readonly name: string; readonly help: string; readonly of: (tally: Tally) => Durations }[] = [
  {
    name: 'volley_store_append_seconds',
    help: 'Time from the fire of a room to the answer of the store.',
    of: (tally) => tally.appendTimes,
  },
  {
    name: 'volley_push_seconds',
    help: 'Time from the fire of a room to the commit of its push to the ring.',
    of: (tally) => tally.pushTimes,
  },
];

/** Two gauges of one measurement: a shard keeps its last second, main measures since the last scrape. */
const DELAY_MEAN = 'volley_event_loop_delay_mean_seconds';
const DELAY_MAX = 'volley_event_loop_delay_max_seconds';

/** The names of all metrics of our own, for the documentation's check. */
export const METRIC_NAMES: readonly string[] = [...COUNTERS, ...TIMES, ...GAUGES]
  .map(({ name }) => name)
  .concat(DELAY_MEAN, DELAY_MAX);

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
    for (const { name, help, gather } of COUNTERS) yield render(name, help, 'counter', gather(this.#sources));
    for (const { name, help, of } of TIMES) yield renderTimes(name, help, of(this.#sources.tally));
    for (const { name, help, gather } of GAUGES) yield render(name, help, 'gauge', gather(this.#sources));
    yield* this.#renderDelay();
  }

  #renderDelay(): string[] {
    const { mean, max } = this.#delay.take();
    const { shards } = this.#sources;
    const byThread = (main: number, name: 'delayMean' | 'delayMax'): Sample[] => [
      [main, { thread: 'main' }],
      ...shards.map((row, shard): Sample => [row.get(name), { thread: String(shard) }]),
    ];
    return [
      render(DELAY_MEAN, 'Mean event-loop delay, by thread.', 'gauge', byThread(mean, 'delayMean')),
      render(DELAY_MAX, 'Longest event-loop delay, by thread.', 'gauge', byThread(max, 'delayMax')),
    ];
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

function render(name: string, help: string, type: string, samples: Iterable<Sample>): string {
  let text = `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
  for (const [value, labels] of samples) text += `${name}${renderLabels(labels)} ${value}\n`;
  return text;
}

/** Values are codes, words and numbers: nothing in them needs an escape. */
function renderLabels(labels: Readonly<Record<string, string>> = {}): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  return pairs.length === 0 ? '' : `{${pairs.join()}}`;
}

/** A summary in Prometheus' sense without quantiles. */
function renderTimes(name: string, help: string, { seconds, count }: Durations): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} summary\n${name}_sum ${seconds}\n${name}_count ${count}\n`;
}

/** Main and shards refuse different things under the same codes. */
function* gatherRefused({ tally, shards }: MetricsSources): Iterable<Sample> {
  const counts = new Map<string, number>(tally.refused);
  for (const row of shards) {
    for (const [code, count] of row.refused()) counts.set(code, (counts.get(code) ?? 0) + count);
  }
  for (const [code, count] of counts) yield [count, { code }];
}

function* gatherDrops({ shards }: MetricsSources): Iterable<Sample> {
  for (const [index, row] of shards.entries()) {
    const shard = String(index);
    yield [row.get('dropped'), { shard, reason: 'backpressure' }];
    yield [row.get('skippedSent'), { shard, reason: 'skipped' }];
    yield [row.get('slowClosed'), { shard, reason: 'slow_close' }];
  }
}
