import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { REFUSALS, type RefusalCode } from './codes.ts';
import { createShardCounters, Durations, ShardCounters, type ShardName } from './counters.ts';

const NAMES: readonly ShardName[] = [
  'alive',
  'work',
  'thread',
  'sockets',
  'listenPauses',
  'viewers',
  'joined',
  'messagesReceived',
  'published',
  'deliveries',
  'deliveredBytes',
  'dropped',
  'skipped',
  'closed',
  'floodClosed',
  'catchUpBytes',
  'joinsWaiting',
  'cpu',
  'delayMean',
  'delayMax',
];
const CODES = Object.keys(REFUSALS) as RefusalCode[];

describe('counters', () => {
  it('begin at none, in memory that threads share', () => {
    const memory = createShardCounters(2);
    expect(memory).toBeInstanceOf(SharedArrayBuffer);
    const row = new ShardCounters(memory, 1);
    expect([...NAMES, ...CODES].map((name) => row.get(name))).toEqual([...NAMES, ...CODES].map(() => 0));
    expect(row.refused()).toEqual([]);
  });

  it('are one number each, whatever they are called', () => {
    const memory = createShardCounters(1);
    const row = new ShardCounters(memory, 0);
    const all = [...NAMES, ...CODES];
    for (const [i, name] of all.entries()) row.add(name, i + 1);
    expect(all.map((name) => row.get(name))).toEqual(all.map((_, i) => i + 1));
    expect(memory.byteLength).toBe(all.length * Float64Array.BYTES_PER_ELEMENT);
  });

  it('are rows of their own, a shard each', () => {
    const memory = createShardCounters(3);
    const rows = [0, 1, 2].map((shard) => new ShardCounters(memory, shard));
    for (const [shard, row] of rows.entries()) {
      row.add('viewers', 10 * (shard + 1));
      row.add('BUSY', shard);
      row.set('delayMax', shard / 8);
    }
    rows[1]?.add('viewers', -20);
    expect(rows.map((row) => row.get('viewers'))).toEqual([10, 0, 30]);
    expect(rows.map((row) => row.get('BUSY'))).toEqual([0, 1, 2]);
    expect(rows.map((row) => row.get('delayMax'))).toEqual([0, 0.125, 0.25]);
    expect(() => new ShardCounters(memory, 3)).toThrow(RangeError);
  });

  it('tell of progress whatever the shard gets on with, and of nothing else', () => {
    const row = new ShardCounters(createShardCounters(1), 0);
    for (const name of ['alive', 'work', 'messagesReceived', 'published'] as const) {
      const before = row.progress;
      row.add(name, 1);
      expect(row.progress).toBeGreaterThan(before);
    }
    const before = row.progress;
    row.set('cpu', 5);
    row.add('viewers', 1);
    expect(row.progress).toBe(before);
  });

  it('list the refusals that were made', () => {
    const row = new ShardCounters(createShardCounters(1), 0);
    row.add('TEXT_INVALID', 2);
    row.add('BUSY', 1);
    row.add('dropped', 7);
    expect(new Map(row.refused())).toEqual(
      new Map([
        ['TEXT_INVALID', 2],
        ['BUSY', 1],
      ] as const),
    );
  });

  it('written by a thread are read by another', async () => {
    const memory = createShardCounters(2);
    const worker = new Worker(
      'const { workerData } = require("node:worker_threads"); new Float64Array(workerData).fill(2.5);',
      { eval: true, workerData: memory },
    );
    await new Promise((resolve) => worker.once('exit', resolve));
    expect(new ShardCounters(memory, 1).get('deliveries')).toBe(2.5);
  });
});

describe('durations', () => {
  it('are told since they were last taken, and as totals since the start', () => {
    const durations = new Durations();
    for (let ms = 1; ms <= 100; ms += 1) durations.record(ms);
    const { count, mean, p99, max } = durations.take();
    expect(count).toBe(100);
    expect(mean).toBeCloseTo(50.5, 0);
    expect(p99).toBeGreaterThan(97);
    expect(p99).toBeLessThanOrEqual(max);
    expect(max).toBeCloseTo(100, 0);
    durations.record(0.25);
    expect(durations.take()).toMatchObject({ count: 1, mean: 0.25, max: 0.25 });
    expect(durations.take()).toEqual({ count: 0, mean: 0, p99: 0, max: 0 });
    expect(durations.count).toBe(101);
    expect(durations.seconds).toBeCloseTo(5.050_25, 6);
  });

  it('may be none at all, or longer than anybody waits', () => {
    const durations = new Durations();
    durations.record(0);
    durations.record(3_600_000);
    const { count, max } = durations.take();
    expect(count).toBe(2);
    expect(max).toBeGreaterThan(59_000);
    expect(durations.seconds).toBe(3_600);
  });
});
