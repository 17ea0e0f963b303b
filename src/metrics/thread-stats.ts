/** CPU time and event-loop delay of the thread that calls. */
import { readFileSync, readlinkSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** Nanoseconds on a CPU are the first number of a Linux schedstat file. */
const SCHEDSTAT = '/proc/thread-self/schedstat';

/**
 * CPU seconds of this thread. Linux tells them; elsewhere the whole process's stand in, which is more than the
 * thread's own.
 */
export function threadCpuSeconds(): number {
  try {
    return Number(readFileSync(SCHEDSTAT, 'latin1').split(' ')[0]) / 1e9;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  }
}

/** The kernel's id of the thread that calls; 0 where it does not tell, as elsewhere than on Linux. */
export function threadId(): number {
  try {
    return Number(readlinkSync('/proc/thread-self').split('/').at(-1)) || 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    return 0;
  }
}

interface LoopDelay {
  /** Seconds, over the time since the last call. */
  readonly mean: number;
  readonly max: number;
}

/** Measures this thread's event-loop delay: how late its timers fire. */
export class LoopDelayMeter {
  readonly #histogram = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });

  constructor() {
    this.#histogram.enable();
  }

  /** The delay since the last call. */
  take(): LoopDelay {
    const lost = DELAY_RESOLUTION_MS * 1e6;
    const { mean, max, count } = this.#histogram;
    this.#histogram.reset();
    if (count === 0) return { mean: 0, max: 0 };
    return { mean: Math.max(0, mean - lost) / 1e9, max: Math.max(0, max - lost) / 1e9 };
  }

  stop(): void {
    this.#histogram.disable();
  }
}

/**
 * The histogram samples a timer of this period and records the whole period; what is above it is delay. A finer one
 * wakes an idle thread more often than its work does.
 */
export const DELAY_RESOLUTION_MS = 250;
