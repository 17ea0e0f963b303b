import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { measure } from './measured-scenario.fixture.ts';

describe('the scenario', () => {
  it('join-storm has viewers resume behind, on a server with files of its own', async () => {
    const { run, settings } = await measure(
      '--scenario join-storm --behind 2 -c 30 -d 1 --warmup 0 --interval 100 --server-store level',
    );
    expect(settings).toMatchObject({ behindSeconds: 2, serverStore: 'level' });
    expect(run.latencyMs.caughtUp?.count).toBe(30);
    expect(run.closedByCode).toEqual({});
    const [, folder = ''] = /--store level:(\S+)/.exec(run.server.description) ?? [];
    expect(folder).toContain('volley-bench-');
    expect(existsSync(folder)).toBe(false);
  });

  it('workers compares servers', async () => {
    const { runs, comparison } = await measure(
      '--scenario workers --server-workers 1,2 -c 20 -d 1 --warmup 0 --interval 100',
    );
    expect(runs.map(({ label }) => label)).toEqual(['1 server worker', '2 server workers']);
    expect(runs.map(({ server }) => server.shardCores?.length)).toEqual([1, 2]);
    const frames = comparison.find(({ figure }) => figure === 'frames a second');
    expect(frames?.ratios).toEqual([1, expect.any(Number)]);
  });
});
