import { describe, expect, it } from 'vitest';
import { findFaults, findLimits, findReservations } from './remarks.ts';
import type { RunResult } from './result.ts';
import { histogramOf, makeLoad, makeRun, SETTINGS } from './run.fixture.ts';

const { shape, feed } = makeRun();
const FEED = feed ?? { posts: 0, sent: 0, accepted: 0, refused: new Map(), unposted: 0, worstLate: 0, meanWait: 0 };
const FLOOD = { ...shape, sending: { kind: 'flood', window: 16 } } as const;
const PACED = { ...shape, sending: { kind: 'paced', rate: 2 } } as const;
const SECOND = { frames: 100, comments: 100, bytes: 100 };
const SILENT = { frames: 0, comments: 0, bytes: 0 };

const { generator, server: SERVER } = makeRun();
const known = 'unknown' in SERVER ? undefined : SERVER;

describe('the load generator', () => {
  it('is no limit while it and the machine have time to spare', () => {
    expect(findLimits(makeRun(), 10)).toEqual([]);
  });

  it.each<[string, Partial<typeof generator>, RegExp]>([
    ['a load thread is busy', { busiestThreadCores: 0.9 }, /^the load generator was the limit.*0\.90 cores/],
    ['its main thread is busy', { mainThreadCores: 0.95 }, /^the bench's main thread.*was the limit.*0\.95 cores/],
    ['all cores are busy and no shard is', { machineBusyCores: 3.8 }, /^the machine was the limit.*all of its 4 cores/],
    ['a load thread was blocked', { worstLoopDelayMs: 100 }, /stood still for up to 100 ms/],
    [
      'it takes as long as the spread',
      { threadsCores: 0.14 },
      /first to last viewer may be.*take 7\.00 ms.*is 10\.0 ms/,
    ],
  ])('is named when %s', (_, changed, sentence) => {
    const found = findLimits(makeRun({ generator: { ...generator, ...changed } }), 10);
    expect(found).toEqual([expect.stringMatching(sentence)]);
  });

  it('is named when it posted late', () => {
    const run = makeRun({ feed: { ...FEED, worstLate: 250 } });
    expect(findLimits(run, 10)).toEqual([expect.stringMatching(/posted up to 250 ms late/)]);
  });

  it('is not named when a shard is busy, or the server runs elsewhere', () => {
    if (known === undefined) throw new Error('the server of the fixture is known');
    const busy = { ...generator, machineBusyCores: 4 };
    expect(findLimits(makeRun({ generator: busy, server: { ...known, shardCores: [0.95] } }), 10)).toEqual([]);
    const target = { ...makeRun().target, isLocal: false };
    expect(findLimits(makeRun({ generator: busy, target }), 10)).toEqual([]);
  });
});

describe('what was wrong in a run', () => {
  it('is nothing in a good one', () => {
    expect(findFaults(makeRun())).toEqual([]);
  });

  it('is told in full', () => {
    const faults = ['bench-0: the text of 4.2 is not what was posted'];
    const closed = new Map([[4008, 2]]);
    const load = makeLoad({ faults, lost: 3, outOfOrder: 1, closed, failedConnects: 2, incomplete: 6, starved: 7 });
    expect(findFaults(makeRun({ load, warnings: ['made up'] }))).toEqual([
      'made up',
      'fault: bench-0: the text of 4.2 is not what was posted',
      '3 frames were lost',
      'fault: 1 frames came out of order',
      'the server closed connections: 2 with 4008',
      '2 viewers that had left did not come up again',
      '6 pushes did not come to every viewer within a second',
      '7 viewers got no frame at all while others of their room did',
    ]);
  });

  it.each<[string, Partial<RunResult>, RegExp]>([
    ['a silent end', { load: makeLoad({ silentFor: 2_001 }) }, /fell silent: .* in the last 2\.00 s$/],
    ['a silence in between', { load: makeLoad({ perSecond: [SECOND, SILENT, SILENT, SECOND] }) }, /silent for 2 s/],
    ['comments that were refused', { feed: { ...FEED, refused: new Map([['BUSY', 3]]) } }, /^3 comments .*: BUSY 3$/],
    ['posts that failed', { feed: { ...FEED, refused: new Map([['ECONNRESET', 1]]) } }, /posts failed: ECONNRESET 1$/],
    ['comments that were not posted', { feed: { ...FEED, unposted: 5 } }, /^5 comments were not posted/],
    // In the 1.2 s that an answer may take at an interval of 100 ms, 240 may be on their way.
    ['posts without an answer', { feed: { ...FEED, sent: 700 } }, /did not answer 60 comments in time/],
    [
      'comments of senders without an answer',
      { feed: null, shape: PACED, load: makeLoad({ sent: 500, acked: 250 }) },
      /did not answer 10 comments in time/,
    ],
    [
      'comments of a flood beyond the window',
      { feed: null, shape: FLOOD, settings: { ...SETTINGS, senders: 2 }, load: makeLoad({ sent: 500, acked: 467 }) },
      /did not answer 1 comments in time/,
    ],
  ])('has %s in it', (_, overrides, sentence) => {
    expect(findFaults(makeRun(overrides))).toEqual([expect.stringMatching(sentence)]);
  });

  it('has a shard that was started again in it', () => {
    const { server } = makeRun();
    if ('unknown' in server) throw new Error('the server of the fixture is known');
    expect(findFaults(makeRun({ server: { ...server, shardRestarts: 1 } }))).toEqual([
      expect.stringMatching(/^the server started a shard again 1 times/),
    ]);
  });

  it('is not a silence where comments are seldom or the interval is long', () => {
    const load = makeLoad({ silentFor: 5_000, perSecond: [SECOND, SILENT, SILENT, SILENT, SECOND] });
    expect(findFaults(makeRun({ load, settings: { ...SETTINGS, rate: 0.5 } }))).toEqual([]);
    expect(findFaults(makeRun({ load, settings: { ...SETTINGS, interval: 2_000 } }))).toEqual([]);
  });

  it('is not what a flood is refused', () => {
    const load = makeLoad({ sent: 20, acked: 10, refused: new Map([['BUSY', 10]]) });
    expect(findFaults(makeRun({ feed: null, shape: FLOOD, load }))).toEqual([]);
  });

  it('is not that those who read nothing are closed, but others', () => {
    const load = makeLoad({ closed: new Map([[1006, 2]]) });
    const run = makeRun({ load, shape: { ...shape, deaf: 2 } });
    expect(findFaults(run)).toEqual([]);
    expect(findReservations(run)).toContain('the server closed 2 of the 2 who read nothing, as it should (1006 2)');
    expect(findFaults(makeRun({ load, shape: { ...shape, deaf: 1 } }))).toHaveLength(1);
  });
});

describe('what keeps figures from saying much', () => {
  it('is why nothing was timed', () => {
    const timings = ['postToReceipt', 'firstToLast', 'ack', 'caughtUp'].map((key) => ({
      key,
      title: key,
      histogram: histogramOf(),
    }));
    const notes = findReservations(makeRun({ timings, settings: { ...SETTINGS, rooms: 100 } }));
    expect(notes.slice(0, 4)).toEqual([
      expect.stringMatching(/^postToReceipt: not known, no comment whose time was taken/),
      'firstToLast: not known, there is one viewer a room, or hardly more',
      'ack: not known, no comment was sent',
      'caughtUp: not known, nobody got so far',
    ]);
    expect(findReservations(makeRun({ timings }))).toContain(
      'firstToLast: not known, no frame came to all viewers of its room',
    );
  });

  it.each([
    [999, 'post to receipt: 999 values are too few for 99.9 %'],
    [99, 'post to receipt: 99 values are too few for 99 %, 99.9 %'],
  ])('is that %i values are too few for a percentile', (count, sentence) => {
    const histogram = histogramOf(...Array.from({ length: count }, () => 1));
    const timings = [{ key: 'postToReceipt', title: 'post to receipt', histogram }];
    expect(findReservations(makeRun({ timings }))[0]).toBe(sentence);
  });

  it('is not the number of values where there are enough', () => {
    const histogram = histogramOf(...Array.from({ length: 1_000 }, () => 1));
    const notes = findReservations(
      makeRun({ timings: [{ key: 'postToReceipt', title: 'post to receipt', histogram }] }),
    );
    expect(notes.filter((note) => note.includes('too few'))).toEqual([]);
  });

  it('is how long comments waited for their post', () => {
    expect(findReservations(makeRun({ feed: { ...FEED, meanWait: 5.8 } }))).toContainEqual(
      expect.stringMatching(/of it 5\.80 ms on average are the wait/),
    );
  });
});
