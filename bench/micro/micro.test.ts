import { execFile } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { compiledFile } from '../../src/compiled-file.ts';
import type { MicroFigures } from './micro-benchmark.ts';

const DEADLINE_MS = 120_000;

interface Ended {
  readonly code: number | string | null | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the compiled benchmarks in a process of their own. */
function runMicro(...options: string[]): Promise<Ended> {
  const file = compiledFile('bench/micro/micro.js');
  return new Promise((resolve) => {
    execFile(process.execPath, [file, ...options], { timeout: DEADLINE_MS }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : error.code, stdout, stderr });
    });
  });
}

describe('the micro-benchmarks', () => {
  it(
    'have a figure above 0 each, in every group',
    async () => {
      const { code, stdout, stderr } = await runMicro('--quick', '--json');
      expect([code, stderr]).toEqual([0, '']);
      const { benchmarks, ...machine } = JSON.parse(stdout) as { benchmarks: MicroFigures[] };
      expect(machine).toMatchObject({ node: process.version, quick: true });
      const groups = new Set(benchmarks.map(({ group }) => group));
      expect([...groups]).toEqual(['codecs', 'ring', 'rooms', 'admission', 'senders', 'hand-over', 'presence']);
      for (const { group, name, units, median, mean, p99, samples } of benchmarks) {
        const figures = [units, median, mean, p99, samples];
        expect(
          figures.every((figure) => figure > 0),
          `${group}: ${name}: ${figures}`,
        ).toBe(true);
      }
      expect(new Set(benchmarks.map(({ group, name }) => `${group}: ${name}`)).size).toBe(benchmarks.length);
    },
    DEADLINE_MS,
  );

  it('are narrowed down by a filter and printed as a table', async () => {
    const { code, stdout } = await runMicro('--quick', 'encodeBatch, 20');
    expect(code).toBe(0);
    const rows = stdout.split('\n').filter((line) => line.startsWith('│'));
    expect(rows).toHaveLength(2);
    expect(rows[0]).toMatch(/codecs .*median a call/);
    expect(rows[1]).toMatch(/encodeBatch, 20 comments .* [1-9][\d.]* (ns|µs) .* a comment /);
    expect(stdout).toContain('--quick');
  });

  it('end with one sentence and code 2 for a filter that fits none, and for an unknown option', async () => {
    const none = await runMicro('--quick', '--json', 'nothing like it');
    expect(none).toEqual({ code: 2, stdout: '', stderr: "error: no benchmark contains 'nothing like it'\n" });
    const unknown = await runMicro('--fast');
    expect(unknown).toMatchObject({ code: 2, stdout: '' });
    expect(unknown.stderr).toContain("unknown option '--fast'");
  });
});
