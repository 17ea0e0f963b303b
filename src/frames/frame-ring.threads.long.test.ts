import { describe, expect, it } from 'vitest';
import { runRing } from './frame-ring-threads.fixture.ts';

describe('a ring between threads, for long', () => {
  it('shows every reader all of two million entries for it once, in order and whole', async () => {
    const entries = 2_000_000;
    const run = await runRing({ entries, capacity: 4_096, stallEvery: 200, restarts: 200, deadline: 600_000 });
    expect(run.faults).toEqual([]);
    expect(run.got).toEqual(run.expected);
    expect(run.wakeUps).toEqual([2_000, 0]);
    expect(run.laps).toBeGreaterThan(10_000);
    expect(run.stalls).toBeGreaterThan(3_500);
  });
});
