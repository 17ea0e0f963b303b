import { build } from 'hdr-histogram-js';
import type { LoadFigures } from '../load/results.ts';
import type { RunSettings } from '../run/scenarios.ts';
import type { MachineDocument } from './document.ts';
import type { RunResult } from './result.ts';

/** A histogram of these times in ms. */
export function histogramOf(...times: readonly number[]) {
  const histogram = build({ highestTrackableValue: 60_000_000, numberOfSignificantValueDigits: 3 });
  for (const time of times) histogram.recordValue(time * 1_000);
  return histogram;
}

/** Two seconds of 100 viewers with 10 frames of 20 comments each. */
export function makeLoad(overrides: Partial<LoadFigures> = {}): LoadFigures {
  return {
    seconds: 2,
    frames: 2_000,
    comments: 40_000,
    bytes: 2_400_000,
    perSecond: [
      { frames: 900, comments: 18_000, bytes: 1_100_000 },
      { frames: 1_100, comments: 22_000, bytes: 1_300_000 },
    ],
    lost: 0,
    skipped: 0,
    outOfOrder: 0,
    faults: [],
    closed: new Map(),
    failedConnects: 0,
    incomplete: 0,
    starved: 0,
    connectCpu: 0.5,
    silentFor: 100,
    sent: 0,
    acked: 0,
    refused: new Map(),
    latency: histogramOf(10, 20, 30, 40),
    spread: histogramOf(1, 2),
    ack: histogramOf(),
    connect: histogramOf(5),
    caughtUp: histogramOf(),
    cpu: 0.01,
    busiest: 0.006,
    worstDelay: 12,
    ...overrides,
  };
}

const TARGET = { viewerUrl: 'ws://127.0.0.1:9000', apiUrl: null, pid: null };

export function makeRun(overrides: Partial<RunResult> = {}): RunResult {
  const load = overrides.load ?? makeLoad();
  return {
    label: '1 server worker',
    settings: SETTINGS,
    shape: { sending: { kind: 'none' }, deaf: 0, churn: 0, serverArgs: [], others: 0, joins: false },
    target: { ...TARGET, workers: 1, isLocal: true, description: 'its own, --workers 1 --interval 100' },
    timings: [
      { key: 'postToReceipt', title: 'post to receipt', histogram: load.latency },
      { key: 'firstToLast', title: 'first to last viewer', histogram: load.spread },
    ],
    load,
    sawAllFrames: true,
    connects: { count: 100, seconds: 0.05 },
    feed: { posts: 20, sent: 400, accepted: 400, refused: new Map(), unposted: 0, worstLate: 3, meanWait: 0 },
    server: {
      seconds: 2,
      cpuCores: 0.4,
      mainThreadCores: 0.1,
      shardCores: [0.25],
      otherThreadsCores: 0.05,
      accepted: 400,
      refused: new Map(),
      dropped: 0,
      skipped: 0,
      slowCloses: 0,
      shardRestarts: 0,
    },
    memory: { before: 80_000_000, after: 80_204_800, viewers: 100 },
    generator: {
      cpuCores: 0.02,
      threadsCores: 0.01,
      busiestThreadCores: 0.006,
      worstLoopDelayMs: 12,
      mainThreadCores: 0.008,
      machineBusyCores: 1.5,
      machineCores: 4,
    },
    warnings: [],
    notes: [],
    ...overrides,
  };
}

export const SETTINGS: RunSettings = {
  scenario: 'hot-room',
  connections: 100,
  duration: 2,
  rooms: 1,
  rate: 200,
  workers: 2,
  codec: 'msgpack',
  senders: 0,
  warmup: 1,
  url: null,
  apiUrl: null,
  serverWorkers: [1],
  serverStore: 'memory',
  behind: 0,
  interval: 100,
  comments: '/bench/comments.xml',
};

export const MACHINE: MachineDocument = {
  cpuModel: 'Made-up 3000',
  cores: 4,
  memoryBytes: 8e9,
  kernel: 'Linux 6.1.0',
  node: 'v20.19.0',
  volley: '0.1.0',
  commit: '0123456789ab',
};
