/** CPU time and event-loop delay of the thread that calls. */
import { openSync, readSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** Nanoseconds on a CPU are the first number of a Linux schedstat file. */
const SCHEDSTAT = '/proc/thread-self/schedstat';

/** Opened while the thread starts and kept: it could not be opened again once the process is out of files. */
const schedstat = openSchedstat();
const digits = Buffer.alloc(64);
let lastSeconds = 0;

/**
 * CPU seconds of this thread. Linux tells them; elsewhere the whole process's stand in, which is more than the
 * thread's own. Never throws: what cannot be read is what it was last.
 */
export function threadCpuSeconds(): number {
  if (schedstat === null) {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  }
  try {
    const length = readSync(schedstat, digits, 0, digits.length, 0);
    lastSeconds = Number(digits.toString('latin1', 0, length).split(' ')[0]) / 1e9;
  } catch {
    // A metric is worth neither a shard nor the process.
  }
  return lastSeconds;
}

function openSchedstat(): number | null {
  try {
    return openSync(SCHEDSTAT, 'r');
  } catch {
    // Not Linux, or no files left while the thread starts: the process's time is shown.
    return null;
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
