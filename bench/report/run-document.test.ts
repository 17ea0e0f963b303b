import { describe, expect, it } from 'vitest';
import { histogramOf, makeLoad, makeRun, SETTINGS } from './run.fixture.ts';
import { describeRun } from './run-document.ts';

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
    const { server } = describeRun(makeRun({ server: unknown, memory: unknown, serverWorkers: null }));
    const { description, workers, unknownBecause, memoryUnknownBecause, ...figures } = server;
    expect({ workers, unknownBecause, memoryUnknownBecause }).toEqual({
      workers: null,
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
    const generator = { ...makeRun().generator, busiestCores: 0.97 };
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
