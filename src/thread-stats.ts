/** CPU time and event-loop delay of the thread that calls. */
import { openSync, readlinkSync, readSync } from 'node:fs';
import { clearInterval, setInterval } from 'node:timers';

/** Nanoseconds on a CPU are the first number of a Linux schedstat file. */
const SCHEDSTAT = '/proc/thread-self/schedstat';

/** Opened as the thread starts and kept: the process may be out of files later, and opening it each second costs more. */
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

/** How often delay is sampled, in ms. A wake-up costs an idle thread some 100 µs, so it is not more often than it must be. */
export const DELAY_RESOLUTION_MS = 250;

/**
 * Measures this thread's event-loop delay: how late a timer of {@link DELAY_RESOLUTION_MS} fires. Not by
 * `monitorEventLoopDelay`: the mean of its histogram takes 200 µs to read, and the histogram 260 KB a thread.
 */
export class LoopDelayMeter {
  /** All meters of a thread are sampled at one wake-up. */
  static readonly #meters = new Set<LoopDelayMeter>();
  static #timer: NodeJS.Timeout | undefined;
  readonly #onSample: () => void;
  #sampledAt = performance.now();
  #sum = 0;
  #max = 0;
  #count = 0;

  /** `onSample` is called after each sample: what else a thread does as often needs no wake-up of its own. */
  constructor(onSample: () => void = () => undefined) {
    this.#onSample = onSample;
    LoopDelayMeter.#meters.add(this);
    LoopDelayMeter.#timer ??= setInterval(() => {
      for (const meter of LoopDelayMeter.#meters) meter.#sample();
    }, DELAY_RESOLUTION_MS).unref();
  }

  /** The delay since the last call. */
  take(): LoopDelay {
    const mean = this.#count === 0 ? 0 : this.#sum / this.#count;
    const max = this.#max;
    this.#sum = 0;
    this.#max = 0;
    this.#count = 0;
    return { mean: mean / 1e3, max: max / 1e3 };
  }

  stop(): void {
    LoopDelayMeter.#meters.delete(this);
    if (LoopDelayMeter.#meters.size > 0) return;
    clearInterval(LoopDelayMeter.#timer);
    LoopDelayMeter.#timer = undefined;
  }

  #sample(): void {
    const now = performance.now();
    const late = Math.max(0, now - this.#sampledAt - DELAY_RESOLUTION_MS);
    this.#sampledAt = now;
    this.#sum += late;
    this.#max = Math.max(this.#max, late);
    this.#count += 1;
    this.#onSample();
  }
}
