import { describe, expect, it } from 'vitest';
import { type Outcome, ReplayError, readAnswer } from './replay-run.ts';

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
