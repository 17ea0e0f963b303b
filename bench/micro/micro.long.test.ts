import { describe, expect, it } from 'vitest';
import { expectShape } from '../report/document-shape.fixture.ts';
import type { MicroFigures } from './benchmark.ts';
import { runMicro } from './micro-process.fixture.ts';

describe('the micro-benchmarks', () => {
  it('have a figure above 0 each, in every group', async () => {
    const { code, stdout, stderr } = await runMicro('--quick', '--json');
    expect([code, stderr]).toEqual([0, '']);
    expectShape(JSON.parse(stdout), 'micro');
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
  });
});
