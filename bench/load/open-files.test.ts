import { describe, expect, it } from 'vitest';
import { BenchError } from '../options.ts';
import { mostConnections, requireOpenFiles } from './open-files.ts';

describe('the open-files limit', () => {
  it('lets through what fits, and says what is needed and the remedy for what does not', () => {
    const most = mostConnections();
    expect(most).toBeGreaterThan(100);
    expect(() => requireOpenFiles(1, 'this test')).not.toThrow();
    const tooMany = (): void => requireOpenFiles(most + 1_000, 'this test', process.pid);
    expect(tooMany).toThrow(BenchError);
    expect(tooMany).toThrow(/^\d+ connections need \d+ open files, but this test may have \d+.*ulimit -n \d+/);
  });

  it('is unknown of a process that is gone', () => {
    expect(() => requireOpenFiles(1e9, 'this test', 2 ** 30)).not.toThrow();
  });
});
