import { describe, expect, it } from 'vitest';
import { runRing } from './frame-ring-threads.fixture.ts';

describe('a ring between threads', () => {
  it('shows every reader every entry for it once, in order and whole, over and over full, wrapped and restarted', async () => {
    const run = await runRing({ entries: 10_000, capacity: 1_024, stallEvery: 20, restarts: 4, deadline: 25_000 });
    expect(run.faults).toEqual([]);
    expect(run.got).toEqual(run.expected);
    expect(run.wakeUps).toEqual([10, 0]);
    expect(run.laps).toBeGreaterThan(250);
    expect(run.stalls).toBeGreaterThan(150);
  });
});
