import { describe, expect, it } from 'vitest';
import { readPostAnswer } from './post-answer.ts';

describe('the answer to a post', () => {
  it('has ids once the store holds the comments', () => {
    const body = { accepted: 2, refused: [{ index: 1, code: 'TEXT_INVALID' }], ids: ['2.0', null, '2.1'] };
    expect(readPostAnswer(201, JSON.stringify(body), 3)).toEqual({
      accepted: 2,
      ids: ['2.0', null, '2.1'],
      refused: new Map([['TEXT_INVALID', 1]]),
    });
  });

  it('has none before', () => {
    expect(readPostAnswer(202, '{"accepted":3,"refused":[]}', 3)).toEqual({ accepted: 3, ids: [], refused: new Map() });
  });

  it('refuses all under their codes, and under its own what it does not list', () => {
    const body = {
      code: 'ROOM_BUSY',
      refused: [
        { index: 0, code: 'ROOM_BUSY' },
        { index: 1, code: 'BUSY' },
      ],
    };
    expect(readPostAnswer(429, JSON.stringify(body), 4)).toEqual({
      accepted: 0,
      ids: [],
      refused: new Map([
        ['ROOM_BUSY', 3],
        ['BUSY', 1],
      ]),
    });
  });

  it.each([
    [502, '<html>', 'HTTP 502'],
    [404, '{"code":"NOT_FOUND"}', 'NOT_FOUND'],
    [200, 'null', 'HTTP 200'],
  ])('of %i %s refuses all under %s', (status, body, code) => {
    expect(readPostAnswer(status, body, 2).refused).toEqual(new Map([[code, 2]]));
  });

  it('that takes comments without saying how many took none', () => {
    expect(readPostAnswer(202, 'OK', 2).accepted).toBe(0);
  });
});
