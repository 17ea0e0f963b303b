import { describe, expect, it } from 'vitest';
import { runMicro } from './micro-process.fixture.ts';

describe('the micro-benchmarks', () => {
  it('are narrowed down by a filter and printed as a table', async () => {
    const { code, stdout } = await runMicro('--quick', 'encodeBatch, 20');
    expect(code).toBe(0);
    const rows = stdout.split('\n').filter((line) => line.startsWith('│'));
    expect(rows).toHaveLength(2);
    expect(rows[0]).toMatch(/codecs .*median a call/);
    expect(rows[1]).toMatch(/encodeBatch, 20 comments .* [1-9][\d.]* (ns|µs) .* a comment /);
    expect(stdout).toContain('--quick');
  });

  it('end with one sentence and code 2 for a filter that fits none', async () => {
    const none = await runMicro('--quick', '--json', 'nothing like it');
    expect(none).toEqual({ code: 2, stdout: '', stderr: "error: no benchmark contains 'nothing like it'\n" });
  });
});
