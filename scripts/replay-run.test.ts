import { describe, expect, it } from 'vitest';
import { FakeClock } from '../src/testing/clock.ts';
import type { RecordedMoment } from './bilibili-xml.ts';
import {
  type Answer,
  emptyTally,
  MOST_PER_REQUEST,
  type Outcome,
  type Replay,
  ReplayError,
  readAnswer,
  runReplay,
} from './replay-run.ts';

const TAKEN = answerOf(202, { accepted: 1, refused: [] });

function answerOf(status: number, body: unknown, retryAfter: string | null = null): Answer {
  return { status, retryAfter, body: JSON.stringify(body) };
}

/** Comments named after their place, at these seconds. */
function momentsAt(...seconds: number[]): RecordedMoment[] {
  return seconds.map((second, index) => ({
    at: second * 1_000,
    line: index + 1,
    comment: { text: `c${index}`, mode: 'scroll', color: 0, size: 25, user: 'u' },
  }));
}

/** A replay under way against a server that answers with `answers` in turn, then takes everything. */
function start(moments: readonly RecordedMoment[], answers: Answer[] = [], more: Partial<Replay> = {}) {
  const clock = new FakeClock(0);
  const stop = new AbortController();
  const tally = emptyTally();
  const posted: { at: number; texts: string[] }[] = [];
  const replay: Replay = {
    moments,
    times: 1,
    speed: 1,
    clock,
    signal: stop.signal,
    tally,
    async post(body) {
      const comments = JSON.parse(body) as { text: string }[];
      posted.push({ at: clock.now(), texts: comments.map(({ text }) => text) });
      return answers.shift() ?? TAKEN;
    },
    ...more,
  };
  let isDone = false;
  const run = runReplay(replay).finally(() => {
    isDone = true;
  });
  run.catch(() => {});
  return { clock, stop, tally, posted, run, done: () => isDone };
}

describe('a replay', () => {
  it('posts each comment when it is due, counted from second 0 of the recording', async () => {
    const { clock, posted, done } = start(momentsAt(1, 1.5, 1.5, 4));
    await clock.advance(3_999);
    expect(posted).toEqual([
      { at: 1_000, texts: ['c0'] },
      { at: 1_500, texts: ['c1', 'c2'] },
    ]);
    expect(done()).toBe(false);
    await clock.advance(1);
    expect(posted.at(-1)).toEqual({ at: 4_000, texts: ['c3'] });
    expect(done()).toBe(true);
  });

  it('runs faster and slower', async () => {
    const fast = start(momentsAt(1, 4), [], { speed: 10 });
    const slow = start(momentsAt(1, 4), [], { speed: 0.5 });
    await fast.clock.advance(10_000);
    await slow.clock.advance(10_000);
    expect(fast.posted.map(({ at }) => at)).toEqual([100, 400]);
    expect(slow.posted.map(({ at }) => at)).toEqual([2_000, 8_000]);
  });

  it('sends the comment whole, as a JSON array', async () => {
    const bodies: string[] = [];
    const { clock } = start(momentsAt(0), [], {
      async post(body) {
        bodies.push(body);
        return TAKEN;
      },
    });
    await clock.advance(0);
    expect(bodies).toEqual(['[{"text":"c0","mode":"scroll","color":0,"size":25,"user":"u"}]']);
  });

  it('starts the next round where the last comment of a round is', async () => {
    const { clock, posted, tally, done } = start(momentsAt(1, 3), [], { times: 3 });
    await clock.advance(9_000);
    expect(posted.flatMap(({ at, texts }) => texts.map((text) => `${text}@${at}`))).toEqual([
      ...['c0@1000', 'c1@3000'],
      ...['c0@4000', 'c1@6000'],
      ...['c0@7000', 'c1@9000'],
    ]);
    expect(tally).toMatchObject({ sent: 6, accepted: 6, waits: 0 });
    expect(done()).toBe(true);
  });

  it('has one request at a time, and then sends everything that fell due meanwhile', async () => {
    const waiting: ((answer: Answer) => void)[] = [];
    const posted: number[] = [];
    const { clock } = start(momentsAt(1, 2, 3, 9), [], {
      post(body) {
        posted.push((JSON.parse(body) as unknown[]).length);
        return new Promise((resolve) => waiting.push(resolve));
      },
    });
    await clock.advance(5_000);
    expect(posted).toEqual([1]);
    waiting.shift()?.(TAKEN);
    await clock.advance(0);
    expect(posted).toEqual([1, 2]);
  });

  it(`sends at most ${MOST_PER_REQUEST} comments a request`, async () => {
    const { clock, posted, tally } = start(momentsAt(...Array.from({ length: 2_500 }, () => 0)));
    await clock.advance(0);
    expect(posted.map(({ texts }) => texts.length)).toEqual([1_000, 1_000, 500]);
    expect(tally.accepted).toBe(2_500);
  });

  it('ends at once when there is nothing to replay', async () => {
    const { run, posted } = start([], [], { times: 1_000 });
    await run;
    expect(posted).toEqual([]);
  });

  it('counts what is refused for good and goes on', async () => {
    const refused = [{ index: 1, code: 'TEXT_INVALID' }];
    const { clock, posted, tally } = start(momentsAt(0, 0, 1), [answerOf(202, { accepted: 1, refused })]);
    await clock.advance(1_000);
    expect(posted.map(({ texts }) => texts)).toEqual([['c0', 'c1'], ['c2']]);
    expect(tally).toMatchObject({ sent: 3, accepted: 2, waits: 0, refused: new Map([['TEXT_INVALID', 1]]) });
    expect([...tally.notes]).toEqual(['line 2: refused: TEXT_INVALID']);
  });

  it('notes the lines of the first ten that are refused, once however often they are replayed', async () => {
    const refused = [0, 1].map((index) => ({ index, code: 'TEXT_INVALID' }));
    const none = () => answerOf(400, { code: 'TEXT_INVALID', refused });
    const { clock, tally } = start(momentsAt(0, 0, 60), [none(), TAKEN, none(), TAKEN], { times: 2 });
    await clock.advance(200_000);
    expect([...tally.notes]).toEqual(['line 1: refused: TEXT_INVALID', 'line 2: refused: TEXT_INVALID']);
  });

  it('waits as long as a busy server asks, then sends the same again before anything later', async () => {
    const busy = answerOf(429, { code: 'ROOM_BUSY', retryAfterMs: 2_500 }, '3');
    const { clock, posted, tally } = start(momentsAt(0, 0, 1, 2, 5), [busy]);
    await clock.advance(2_499);
    expect(posted).toHaveLength(1);
    await clock.advance(10_000);
    expect(posted.slice(1)).toEqual([
      { at: 2_500, texts: ['c0', 'c1', 'c2', 'c3'] },
      { at: 5_000, texts: ['c4'] },
    ]);
    expect(tally).toMatchObject({ sent: 5, accepted: 5, waits: 1 });
  });

  it('sends again only the comments that were refused for now', async () => {
    const refused = [
      { index: 0, code: 'SIZE_INVALID' },
      { index: 2, code: 'RATE_LIMITED' },
    ];
    const { clock, posted, tally } = start(momentsAt(0, 0, 0), [answerOf(202, { accepted: 1, refused })]);
    await clock.advance(1_000);
    expect(posted).toEqual([
      { at: 0, texts: ['c0', 'c1', 'c2'] },
      { at: 1_000, texts: ['c2'] },
    ]);
    expect(tally).toMatchObject({ sent: 3, accepted: 2, waits: 1, refused: new Map([['SIZE_INVALID', 1]]) });
    expect([...tally.notes]).toEqual(['line 1: refused: SIZE_INVALID']);
  });

  it('waits again when the last comments are refused for now twice', async () => {
    const busy = answerOf(429, { code: 'ROOM_BUSY' });
    const { clock, posted, tally, done } = start(momentsAt(0), [busy, busy]);
    await clock.advance(2_000);
    expect(posted.map(({ at }) => at)).toEqual([0, 1_000, 2_000]);
    expect(tally).toMatchObject({ sent: 1, accepted: 1, waits: 2 });
    expect(done()).toBe(true);
  });

  it('ends with a sentence when the server cannot go on, and keeps the tally', async () => {
    const { clock, run, tally } = start(momentsAt(0, 1, 2), [TAKEN, answerOf(503, { code: 'SHUTTING_DOWN' })]);
    await clock.advance(5_000);
    await expect(run).rejects.toThrow('the server answered 503 SHUTTING_DOWN');
    expect(tally).toMatchObject({ sent: 1, accepted: 1 });
  });

  it('ends early while it waits, and sends no more', async () => {
    const { clock, stop, run, posted, tally } = start(momentsAt(0, 60));
    await clock.advance(1_000);
    stop.abort();
    await run;
    await clock.advance(100_000);
    expect(posted).toHaveLength(1);
    expect(tally.sent).toBe(1);
  });

  it('counts the request under way when it ends early', async () => {
    let answer: (answer: Answer) => void = () => {};
    const { clock, stop, run, tally } = start(momentsAt(0, 0, 60), [], {
      post: () => new Promise((resolve) => (answer = resolve)),
    });
    await clock.advance(0);
    stop.abort();
    answer(TAKEN);
    await run;
    expect(tally).toMatchObject({ sent: 2, accepted: 2 });
  });

  it('sleeps longer than a timer of Node.js can', async () => {
    const days = 40;
    const asked: number[] = [];
    const clock = new FakeClock(0);
    const after = clock.after.bind(clock);
    clock.after = (ms, run) => {
      asked.push(ms);
      return after(ms, run);
    };
    const { posted } = start(momentsAt(days * 86_400), [], { clock });
    await clock.advance(days * 86_400_000);
    expect(posted).toHaveLength(1);
    expect(Math.max(...asked)).toBeLessThan(2 ** 31);
  });
});

function read(status: number, body: unknown, retryAfter: string | null = null, count = 3): Outcome {
  return readAnswer({ status, retryAfter, body: typeof body === 'string' ? body : JSON.stringify(body) }, count);
}

/** The outcome of a `status` answer that refuses every one of two comments with `code`. */
function allRefused(status: number, code: string): Outcome {
  const refused = [0, 1].map((index) => ({ index, code }));
  return read(status, { type: 'about:blank', status, code, refused }, null, 2);
}

describe('the answer to a request', () => {
  it('accepts what it does not list as refused', () => {
    const outcome = read(202, { accepted: 2, refused: [{ index: 1, code: 'TEXT_INVALID' }] });
    expect(outcome.refused).toEqual(new Map([[1, 'TEXT_INVALID']]));
    expect(outcome.again.size).toBe(0);
  });

  it.each(['ROOM_BUSY', 'BUSY', 'RATE_LIMITED'])('asks to send a comment again with %s', (code) => {
    const outcome = read(202, { accepted: 2, refused: [{ index: 2, code }] });
    expect(outcome.again).toEqual(new Set([2]));
    expect(outcome.refused.size).toBe(0);
  });

  it('may refuse all comments, each with its own code', () => {
    const refused = [
      { index: 0, code: 'TEXT_INVALID' },
      { index: 1, code: 'ROOM_BUSY' },
      { index: 2, code: 'SIZE_INVALID' },
    ];
    const outcome = read(400, { code: 'TEXT_INVALID', refused });
    expect([...outcome.refused.values()]).toEqual(['TEXT_INVALID', 'SIZE_INVALID']);
    expect(outcome.again).toEqual(new Set([1]));
  });

  it.each([
    [429, 'ROOM_BUSY'],
    [429, 'RATE_LIMITED'],
    [503, 'BUSY'],
  ])('asks to send all again with %i %s', (status, code) => {
    expect(allRefused(status, code).again).toEqual(new Set([0, 1]));
    expect(read(status, { code }).again).toEqual(new Set([0, 1, 2]));
  });

  it('asks to send all again with 429 of a proxy', () => {
    expect(read(429, '<html>').again.size).toBe(3);
  });

  it.each([
    ['retryAfterMs of the body', { code: 'ROOM_BUSY', retryAfterMs: 250 }, '1', 250],
    ['Retry-After', { code: 'ROOM_BUSY' }, '7', 7_000],
    ['one second without either', { code: 'ROOM_BUSY' }, null, 1_000],
    ['one second for what is no number of seconds', { code: 'ROOM_BUSY', retryAfterMs: 0 }, 'Wed, 21 Oct', 1_000],
  ])('says how long to wait: %s', (_, body, retryAfter, waitMs) => {
    expect(read(429, body, retryAfter).waitMs).toBe(waitMs);
  });

  it.each([
    [404, { code: 'ROOM_NAME_INVALID' }, 'the server answered 404 ROOM_NAME_INVALID'],
    [413, { code: 'TOO_LARGE', detail: 'too large' }, 'the server answered 413 TOO_LARGE: too large'],
    [400, { code: 'NOT_JSON' }, 'the server answered 400 NOT_JSON'],
    [
      503,
      { code: 'SHUTTING_DOWN', refused: [{ index: 0, code: 'SHUTTING_DOWN' }] },
      'the server answered 503 SHUTTING_DOWN',
    ],
    [502, '<html>', `the server answered 502 without a code of volley's`],
    [202, 'OK', 'the server answered 202 with a body that volley does not send'],
    [202, { refused: [{ index: 3, code: 'X' }] }, 'the server answered 202 with a body that volley does not send'],
    [202, { refused: [null] }, 'the server answered 202 with a body that volley does not send'],
  ])('ends the replay with %i %j', (status, body, message) => {
    expect(() => read(status, body)).toThrow(new ReplayError(message));
  });
});
