import { describe, expect, it } from 'vitest';
import { checkText, countPoints, countSeconds, describeRefusal } from './send-form.ts';

describe('the words for a refusal', () => {
  it('say why, by code', () => {
    expect(describeRefusal({ refused: 'STORE_FULL', message: 'x' })).toBe(
      'The server has no room for more comments. Try again later.',
    );
  });

  it('say when to try again where the server does', () => {
    expect(describeRefusal({ refused: 'BUSY', message: 'x', retryAfterMs: 1_000 })).toMatch(
      / Try again in 1 second\.$/,
    );
    expect(describeRefusal({ refused: 'RATE_LIMITED', message: 'x', retryAfterMs: 2_001 })).toBe(
      'You are writing too fast. Try again in 3 seconds.',
    );
  });

  it('are the server’s own for a code that this page does not know', () => {
    expect(describeRefusal({ refused: 'MUTED', message: 'you are muted' })).toBe('Not taken: you are muted.');
    const message = 'text is too long: 201 characters, at most 200 are allowed';
    expect(describeRefusal({ refused: 'TEXT_INVALID', message })).toBe(`Not taken: ${message}.`);
  });

  it('never tell anybody to come too soon', () => {
    expect([0, 1, 999, 1_000, 1_001].map(countSeconds)).toEqual([
      '1 second',
      '1 second',
      '1 second',
      '1 second',
      '2 seconds',
    ]);
  });
});

describe('a text before it is sent', () => {
  it('is counted in code points, as the server counts', () => {
    expect(countPoints('a😀弹')).toBe(3);
    expect(checkText('😀'.repeat(5), 5)).toBeNull();
    expect(checkText('😀'.repeat(6), 5)).toBe('Too long by 1 character.');
    expect(checkText('x'.repeat(7), 5)).toBe('Too long by 2 characters.');
  });

  it('must say something', () => {
    for (const text of ['', ' ', '\u3000\u00a0', '\u200b', '\u2800'])
      expect(checkText(text, 5)).toBe('Write something first.');
  });
});
