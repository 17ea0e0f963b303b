import { describe, expect, it } from 'vitest';
import { runRing } from './frame-ring-threads.fixture.ts';

describe('a ring between threads, for long', () => {
  it('shows every reader all of two million entries once, in order and whole', async () => {
    const run = await runRing({ entries: 2_000_000, capacity: 4_096, readers: 3, stallEvery: 500, deadline: 600_000 });
    expect(run.reports).toEqual(Array.from({ length: 3 }, () => ({ entries: 2_000_000, fault: null })));
    expect(run.laps).toBeGreaterThan(10_000);
    expect(run.stalls).toBeGreaterThan(3_990);
  });
});
