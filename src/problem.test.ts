import { describe, expect, it } from 'vitest';
import { REFUSALS, type RefusalCode } from './codes.ts';
import { describeProblem, PROBLEM_TYPE } from './problem.ts';

const CODES = Object.keys(REFUSALS) as RefusalCode[];

describe('a problem document', () => {
  it('has the media type of RFC 9457', () => {
    expect(PROBLEM_TYPE).toBe('application/problem+json');
  });

  it('names status, code and what is wrong', () => {
    expect(describeProblem({ code: 'ROOM_NAME_INVALID' })).toEqual({
      type: 'about:blank',
      title: 'Not Found',
      status: 404,
      code: 'ROOM_NAME_INVALID',
      detail: 'a room name has 1 to 64 characters of A-Z, a-z, 0-9 and . _ : -',
    });
  });

  it('says when to try again, where that can help', () => {
    expect(describeProblem({ code: 'ROOM_BUSY', retryAfterMs: 250 })).toMatchObject({ status: 429, retryAfterMs: 250 });
    expect(describeProblem({ code: 'ROOM_BUSY' })).not.toHaveProperty('retryAfterMs');
  });

  it.each(CODES)('for %s has an error status with its standard title, and a sentence', (code) => {
    const problem = describeProblem({ code });
    expect(problem.code).toBe(code);
    expect(problem.status).toBeGreaterThanOrEqual(400);
    expect(problem.status).toBeLessThan(600);
    expect(problem.title).not.toBe('Error');
    expect(problem.detail.length).toBeGreaterThan(10);
  });

  it.each([
    [400, ['NOT_JSON', 'NOT_UTF8', 'EMPTY_ARRAY', 'TEXT_INVALID', 'MODE_INVALID', 'SINCE_INVALID']],
    [400, ['COLOR_INVALID', 'SIZE_INVALID', 'USER_INVALID', 'NAME_INVALID', 'EXTRA_INVALID', 'UNKNOWN_SUBPROTOCOL']],
    [404, ['ROOM_NAME_INVALID', 'NOT_FOUND']],
    [413, ['TOO_LARGE', 'TOO_MANY']],
    [429, ['ROOM_BUSY']],
    [503, ['SHUTTING_DOWN', 'BUSY']],
    [507, ['STORE_FULL']],
  ] satisfies [number, RefusalCode[]][])('is answered with %i for %j', (status, codes) => {
    expect(codes.map((code) => describeProblem({ code }).status)).toEqual(codes.map(() => status));
  });
});
