import { describe, expect, it } from 'vitest';
import { histogramOf, makeLoad, makeRun } from './run.fixture.ts';
import { describeRun } from './run-document.ts';

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

  it('divides the load threads’ CPU by frames', () => {
    expect(describeRun(makeRun()).generator).toEqual({
      threadsCores: 0.5,
      busiestThreadCores: 0.3,
      mainThreadCores: 0.08,
      cpuMicrosecondsPerFrame: 500,
      worstLoopDelayMs: 12,
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

  it('warns of what went wrong', () => {
    const faults = ['bench-0: the text of 4.2 is not what was posted'];
    const load = makeLoad({ faults, lost: 3, outOfOrder: 1, closed: new Map([[4008, 2]]), failedConnects: 2 });
    expect(describeRun(makeRun({ load })).warnings).toEqual([
      'fault: bench-0: the text of 4.2 is not what was posted',
      '3 frames were lost',
      'fault: 1 frames came out of order',
      'the server closed connections: 2 with 4008',
      '2 viewers that had left did not come up again',
    ]);
  });

  it('warns when the generator was the limit', () => {
    const generator = { ...makeRun().generator, busiestCores: 0.97 };
    const { warnings } = describeRun(makeRun({ generator }));
    expect(warnings).toEqual([expect.stringMatching(/^the load generator was the limit/)]);
  });

  it('says that few seconds and few viewers say little', () => {
    expect(describeRun(makeRun()).notes).toEqual([
      'only 2 whole seconds: their percentiles say little',
      expect.stringMatching(/^memory a viewer: with fewer than 2000 viewers/),
    ]);
    const second = { frames: 1_000, comments: 20_000, bytes: 1_000_000 };
    const load = makeLoad({ perSecond: Array.from({ length: 10 }, () => second) });
    const memory = { before: 8e7, after: 9e7, viewers: 2_000 };
    expect(describeRun(makeRun({ load, memory })).notes).toEqual([]);
  });

  it('says who sent the comments, and what became of them', () => {
    const refused = new Map([['ROOM_BUSY', 7]]);
    const feed = { posts: 20, accepted: 390, refused, unposted: 5, worstLate: 1 };
    const posted = describeRun(makeRun({ feed }));
    expect(posted.comments).toEqual({
      by: 'http',
      accepted: 400,
      acceptedPerSecond: 200,
      refusedByCode: { ROOM_BUSY: 7 },
      unposted: 5,
    });
    expect(posted.notes).toContainEqual(expect.stringMatching(/^5 comments were not posted/));
    const load = makeLoad({ sent: 500, acked: 450, refused: new Map([['BUSY', 50]]) });
    const sent = describeRun(makeRun({ feed: null, load, server: { unknown: 'no --api-url was given' } }));
    expect(sent.comments).toEqual({
      by: 'websocket',
      accepted: 450,
      acceptedPerSecond: 225,
      refusedByCode: { BUSY: 50 },
      unposted: 0,
    });
  });
});
