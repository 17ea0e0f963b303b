import { open } from 'node:fs/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { countRefused, createMainCounters, createShardCounters, METRICS, ShardCounters } from '../counters.ts';
import { createRing, RingWriter } from '../frames/frame-ring.ts';
import { createRooms, draftOf } from '../testing/rooms.ts';
import { FakeStore } from '../testing/store-fake.ts';
import { Metrics } from './metrics.ts';

const METRIC_NAMES = METRICS.map(({ name }) => name);

/** Metrics that are a sum and a count. */
const TIMES = ['volley_store_append_seconds', 'volley_push_seconds'];

let created: Metrics[] = [];

afterEach(() => {
  for (const metrics of created) metrics.stop();
  created = [];
});

async function createMetrics() {
  const rig = await createRooms(new FakeStore());
  const memory = createShardCounters(2);
  const shards = [new ShardCounters(memory, 0), new ShardCounters(memory, 1)] as const;
  const ring = new RingWriter(createRing(4_096, 2));
  const metrics = new Metrics({
    counters: rig.counters,
    rooms: rig.rooms,
    ring,
    store: rig.store,
    shards,
    library: () => 'uws-pack 20.0.8',
    lostLines: () => 3,
  });
  created.push(metrics);
  /** The samples of our own metrics: `name{labels}` to value. */
  const read = async (): Promise<Record<string, number>> => {
    const lines = (await metrics.read()).split('\n').filter((line) => line.startsWith('volley_'));
    return Object.fromEntries(
      lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]),
    );
  };
  return { ...rig, metrics, shards, ring, read };
}

describe('the metrics', () => {
  it('are all there from the start, each with a help text and its type', async () => {
    const { metrics } = await createMetrics();
    const text = await metrics.read();
    const ours = [...text.matchAll(/^# TYPE (volley_\S+) (\S+)$/gm)].map(([, name]) => name);
    expect(ours.sort()).toEqual([...METRIC_NAMES].sort());
    for (const name of METRIC_NAMES) {
      expect(text).toMatch(new RegExp(`^# HELP ${name} \\S.{8,}$`, 'm'));
      const counts = name.endsWith('_total') ? 'counter' : 'gauge';
      expect(text).toContain(`# TYPE ${name} ${TIMES.includes(name) ? 'summary' : counts}`);
    }
    expect(new Set(METRIC_NAMES).size).toBe(METRIC_NAMES.length);
    expect(metrics.contentType).toMatch(/^text\/plain/);
    expect(text).toContain('process_cpu_user_seconds_total');
  });

  it('show what the main thread counted', async () => {
    const { counters, read } = await createMetrics();
    counters.commentsHttp = 5;
    counters.commentsSocket = 6;
    counters.commentsDemo = 7;
    counters.batches = 7;
    counters.framesJson = 1;
    counters.framesDeflate = 3;
    counters.pushes = 8;
    counters.presences = 9;
    counters.ringBytes = 10;
    counters.ringWaits = 11;
    counters.largeFrames = 12;
    counters.oversizedFrames = 13;
    counters.backfillFrames = 14;
    counters.messagesToShards = 15;
    counters.messagesFromShards = 16;
    counters.shardRestarts = 17;
    expect(await read()).toMatchObject({
      'volley_comments_total{source="http"}': 5,
      'volley_comments_total{source="socket"}': 6,
      'volley_comments_total{source="demo"}': 7,
      volley_batches_total: 7,
      'volley_frames_encoded_total{codec="json"}': 1,
      'volley_frames_encoded_total{codec="msgpack"}': 0,
      'volley_frames_encoded_total{codec="deflate"}': 3,
      volley_pushes_total: 8,
      volley_presences_total: 9,
      volley_ring_bytes_total: 10,
      volley_ring_waits_total: 11,
      volley_large_frames_total: 12,
      volley_oversized_frames_total: 13,
      volley_backfill_frames_total: 14,
      'volley_messages_total{direction="to_shards"}': 15,
      'volley_messages_total{direction="from_shards"}': 16,
      volley_shard_restarts_total: 17,
    });
  });

  it('show what each shard counted', async () => {
    const { shards, read } = await createMetrics();
    const names = ['viewers', 'joined', 'messagesReceived', 'published', 'deliveries', 'deliveredBytes'] as const;
    const drops = ['dropped', 'skipped', 'closed'] as const;
    const rest = ['cpu', 'floodClosed', 'catchUpBytes', 'joinsWaiting'] as const;
    for (const [shard, row] of shards.entries()) {
      for (const [i, name] of [...names, ...drops, ...rest].entries()) row.set(name, 100 * shard + i + 1);
      row.set('delayMean', 0.25 + shard);
      row.set('delayMax', 0.5 + shard);
    }
    expect(await read()).toMatchObject({
      'volley_viewers{shard="0"}': 1,
      'volley_viewers{shard="1"}': 101,
      'volley_viewers_joined_total{shard="1"}': 102,
      'volley_viewer_messages_total{shard="1"}': 103,
      'volley_published_total{shard="1"}': 104,
      'volley_deliveries_total{shard="1"}': 105,
      'volley_delivered_bytes_total{shard="1"}': 106,
      'volley_drops_total{shard="1",reason="backpressure"}': 107,
      'volley_drops_total{shard="1",reason="skipped"}': 108,
      'volley_drops_total{shard="0",reason="slow_close"}': 9,
      'volley_thread_cpu_seconds_total{thread="1"}': 110,
      'volley_flood_closes_total{shard="1"}': 111,
      'volley_catch_up_bytes{shard="0"}': 12,
      'volley_joins_waiting{shard="1"}': 113,
      'volley_event_loop_delay_mean_seconds{thread="0"}': 0.25,
      'volley_event_loop_delay_max_seconds{thread="1"}': 1.5,
    });
  });

  it('add up what main and the shards refused under the same code', async () => {
    const { counters, shards, read } = await createMetrics();
    countRefused(counters, 'TEXT_INVALID', 2);
    countRefused(counters, 'STORE_FULL');
    shards[0].add('TEXT_INVALID', 10);
    shards[1].add('TEXT_INVALID', 100);
    shards[1].add('UNKNOWN_TYPE', 1);
    const refused = Object.entries(await read()).filter(([name]) => name.startsWith('volley_refused_total'));
    expect(Object.fromEntries(refused)).toEqual({
      'volley_refused_total{code="TEXT_INVALID"}': 112,
      'volley_refused_total{code="STORE_FULL"}': 1,
      'volley_refused_total{code="UNKNOWN_TYPE"}': 1,
    });
  });

  it('show rooms, what waits in them, and the ring', async () => {
    const { rooms, ring, read } = await createMetrics();
    rooms.offer('a', draftOf('x'), null, 0);
    rooms.offer('a', draftOf('y'), null, 1);
    rooms.join('b', 0, 0, 3);
    ring.attach(0);
    ring.write([{ topic: new Uint8Array(8), frame: new Uint8Array(100), flags: 0, readers: Uint32Array.of(1) }]);
    expect(await read()).toMatchObject({
      volley_rooms: 2,
      volley_pending_comments: 2,
      volley_ring_used_bytes: ring.used(),
      'volley_uwebsockets_info{package="uws-pack",version="20.0.8"}': 1,
      volley_ring_capacity_bytes: 4_096,
    });
    expect(ring.used()).toBeGreaterThan(100);
  });

  it('tell how long appends and pushes took together, also after the dashboard has taken its share', async () => {
    const { counters, read } = await createMetrics();
    expect(await read()).toMatchObject({ volley_store_append_seconds_sum: 0, volley_push_seconds_count: 0 });
    counters.appendTimes.record(1_500);
    counters.appendTimes.record(500);
    counters.pushTimes.record(250);
    counters.appendTimes.take();
    expect(await read()).toMatchObject({
      volley_store_append_seconds_sum: 2,
      volley_store_append_seconds_count: 2,
      volley_push_seconds_sum: 0.25,
      volley_push_seconds_count: 1,
    });
  });

  it('do not grow by being read', async () => {
    const { counters, shards, read } = await createMetrics();
    counters.batches = 3;
    countRefused(counters, 'BUSY', 2);
    shards[0].add('deliveries', 5);
    const first = await read();
    const second = await read();
    for (const name of [
      'volley_batches_total',
      'volley_refused_total{code="BUSY"}',
      'volley_deliveries_total{shard="0"}',
    ]) {
      expect(second[name]).toBe(first[name]);
    }
    expect(first.volley_batches_total).toBe(3);
    counters.batches = 4;
    expect((await read()).volley_batches_total).toBe(4);
  });

  it('tell what the API holds and cuts, and what was survived', async () => {
    const { counters, shards, read } = await createMetrics();
    Object.assign(counters, { apiConnections: 4, apiUnsentBytes: 5, apiBodyBytes: 6 });
    counters.cutSlowAnswer = 7;
    counters.faultsAccept = 8;
    shards[1].set('sockets', 9);
    shards[0].set('listenPauses', 10);
    expect(await read()).toMatchObject({
      volley_api_connections: 4,
      volley_api_unsent_bytes: 5,
      volley_api_body_bytes: 6,
      'volley_api_cuts_total{reason="slow_answer"}': 7,
      'volley_api_cuts_total{reason="unsent"}': 0,
      'volley_background_faults_total{source="accept"}': 8,
      'volley_sockets{shard="1"}': 9,
      'volley_listen_pauses_total{shard="0"}': 10,
      volley_log_lines_lost_total: 3,
    });
  });

  it('are made once for all who ask meanwhile, with numbers of after they asked', async () => {
    const { metrics, counters } = await createMetrics();
    const first = metrics.read();
    await Promise.resolve();
    counters.batches = 1;
    const [second, third] = [metrics.read(), metrics.read()];
    expect(await second).toBe(await third);
    expect(await second).not.toBe(await first);
    expect(await second).toContain('volley_batches_total 1');
  });

  it('count the open files of the process', async () => {
    const { metrics } = await createMetrics();
    const count = async (): Promise<number> =>
      Number(/^process_open_fds (\d+)$/m.exec(await metrics.read())?.[1] ?? Number.NaN);
    const before = await count();
    const files = await Promise.all(Array.from({ length: 10 }, () => open('/dev/null')));
    expect(await count()).toBe(before + 10);
    for (const file of files) await file.close();
  });

  it('measure the thread that they are read in', async () => {
    const { read } = await createMetrics();
    const before = (await read())['volley_thread_cpu_seconds_total{thread="main"}'] ?? Number.NaN;
    let sum = 0;
    for (const started = process.cpuUsage(); process.cpuUsage(started).user < 50_000; ) sum += Math.random();
    const after = (await read())['volley_thread_cpu_seconds_total{thread="main"}'] ?? Number.NaN;
    expect(sum).toBeGreaterThan(0);
    expect(after).toBeGreaterThan(before);
    expect((await read())['volley_event_loop_delay_max_seconds{thread="main"}']).toBeGreaterThanOrEqual(0);
  });
});

describe('a counters', () => {
  it('counts refusals by code', () => {
    const counters = createMainCounters();
    countRefused(counters, 'BUSY');
    countRefused(counters, 'BUSY', 3);
    countRefused(counters, 'NOT_JSON');
    expect([...counters.refused]).toEqual([
      ['BUSY', 4],
      ['NOT_JSON', 1],
    ]);
  });
});
