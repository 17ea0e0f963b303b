import { describe, expect, it } from 'vitest';
import { runRing } from './frame-ring-threads.fixture.ts';

describe('a ring between threads', () => {
  it('shows every reader every entry once, in order and whole, over and over full and wrapped', async () => {
    const run = await runRing({ entries: 20_000, capacity: 1_024, readers: 3, stallEvery: 50, deadline: 20_000 });
    expect(run.reports).toEqual(Array.from({ length: 3 }, () => ({ entries: 20_000, fault: null })));
    expect(run.laps).toBeGreaterThan(500);
    expect(run.stalls).toBeGreaterThan(390);
  });
});
