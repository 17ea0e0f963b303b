import { describe, expect, it } from 'vitest';
import { describeLatency, describeRate, describeResult, describeRun } from './document.ts';
import { histogramOf, MACHINE, makeLoad, makeRun, SETTINGS } from './run.fixture.ts';

describe('whole seconds', () => {
  it('are described by the nearest rank', () => {
    const hundred = Array.from({ length: 100 }, (_, i) => i + 1);
    expect(describeRate(hundred)).toMatchObject({ p1: 1, p2_5: 3, p50: 50, p97_5: 98 });
    expect(describeRate([3, 9])).toMatchObject({ p1: 3, p50: 3, p97_5: 9 });
  });

  it('are described in whatever order they came', () => {
    expect(describeRate([30, 10, 20])).toEqual({ p1: 10, p2_5: 10, p50: 20, p97_5: 30, average: 20, min: 10 });
  });

  it('that are none are not zeros', () => {
    const none = { p1: null, p2_5: null, p50: null, p97_5: null, average: null, min: null };
    expect(describeRate([])).toEqual(none);
  });
});

describe('a histogram of µs', () => {
  it('is described in ms', () => {
    const latency = describeLatency(histogramOf(1, 2, 3, 100));
    expect(latency.count).toBe(4);
    expect(latency.p2_5).toBeCloseTo(1, 2);
    expect(latency.p50).toBeCloseTo(2, 2);
    expect(latency.p99_9).toBeCloseTo(100, 0);
    expect(latency.max).toBeCloseTo(100, 0);
    expect(latency.average).toBeCloseTo(26.5, 1);
  });

  it('has no percentile above its highest value', () => {
    const { p99_9, max } = describeLatency(histogramOf(917.4, 917.9));
    expect(p99_9).toBeLessThanOrEqual(max ?? 0);
  });

  it('that is empty is not zeros', () => {
    expect(describeLatency(histogramOf())).toEqual({
      count: 0,
      p2_5: null,
      p50: null,
      p97_5: null,
      p99: null,
      p99_9: null,
      max: null,
      average: null,
    });
  });
});

const AROUND = [new Date(0), ['-c', '100'], SETTINGS, MACHINE] as const;

describe('the JSON document', () => {
  it('is whole after JSON', () => {
    const document = describeResult({ runs: [makeRun()], interrupted: false, notes: ['made up'] }, ...AROUND);
    expect(JSON.parse(JSON.stringify(document))).toEqual(document);
    expect(document).toMatchObject({
      schemaVersion: 1,
      tool: 'volley bench',
      startedAt: '1970-01-01T00:00:00.000Z',
      command: ['-c', '100'],
      scenario: 'hot-room',
      interrupted: false,
      machine: MACHINE,
      settings: { connections: 100, durationSeconds: 2, commentsPerSecondPerRoom: 200, intervalMs: 100 },
      notes: ['made up'],
      comparison: [],
    });
    expect(document.runs).toHaveLength(1);
  });

  it('is marked where the run was interrupted', () => {
    const document = describeResult({ runs: [makeRun()], interrupted: true, notes: [] }, ...AROUND);
    expect(document.interrupted).toBe(true);
  });

  it('holds runs against the first', () => {
    const load = makeLoad({ perSecond: [{ frames: 2_000, comments: 40_000, bytes: 2_000_000 }] });
    const second = makeRun({ label: '2 server workers', load, server: { unknown: 'made up' } });
    const { comparison } = describeResult({ runs: [makeRun(), second], interrupted: false, notes: [] }, ...AROUND);
    const named = new Map(comparison.map(({ figure, values, ratios }) => [figure, { values, ratios }]));
    expect(named.get('frames a second')).toEqual({ values: [1_000, 2_000], ratios: [1, 2] });
    expect(named.get('main thread, cores')).toEqual({ values: [0.1, null], ratios: [1, null] });
    // Nothing to divide by.
    expect(named.get('frames lost')).toEqual({ values: [0, 0], ratios: [null, null] });
    // No run has acks.
    expect(named.has('sent to ack 50 %, ms')).toBe(false);
  });
});

const SENDING = { ...makeRun().shape, sending: { kind: 'paced', rate: 1 } } as const;

describe('the document of a run', () => {
  it('divides the server’s CPU by what was delivered and accepted', () => {
    const { server } = describeRun(makeRun());
    // 0.4 cores for 2 s are 0.8 s.
    expect(server.cpuCores).toBeCloseTo(0.4);
    expect(server.cpuMicrosecondsPerFrame).toBeCloseTo(400);
    expect(server.cpuNanosecondsPerComment).toBeCloseTo(20_000);
    // 0.1 cores for 2 s are 0.2 s.
    expect(server.mainThreadMicrosecondsPerAcceptedComment).toBeCloseTo(500);
    expect(server.memoryKilobytesPerViewer).toBeCloseTo(2);
    expect(server).toMatchObject({ mainThreadCores: 0.1, shardCores: [0.25], otherThreadsCores: 0.05 });
  });

  it('divides the CPU of the whole bench by frames', () => {
    expect(describeRun(makeRun()).generator).toEqual({
      cpuCores: 0.02,
      threadsCores: 0.01,
      busiestThreadCores: 0.006,
      mainThreadCores: 0.008,
      cpuMicrosecondsPerFrame: 20,
      worstLoopDelayMs: 12,
      meanPostWaitMs: 0,
      worstPostDelayMs: 3,
      machineBusyCores: 1.5,
      machineCores: 4,
    });
  });

  it('has connects a second', () => {
    expect(describeRun(makeRun()).connects).toEqual({ count: 100, seconds: 0.05, perSecond: 2_000 });
  });

  it('says why the server’s figures are not known, and has none', () => {
    const unknown = { unknown: 'no --api-url was given' };
    const { server } = describeRun(makeRun({ server: unknown, memory: unknown }));
    const { description, workers, unknownBecause, memoryUnknownBecause, ...figures } = server;
    expect({ workers, unknownBecause, memoryUnknownBecause }).toEqual({
      workers: 1,
      unknownBecause: 'no --api-url was given',
      memoryUnknownBecause: 'no --api-url was given',
    });
    expect(new Set(Object.values(figures))).toEqual(new Set([null]));
  });

  it('has no cost a frame where not every frame was counted, and says so', () => {
    const { server, notes } = describeRun(makeRun({ sawAllFrames: false }));
    expect(server.cpuMicrosecondsPerFrame).toBeNull();
    expect(server.cpuNanosecondsPerComment).toBeNull();
    expect(notes).toContainEqual(expect.stringContaining('not all frames were counted'));
  });

  it('has no zeros where nothing was timed', () => {
    const load = makeLoad({ latency: histogramOf(), perSecond: [], acked: 0 });
    const { latencyMs, perSecond } = describeRun(makeRun({ load }));
    expect(latencyMs.postToReceipt).toMatchObject({ count: 0, p50: null, max: null });
    expect(perSecond.frames.average).toBeNull();
  });

  it('warns when the generator was the limit', () => {
    const generator = { ...makeRun().generator, busiestThreadCores: 0.97 };
    const { warnings } = describeRun(makeRun({ generator }));
    expect(warnings).toEqual([expect.stringMatching(/^the load generator was the limit/)]);
  });

  it('warns when the spread may be the generator’s own', () => {
    // 1,000 µs a frame for 100 viewers on two threads are 50 ms.
    const generator = { ...makeRun().generator, threadsCores: 1 };
    const load = makeLoad({ spread: histogramOf(60) });
    expect(describeRun(makeRun({ generator, load })).warnings).toEqual([
      expect.stringMatching(/may be the load generator's own: its threads take 50\.0 ms .* is 60\.0 ms/),
    ]);
    const settings = { ...SETTINGS, rooms: 50 };
    expect(describeRun(makeRun({ generator, load, settings })).warnings).toEqual([]);
    expect(describeRun(makeRun({ generator, load, sawAllFrames: false })).warnings).toEqual([]);
  });

  it('has no memory a viewer that is less than nothing', () => {
    const { server } = describeRun(makeRun({ memory: { before: 9e7, after: 8e7, viewers: 100 } }));
    expect(server.memoryKilobytesPerViewer).toBeNull();
    expect(server.memoryUnknownBecause).toMatch(/less than the server's own growth and shrinking/);
    expect(server).toMatchObject({ memoryBytesBefore: 9e7, memoryBytesAfter: 8e7 });
  });

  it('says that few seconds and few viewers say little', () => {
    expect(describeRun(makeRun()).notes).toEqual([
      'post to receipt: 4 values are too few for 2.5 %, 97.5 %, 99 %, 99.9 %',
      'first to last viewer: 2 values are too few for 2.5 %, 97.5 %, 99 %, 99.9 %',
      'only 2 whole seconds: their percentiles say little',
      expect.stringMatching(/^memory a viewer: with fewer than 2000 viewers/),
    ]);
    const second = { frames: 1_000, comments: 20_000, bytes: 1_000_000 };
    const load = makeLoad({ perSecond: Array.from({ length: 10 }, () => second) });
    const memory = { before: 8e7, after: 9e7, viewers: 2_000 };
    expect(describeRun(makeRun({ load, memory, timings: [] })).notes).toEqual([]);
  });

  it('says who sent the comments, and what became of them', () => {
    const refused = new Map([['ROOM_BUSY', 7]]);
    const feed = { posts: 20, sent: 397, accepted: 390, refused, unposted: 5, worstLate: 1, meanWait: 0 };
    const posted = describeRun(makeRun({ feed }));
    expect(posted.comments).toEqual({
      by: 'http',
      accepted: 400,
      acceptedPerSecond: 200,
      refusedByCode: { ROOM_BUSY: 7 },
      unposted: 5,
      sent: null,
      acked: null,
    });
    const load = makeLoad({ sent: 500, acked: 450, refused: new Map([['BUSY', 50]]) });
    const sent = describeRun(
      makeRun({ feed: null, load, shape: SENDING, server: { unknown: 'no --api-url was given' } }),
    );
    expect(sent.comments).toEqual({
      by: 'websocket',
      accepted: 450,
      acceptedPerSecond: 225,
      refusedByCode: { BUSY: 50 },
      unposted: 0,
      sent: 500,
      acked: 450,
    });
  });
});
