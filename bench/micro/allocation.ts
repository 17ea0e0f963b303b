import { GCProfiler, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { median } from '../report/text.ts';

setFlagsFromString('--expose-gc');

/** Collects all garbage, whether or not Node.js was started with `--expose-gc`. */
export const collectGarbage = runInNewContext('gc') as () => void;

/** A function whose calls are looked at, and what each of them needs before. */
export interface Allocating {
  prepare?(): void | Promise<void>;
  run(): unknown;
}

/**
 * Bytes that one call allocates, on the heap and in array buffers: the median of `looks` calls in which no garbage was
 * collected, and of several such rounds the least, since V8 sometimes counts in coarse steps for a while. Null for a
 * function so large that garbage was collected in each.
 */
export async function allocatedBytes(allocating: Allocating, rounds: number, looks: number): Promise<number | null> {
  const found: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    collectGarbage();
    const own = await look({ run: () => undefined }, looks);
    const all = await look(allocating, looks);
    if (own !== null && all !== null) found.push(Math.max(0, all - own));
  }
  return found.length === 0 ? null : Math.min(...found);
}

async function look(allocating: Allocating, looks: number): Promise<number | null> {
  const profiler = new GCProfiler();
  const seen: number[] = [];
  for (let i = 0; i < looks; i += 1) {
    await allocating.prepare?.();
    profiler.start();
    const before = usedBytes();
    const running = allocating.run();
    if (running instanceof Promise) await running;
    const after = usedBytes();
    if (profiler.stop()?.statistics.length === 0) seen.push(after - before);
  }
  return seen.length === 0 ? null : median(seen);
}

function usedBytes(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
