/**
 * Everything that volley counts, in one table: who counts it, what Prometheus calls it, and what it is. `/metrics`, the
 * dashboard's samples and docs/metrics.md are made from it.
 */
import { createHistogram } from 'node:perf_hooks';
import { REFUSALS, type RefusalCode } from './codes.ts';

/** Label names and values of one series. */
type Labels = Readonly<Record<string, string>>;

/** One metric in Prometheus' sense, made of one or more counters of ours that differ by their labels. */
export interface Metric {
  readonly name: `volley_${string}`;
  /** A counter unless it says otherwise. */
  readonly type?: 'gauge' | 'summary';
  readonly help: string;
  /** Counters of the main thread, durations where `type` is `summary`. */
  readonly main?: Readonly<Record<string, Labels>>;
  /** Counters of each shard, which have the label `shard` too. */
  readonly shards?: Readonly<Record<string, Labels>>;
  /** Counted by nobody: the number is read, from the part of the server that has it, when somebody asks. */
  readonly read?: true;
}

export const METRICS = [
  {
    name: 'volley_comments_total',
    help: 'Comments accepted, by the way they came.',
    main: { commentsHttp: { source: 'http' }, commentsSocket: { source: 'socket' }, commentsDemo: { source: 'demo' } },
  },
  { name: 'volley_refused_total', help: 'Comments, posts and handshakes refused, by code.', read: true },
  { name: 'volley_batches_total', help: 'Batches that rooms fired.', main: { batches: {} } },
  {
    name: 'volley_frames_encoded_total',
    help: 'Frames encoded for pushes: one a push and codec in use, whatever the number of viewers and workers.',
    main: { framesJson: { codec: 'json' }, framesMsgpack: { codec: 'msgpack' }, framesDeflate: { codec: 'deflate' } },
  },
  {
    name: 'volley_backfill_frames_total',
    help: 'Frames encoded for viewers that catch up.',
    main: { backfillFrames: {} },
  },
  { name: 'volley_pushes_total', help: 'Frames committed to the ring.', main: { pushes: {} } },
  {
    name: 'volley_presences_total',
    help: 'Presence messages committed to the ring for quiet rooms.',
    main: { presences: {} },
  },
  { name: 'volley_comments_recalled_total', help: 'Comments recalled.', main: { commentsRecalled: {} } },
  {
    name: 'volley_recalls_total',
    help: 'Recall messages committed to the ring: one a push and codec in use.',
    main: { recalls: {} },
  },
  {
    name: 'volley_store_pruned_batches_total',
    help: 'Batches dropped from the store because they were too old or too much.',
    read: true,
  },
  {
    name: 'volley_large_frames_total',
    help: 'Frames over 16 KB, which uWebSockets.js buffers per viewer.',
    main: { largeFrames: {} },
  },
  {
    name: 'volley_oversized_frames_total',
    help: 'Frames that the ring is too small for; their viewers see a gap.',
    main: { oversizedFrames: {} },
  },
  { name: 'volley_ring_bytes_total', help: 'Frame bytes written to the ring.', main: { ringBytes: {} } },
  {
    name: 'volley_ring_waits_total',
    help: 'Slots in which a push found no room in the ring and waited.',
    main: { ringWaits: {} },
  },
  {
    name: 'volley_messages_total',
    help: 'Messages between the main thread and the shards.',
    main: { messagesToShards: { direction: 'to_shards' }, messagesFromShards: { direction: 'from_shards' } },
  },
  {
    name: 'volley_shard_restarts_total',
    help: 'Times that a shard was run again after a fault.',
    main: { shardRestarts: {} },
  },
  { name: 'volley_viewers_joined_total', help: 'Connections that became viewers.', shards: { joined: {} } },
  { name: 'volley_viewer_messages_total', help: 'Messages that viewers sent.', shards: { messagesReceived: {} } },
  {
    name: 'volley_published_total',
    help: 'Ring entries that the shard has published: those of rooms and codecs that it has viewers of.',
    shards: { published: {} },
  },
  {
    name: 'volley_deliveries_total',
    help: 'Messages published to viewers, those dropped for slow viewers included.',
    shards: { deliveries: {} },
  },
  {
    name: 'volley_delivered_bytes_total',
    help: 'Payload bytes of those messages.',
    shards: { deliveredBytes: {} },
  },
  {
    name: 'volley_drops_total',
    help: 'What slow viewers cost them: messages dropped, viewers told, viewers closed.',
    shards: { dropped: { reason: 'backpressure' }, skipped: { reason: 'skipped' }, closed: { reason: 'slow_close' } },
  },
  {
    name: 'volley_listen_pauses_total',
    help: 'Times that the shard stopped listening because the process was about to run out of files.',
    shards: { listenPauses: {} },
  },
  {
    name: 'volley_api_cuts_total',
    help: 'Connections to the API that the server closed (docs/limits.md has the bounds).',
    main: {
      cutConnections: { reason: 'connections' },
      cutPipelined: { reason: 'pipelined' },
      cutSlowRequest: { reason: 'slow_request' },
      cutSlowAnswer: { reason: 'slow_answer' },
      cutUnsent: { reason: 'unsent' },
    },
  },
  {
    name: 'volley_background_faults_total',
    help: 'Errors outside of any request that the server survived (docs/limits.md says what each does).',
    main: { faultsAccept: { source: 'accept' }, faultsSampler: { source: 'sampler' }, faultsPool: { source: 'pool' } },
  },
  {
    name: 'volley_log_lines_lost_total',
    help: 'Lines of the log that could not be written or were too many.',
    read: true,
  },
  {
    name: 'volley_flood_closes_total',
    help: 'Viewers closed with 1008 because they sent too much.',
    shards: { floodClosed: {} },
  },
  { name: 'volley_thread_cpu_seconds_total', help: 'CPU time of the thread since it started.', read: true },
  {
    name: 'volley_store_append_seconds',
    type: 'summary',
    help: 'Time from the fire of a room to the answer of the store.',
    main: { appendTimes: {} },
  },
  {
    name: 'volley_push_seconds',
    type: 'summary',
    help: 'Time from the fire of a room to the commit of its push to the ring: append, frames and waiting for room included.',
    main: { pushTimes: {} },
  },
  { name: 'volley_viewers', type: 'gauge', help: 'Viewers connected.', shards: { viewers: {} } },
  {
    name: 'volley_sockets',
    type: 'gauge',
    help: "Connections to the viewers' port, those without a handshake included.",
    shards: { sockets: {} },
  },
  { name: 'volley_api_connections', type: 'gauge', help: 'Connections to the API.', main: { apiConnections: {} } },
  {
    name: 'volley_api_unsent_bytes',
    type: 'gauge',
    help: "Bytes of the API's answers that their readers have not taken.",
    main: { apiUnsentBytes: {} },
  },
  {
    name: 'volley_api_body_bytes',
    type: 'gauge',
    help: 'Bytes of bodies that have not arrived whole.',
    main: { apiBodyBytes: {} },
  },
  {
    name: 'volley_catch_up_bytes',
    type: 'gauge',
    help: 'Bytes of backfill asked for or sent, and not read yet.',
    shards: { catchUpBytes: {} },
  },
  {
    name: 'volley_joins_waiting',
    type: 'gauge',
    help: 'Viewers that wait for their next step of backfill because of --catch-up-bytes.',
    shards: { joinsWaiting: {} },
  },
  { name: 'volley_rooms', type: 'gauge', help: 'Rooms that are live.', read: true },
  { name: 'volley_pending_comments', type: 'gauge', help: 'Comments accepted and not yet fired.', read: true },
  { name: 'volley_store_bytes', type: 'gauge', help: 'Bytes kept in the store.', read: true },
  { name: 'volley_ring_used_bytes', type: 'gauge', help: 'Bytes of the ring in use.', read: true },
  {
    name: 'volley_uwebsockets_info',
    type: 'gauge',
    help: 'Always 1; the package of uWebSockets.js that is in use, and its version.',
    read: true,
  },
  { name: 'volley_ring_capacity_bytes', type: 'gauge', help: 'Size of the ring.', read: true },
  {
    name: 'volley_event_loop_delay_mean_seconds',
    type: 'gauge',
    help: "Mean event-loop delay: a shard's over its last second, main's since the last scrape.",
    read: true,
  },
  {
    name: 'volley_event_loop_delay_max_seconds',
    type: 'gauge',
    help: 'Longest event-loop delay of the same time.',
    read: true,
  },
] as const satisfies readonly Metric[];

type Row = (typeof METRICS)[number];
type MainRow = Extract<Row, { readonly main: unknown }>;
type ShardRow = Extract<Row, { readonly shards: unknown }>;
type NamesOf<T> = T extends unknown ? Extract<keyof T, string> : never;

/** Metrics whose numbers are read from other parts of the server. */
export type ReadName = Extract<Row, { readonly read: true }>['name'];
export type TimesName = NamesOf<Extract<MainRow, { readonly type: 'summary' }>['main']>;
export type MainName = Exclude<NamesOf<MainRow['main']>, TimesName>;

/** What shards write in their rows and no metric shows as it is. */
const HIDDEN = [
  /** Rises a few times a second while the shard's loop turns. */
  'alive',
  /** Rises with everything that the shard handles and that has no counter of its own here. */
  'work',
  /** The kernel's id of the thread, 0 where nobody can tell. */
  'thread',
  /** CPU time of this thread in seconds, since it started. */
  'cpu',
  /** Event-loop delay over the last second, in seconds. */
  'delayMean',
  'delayMax',
] as const;

export type ShardName = NamesOf<ShardRow['shards']> | (typeof HIDDEN)[number];

/** What the dashboard draws, as totals and as rates; beside them, refusals of all codes together. */
export const SAMPLED = [
  'commentsHttp',
  'commentsSocket',
  'commentsDemo',
  'batches',
  'pushes',
  'presences',
  'ringWaits',
  'shardRestarts',
  'joined',
  'deliveries',
  'deliveredBytes',
  'dropped',
  'skipped',
  'closed',
] as const satisfies readonly (MainName | ShardName)[];

/** The names of a side's counters, in the table's order. */
function namesOf(side: 'main' | 'shards'): string[] {
  return (METRICS as readonly Metric[]).flatMap((metric) => Object.keys(metric[side] ?? {}));
}

const SHARD_NAMES = [...namesOf('shards'), ...HIDDEN];
const TIMES: ReadonlySet<string> = new Set<TimesName>(['appendTimes', 'pushTimes']);

/** The main thread's counters: plain numbers, so that counting costs nothing. Totals since the start, but for gauges. */
export type MainCounters = Record<MainName, number> &
  Readonly<Record<TimesName, Durations>> & {
    /** Comments and requests refused by the main thread, by code. */
    readonly refused: Map<RefusalCode, number>;
  };

export function createMainCounters(): MainCounters {
  const entries = namesOf('main').map((name) => [name, TIMES.has(name) ? new Durations() : 0]);
  return { ...(Object.fromEntries(entries) as Omit<MainCounters, 'refused'>), refused: new Map() } as MainCounters;
}

/** Counts refusals of the main thread. */
export function countRefused({ refused }: Pick<MainCounters, 'refused'>, code: RefusalCode, count = 1): void {
  refused.set(code, (refused.get(code) ?? 0) + count);
}

/** What rises when a shard gets on, whatever with. */
const PROGRESS: readonly ShardName[] = ['alive', 'work', 'messagesReceived', 'published'];

const CODES = Object.keys(REFUSALS) as RefusalCode[];
const WIDTH = SHARD_NAMES.length + CODES.length;
const PLACES = new Map<string, number>([...SHARD_NAMES, ...CODES].map((name, place) => [name, place]));

/** The memory of all shards' counters: a row of doubles a shard. */
export function createShardCounters(shards: number): SharedArrayBuffer {
  return new SharedArrayBuffer(shards * WIDTH * Float64Array.BYTES_PER_ELEMENT);
}

/**
 * One shard's counters: a row in shared memory, written by that shard alone and read by main when somebody asks. Refusals
 * are counted under their codes.
 *
 * V8 reads and writes an aligned double in one instruction on the 64-bit machines that uWebSockets.js has binaries
 * for, so a plain load sees an old value or a new one, never a mixture; nothing here orders anything else.
 */
export class ShardCounters {
  readonly #row: Float64Array;

  constructor(memory: SharedArrayBuffer, shard: number) {
    this.#row = new Float64Array(memory, shard * WIDTH * Float64Array.BYTES_PER_ELEMENT, WIDTH);
  }

  get(name: ShardName | RefusalCode): number {
    return this.#row[PLACES.get(name) ?? 0] ?? 0;
  }

  set(name: ShardName, value: number): void {
    this.#row[PLACES.get(name) ?? 0] = value;
  }

  add(name: ShardName | RefusalCode, count: number): void {
    const place = PLACES.get(name) ?? 0;
    this.#row[place] = (this.#row[place] ?? 0) + count;
  }

  /** A number that changes when the shard gets on: its timers ran, or it handled something. */
  get progress(): number {
    return PROGRESS.reduce((sum, name) => sum + this.get(name), 0);
  }

  /** Refusals by code, the codes with none left out. */
  refused(): [code: RefusalCode, count: number][] {
    return CODES.map((code): [RefusalCode, number] => [code, this.get(code)]).filter(([, count]) => count > 0);
  }
}

/** How long something took over a while, in ms. All are 0 when it did not happen. */
export interface DurationSummary {
  readonly count: number;
  readonly mean: number;
  /** The 99th percentile. */
  readonly p99: number;
  readonly max: number;
}

/** Longer durations count as this one where quantiles are told, in µs: a minute. */
const LONGEST_US = 60_000_000;

/**
 * How long something takes: totals since the start for whoever scrapes, and quantiles since they were last taken.
 * Recording one costs 25 ns and no memory.
 */
export class Durations {
  count = 0;
  /** Of all together. */
  seconds = 0;
  readonly #recent = createHistogram({ lowest: 1, highest: LONGEST_US, figures: 2 });

  record(ms: number): void {
    this.count += 1;
    this.seconds += ms / 1_000;
    this.#recent.record(Math.min(LONGEST_US, Math.max(1, Math.round(ms * 1_000))));
  }

  /** What was recorded since the last call. There must be one caller only. */
  take(): DurationSummary {
    const { count, mean, max } = this.#recent;
    if (count === 0) return { count: 0, mean: 0, p99: 0, max: 0 };
    const p99 = this.#recent.percentile(99);
    this.#recent.reset();
    return { count, mean: mean / 1_000, p99: p99 / 1_000, max: max / 1_000 };
  }
}
