import { describe, expect, it } from 'vitest';
import { type Unit, writeSpan, writeTick, writeTimes, writeValue } from './number-text.ts';

describe('a value', () => {
  it.each<[number, Unit, string]>([
    [0, 'count', '0'],
    [1_234_567, 'count', '1,234,567'],
    [0.25, 'rate', '0.3/s'],
    [1_234.5, 'rate', '1,235/s'],
    [999, 'bytes', '999 B'],
    [1_000, 'bytes', '1 KB'],
    [123_456_789, 'byteRate', '123 MB/s'],
    [0, 'ms', '0 ms'],
    [0.0456, 'ms', '0.046 ms'],
    [9.96, 'ms', '10 ms'],
    [1_500, 'ms', '1.5 s'],
    [0.4567, 'share', '45.7 %'],
  ])('of %d as %s is written %s', (value, unit, text) => {
    expect(writeValue(value, unit)).toBe(text);
  });

  it('is short on an axis', () => {
    expect(writeTick(1_500_000, 'rate')).toBe('1.5M');
    expect(writeTick(20_000, 'byteRate')).toBe('20 KB');
  });
});

describe('a time', () => {
  it('has seconds on an axis only where they tell times apart', () => {
    const start = new Date(2026, 0, 2, 15, 4, 0).getTime();
    expect(writeTimes([start, start + 15_000])).toEqual(['15:04:00', '15:04:15']);
    expect(writeTimes([start, start + 120_000])).toEqual(['15:04', '15:06']);
  });

  it('span is told in words', () => {
    expect([400, 12_345, 119_000, 180_000].map(writeSpan)).toEqual(['0.4 s', '12 s', '119 s', '3 min']);
  });
});
