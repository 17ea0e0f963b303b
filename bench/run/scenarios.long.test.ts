import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { measure } from './measured-scenario.fixture.ts';

describe('the scenario', () => {
  it('many-rooms has the first viewer of each room send', async () => {
    const { run, settings } = await measure('--scenario many-rooms -r 20 -d 1 --warmup 0');
    expect(settings).toMatchObject({ rooms: 20, connections: 40, senders: 20, commentsBy: 'paced senders' });
    expect(run.comments.by).toBe('websocket');
    expect(run.comments.acked).toBeGreaterThan(0);
    expect(run.latencyMs.ack?.count).toBeGreaterThan(0);
    expect(run.server.memoryUnknownBecause).toBe('with --warmup 0 the server was cold');
  });

  it('slow-readers has some that read nothing', async () => {
    const { run, notes } = await measure('--scenario slow-readers -c 30 -R 100 -d 1 --warmup 0');
    expect(notes).toContainEqual(expect.stringMatching(/^1 of the 30 viewers read nothing/));
    // As little as this the kernel takes for them.
    expect(run.notes).toContainEqual(expect.stringMatching(/closed for being slow 0: the kernel still took all/));
    expect(run.server.slowCloses).toBe(0);
  });

  it('churn times the coming back', async () => {
    const { run } = await measure('--scenario churn -c 40 -d 2 --warmup 0 --interval 100');
    expect(run.latencyMs.connect?.count).toBeGreaterThan(0);
  });

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
