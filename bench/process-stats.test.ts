import { describe, expect, it } from 'vitest';
import { readCpuSeconds, readMemory } from './process-stats.ts';

describe('what Linux tells of a process', () => {
  it('is its CPU so far, user and system', () => {
    const own = (): number => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    };
    const before = own();
    const told = readCpuSeconds(process.pid);
    const after = own();
    // Threads of this process that are gone are not in it.
    expect(told).toBeGreaterThan(before * 0.8);
    expect(told).toBeLessThanOrEqual(after + 0.02);
  });

  it('is its memory, in bytes', () => {
    const told = readMemory(process.pid);
    expect(told / process.memoryUsage.rss()).toBeGreaterThan(0.8);
    expect(told / process.memoryUsage.rss()).toBeLessThan(1.2);
  });
});
