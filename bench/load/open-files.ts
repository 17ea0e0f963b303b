import { readdirSync, readFileSync } from 'node:fs';
import { BenchError } from '../bench-error.ts';

/** What Node, its threads and everything that is opened later may take besides the connections. */
const SPARE = 200;

/**
 * Most files that a process may have open at once; Infinity where the system does not tell. Node itself raises the
 * soft limit to the hard one when it starts, so for a Node process there is no more to be had from inside.
 */
export function readOpenFilesLimit(pid: number | 'self' = 'self'): number {
  const limits = readProc(() => readFileSync(`/proc/${pid}/limits`, 'latin1'));
  const soft = /^Max open files\s+(\S+)/m.exec(limits ?? '')?.[1];
  return soft === undefined || soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
}

/**
 * Makes sure that a process can hold `connections` more than it has open.
 * @param whose names the process in the error: `the load generator`, `the server`
 * @throws BenchError with the limit, what is needed and the remedy
 */
export function requireOpenFiles(connections: number, whose: string, pid: number | 'self' = 'self'): void {
  const limit = readOpenFilesLimit(pid);
  const open = readProc(() => readdirSync(`/proc/${pid}/fd`).length) ?? 0;
  const needed = connections + open + SPARE;
  if (needed <= limit) return;
  throw new BenchError(
    `${connections} connections need ${needed} open files, but ${whose} may have ${limit}: ` +
      `ask for at most ${Math.max(0, limit - open - SPARE)}, or raise the limit with \`ulimit -n ${needed}\``,
  );
}

/** What is not there, or is another user's, is not known. */
function readProc<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'EACCES' || code === 'EPERM') return undefined;
    throw error;
  }
}
