import { readdirSync, readFileSync } from 'node:fs';
import { BenchError } from '../bench-error.ts';

/** What Node, its threads and everything that is opened later may take besides the connections. */
export const SPARE = 200;

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
 * @param spare files that it will open besides
 * @throws BenchError with the limit, what is needed and the remedy
 */
export function requireOpenFiles(
  connections: number,
  whose: string,
  { pid = 'self', spare = SPARE }: { pid?: number | 'self' | undefined; spare?: number } = {},
): void {
  const limit = readOpenFilesLimit(pid);
  const others = countOpenFiles(pid) + spare;
  const needed = connections + others;
  if (needed <= limit) return;
  throw new BenchError(
    `${connections} connections need ${needed} open files, but ${whose} may have ${limit}: ` +
      `ask for at most ${Math.max(0, limit - others)}, or raise the limit with \`ulimit -n ${needed}\``,
  );
}

/** Files that a process has open now; 0 where the system does not tell. */
export function countOpenFiles(pid: number | 'self' = 'self'): number {
  return readProc(() => readdirSync(`/proc/${pid}/fd`).length) ?? 0;
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
