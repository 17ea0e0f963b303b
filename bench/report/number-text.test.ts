import { describe, expect, it } from 'vitest';
import { formatBytes, formatCount, formatCounts, formatMeasure, formatPlural } from './number-text.ts';

describe('numbers for people', () => {
  it.each([
    [0, '0'],
    [0.0004, '0.000'],
    [0.0123, '0.012'],
    [0.9996, '1.00'],
    [9.994, '9.99'],
    [9.996, '10.0'],
    [12.34, '12.3'],
    [99.96, '100'],
    [1_234.5, '1,235'],
    [null, '–'],
  ])('a measure of %s is %s', (value, text) => {
    expect(formatMeasure(value)).toBe(text);
  });

  it.each([
    [0, '0'],
    [1_234_567, '1,234,567'],
    [null, '–'],
  ])('a count of %s is %s', (value, text) => {
    expect(formatCount(value)).toBe(text);
  });

  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [999.6, '1.00 KB'],
    [1_024, '1.02 KB'],
    [12_345_678, '12.3 MB'],
    [999_600, '1.00 MB'],
    [null, '–'],
  ])('%s bytes are %s', (value, text) => {
    expect(formatBytes(value)).toBe(text);
  });

  it('counts by code are listed', () => {
    expect(formatCounts({ ROOM_BUSY: 1_200, BUSY: 1 })).toBe('ROOM_BUSY 1,200, BUSY 1');
    expect(formatCounts({})).toBe('');
  });

  it('one thing is not many', () => {
    expect(formatPlural(1, 'room')).toBe('1 room');
    expect(formatPlural(2_000, 'room')).toBe('2,000 rooms');
  });
});
