/**
 * The metrics in Prometheus' format. Nothing is counted here: numbers are gathered from the tally, the rooms and the
 * shards' shared memory when somebody scrapes. docs/metrics.md lists them; `npm run lint` checks the list.
 */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { CODECS } from '../frames/codec.ts';
import type { RingWriter } from '../frames/frame-ring.ts';
import type { Rooms } from '../rooms/rooms.ts';
import type { ShardCounters } from '../shards/counters.ts';
import type { Store } from '../store/store.ts';
import type { Durations } from './durations.ts';
import { DurationsMetric } from './durations-metric.ts';
import type { Tally } from './tally.ts';
import { DELAY_RESOLUTION_MS, LoopDelayMeter, threadCpuSeconds } from './thread-stats.ts';

export interface MetricsSources {
  readonly tally: Tally;
  readonly rooms: Rooms;
  readonly ring: RingWriter;
  readonly store: Pick<Store, 'stats'>;
  readonly shards: readonly ShardCounters[];
  /** The package of uWebSockets.js that the shards run on and its version, a space between; '' while not known. */
  readonly library: () => string;
}

type Sample = readonly [value: number, labels?: Record<string, string>];

/** One metric: its name, what it counts, its labels, and how its samples are gathered. */
interface Metric {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
  readonly gather: (from: MetricsSources) => Iterable<Sample>;
}

const COUNTERS: readonly Metric[] = [
  {
    name: 'volley_comments_total',
    help: 'Comments accepted, by the way they came (http, socket).',
    labels: ['source'],
    gather: ({ tally }) => [
      [tally.commentsHttp, { source: 'http' }],
      [tally.commentsSocket, { source: 'socket' }],
    ],
  },
  {
    name: 'volley_refused_total',
    help: 'Comments, posts and handshakes refused, by code.',
    labels: ['code'],
    gather: gatherRefused,
  },
  { name: 'volley_batches_total', help: 'Batches that rooms fired.', gather: ({ tally }) => [[tally.batches]] },
  {
    name: 'volley_frames_encoded_total',
    help: 'Frames encoded for pushes, by codec: one a push and codec in use, whatever the viewers and workers.',
    labels: ['codec'],
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
    labels: ['direction'],
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
    labels: ['shard'],
    gather: ({ shards }) => shards.map((row, shard) => [row.get('joined'), { shard: String(shard) }]),
  },
  {
    name: 'volley_viewer_messages_total',
    help: 'Messages that viewers sent, by shard.',
    labels: ['shard'],
    gather: ({ shards }) => shards.map((row, shard) => [row.get('messagesReceived'), { shard: String(shard) }]),
  },
  {
    name: 'volley_published_total',
    help: 'Ring entries that a shard has published, by shard.',
    labels: ['shard'],
    gather: ({ shards }) => shards.map((row, shard) => [row.get('published'), { shard: String(shard) }]),
  },
  {
    name: 'volley_deliveries_total',
    help: 'Messages published to viewers, those dropped for slow viewers included, by shard.',
    labels: ['shard'],
    gather: ({ shards }) => shards.map((row, shard) => [row.get('deliveries'), { shard: String(shard) }]),
  },
  {
    name: 'volley_delivered_bytes_total',
    help: 'Payload bytes of those messages, by shard.',
    labels: ['shard'],
    gather: ({ shards }) => shards.map((row, shard) => [row.get('deliveredBytes'), { shard: String(shard) }]),
  },
  {
    name: 'volley_drops_total',
    help: 'What slow viewers cost them, by shard and reason: messages dropped (backpressure), viewers told (skipped), viewers closed (slow_close).',
    labels: ['shard', 'reason'],
    gather: gatherDrops,
  },
  {
    name: 'volley_flood_closes_total',
    help: 'Viewers closed because they sent too much, by shard.',
    labels: ['shard'],
    gather: ({ shards }) => shards.map((row, shard) => [row.get('floodClosed'), { shard: String(shard) }]),
  },
  {
    name: 'volley_thread_cpu_seconds_total',
    help: 'CPU time by thread: main, or the number of a shard.',
    labels: ['thread'],
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
    labels: ['shard'],
    gather: ({ shards }) => shards.map((row, shard) => [row.get('viewers'), { shard: String(shard) }]),
  },
  {
    name: 'volley_catch_up_bytes',
    help: 'Bytes of backfill asked for or sent, and not read yet, by shard.',
    labels: ['shard'],
    gather: ({ shards }) => shards.map((row, shard) => [row.get('catchUpBytes'), { shard: String(shard) }]),
  },
  {
    name: 'volley_joins_waiting',
    help: 'Viewers that wait for their next step of backfill because of --catch-up-bytes, by shard.',
    labels: ['shard'],
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
    labels: ['package', 'version'],
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

export class Metrics {
  readonly #registry = new Registry();
  readonly #delay = new LoopDelayMeter();

  constructor(sources: MetricsSources) {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: DELAY_RESOLUTION_MS });
    for (const { name, help, labels = [], gather } of COUNTERS) {
      const counter = new Counter({
        name,
        help,
        labelNames: labels,
        registers,
        collect: () => {
          counter.reset();
          for (const [value, given = {}] of gather(sources)) counter.inc(given, value);
        },
      });
    }
    for (const { name, help, of } of TIMES) {
      this.#registry.registerMetric(new DurationsMetric(name, help, of(sources.tally)));
    }
    for (const { name, help, labels = [], gather } of GAUGES) {
      const gauge = new Gauge({
        name,
        help,
        labelNames: labels,
        registers,
        collect: () => {
          for (const [value, given = {}] of gather(sources)) gauge.set(given, value);
        },
      });
    }
    this.#registerDelay(sources.shards);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  read(): Promise<string> {
    return this.#registry.metrics();
  }

  stop(): void {
    this.#delay.stop();
  }

  #registerDelay(shards: readonly ShardCounters[]): void {
    const registers = [this.#registry];
    const labelNames = ['thread'];
    const mean = new Gauge({
      name: DELAY_MEAN,
      help: 'Mean event-loop delay, by thread.',
      labelNames,
      registers,
      collect: () => {
        const main = this.#delay.take();
        mean.set({ thread: 'main' }, main.mean);
        max.set({ thread: 'main' }, main.max);
        for (const [shard, row] of shards.entries()) {
          mean.set({ thread: String(shard) }, row.get('delayMean'));
          max.set({ thread: String(shard) }, row.get('delayMax'));
        }
      },
    });
    // Registered second, so that it is read after the measurement above has set it.
    const max = new Gauge({ name: DELAY_MAX, help: 'Longest event-loop delay, by thread.', labelNames, registers });
  }
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
