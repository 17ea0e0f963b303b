import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** Resident memory of `pid` in bytes, as Linux tells it. */
export function readMemory(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  return Number(kilobytes) * 1_024;
}

/** Whether this kernel counts a thread's CPU to the nanosecond. */
const COUNTS_NANOSECONDS = existsSync('/proc/self/schedstat');

/**
 * CPU that the living threads of `pid` have spent so far, user and system, in seconds. Only
 * living ones: a thread that ends takes what it has spent with it, so the difference of two readings is too low by that,
 * and may even be negative. Where the kernel does not count to the nanosecond, it comes in steps of 10 ms, and with
 * what threads that are gone have spent.
 */
export function readCpuSeconds(pid: number): number {
  if (!COUNTS_NANOSECONDS) return readTicks(pid);
  const threads = readdirSync(`/proc/${pid}/task`).map((thread) => readNanoseconds(pid, thread));
  return threads.reduce((sum, nanoseconds) => sum + nanoseconds, 0) / 1e9;
}

function readNanoseconds(pid: number, thread: string): number {
  try {
    return Number.parseInt(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1'), 10);
  } catch (error) {
    // It has ended since the folder was read; Linux says the one or the other.
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return 0;
    throw error;
  }
}

let ticksPerSecond: number | undefined;

function readTicks(pid: number): number {
  ticksPerSecond ??= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'latin1' }));
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // The second field is the program's name in parentheses, and a name may have spaces and parentheses in it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [user, system] = fields.slice(11, 13).map(Number);
  return ((user ?? Number.NaN) + (system ?? Number.NaN)) / ticksPerSecond;
}
