import { describe, expect, it } from 'vitest';
import { BenchError } from '../bench-error.ts';
import { readOpenFilesLimit, requireOpenFiles } from './open-files.ts';

describe('the open-files limit', () => {
  it('is that of the process', () => {
    const limit = readOpenFilesLimit();
    expect(limit).toBeGreaterThan(100);
    expect(readOpenFilesLimit(process.pid)).toBe(limit);
  });

  it('is not known of a process that is not there', () => {
    expect(readOpenFilesLimit(2 ** 30)).toBe(Number.POSITIVE_INFINITY);
  });

  it('lets through what fits, and says what is needed and the remedy for what does not', () => {
    const limit = readOpenFilesLimit();
    expect(() => requireOpenFiles(1, 'this test')).not.toThrow();
    expect(() => requireOpenFiles(limit, 'this test')).toThrow(BenchError);
    expect(() => requireOpenFiles(limit, 'this test')).toThrow(
      new RegExp(`^${limit} connections need \\d+ open files, but this test may have ${limit}.*ulimit -n \\d+`),
    );
  });
});
