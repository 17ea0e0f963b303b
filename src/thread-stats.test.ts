import { expect, it } from 'vitest';
import { DELAY_RESOLUTION_MS, LoopDelayMeter, threadCpuSeconds } from './thread-stats.ts';

/** This thread does nothing else for `ms`. */
function stand(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

it('a loop that stands still is late by what is over the time between two samples, and the next measurement begins anew', async () => {
  let sampled: () => void = () => undefined;
  const meter = new LoopDelayMeter(() => sampled());
  const sample = (): Promise<void> =>
    new Promise((resolve) => {
      sampled = resolve;
    });
  try {
    // The timer does not keep a process alive.
    const alive = setInterval(() => undefined, 1_000);
    await sample();
    meter.take();
    stand(2 * DELAY_RESOLUTION_MS);
    await sample();
    await sample();
    clearInterval(alive);
    const { mean, max } = meter.take();
    expect(max).toBeGreaterThan((0.9 * DELAY_RESOLUTION_MS) / 1_000);
    expect(mean).toBeGreaterThan(0.45 * max);
    expect(mean).toBeLessThan(max);
    expect(meter.take()).toEqual({ mean: 0, max: 0 });
  } finally {
    meter.stop();
  }
});

it('the CPU time of a thread rises while it works, and not while it stands still', () => {
  const start = threadCpuSeconds();
  stand(200);
  expect(threadCpuSeconds() - start).toBeLessThan(0.1);
  // Never ends where it does not rise.
  while (threadCpuSeconds() - start < 0.12) Math.sqrt(start);
});
