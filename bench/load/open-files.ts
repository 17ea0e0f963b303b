import { readdirSync, readFileSync } from 'node:fs';
import { BenchError } from '../bench-error.ts';

/** What Node.js, its threads, pipes and an HTTP feed's sockets may take besides the connections. */
const SPARE = 520;

/** Most files that a process may have open; Infinity where the system does not tell. Node.js raises it as far as it may. */
function readLimit(pid: number | 'self'): number {
  const limits = readProc(() => readFileSync(`/proc/${pid}/limits`, 'latin1'));
  const soft = /^Max open files\s+(\S+)/m.exec(limits ?? '')?.[1];
  return soft === undefined || soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
}

/** Files that a process has open; 0 where the system does not tell. */
function countOpen(pid: number | 'self'): number {
  return readProc(() => readdirSync(`/proc/${pid}/fd`).length) ?? 0;
}

/**
 * Makes sure that a process can hold `connections` more than it has open.
 * @param whose names the process in the error: `the load generator`, `the server`
 * @throws BenchError with the limit, what is needed and the remedy
 */
export function requireOpenFiles(connections: number, whose: string, pid: number | 'self' = 'self'): void {
  const limit = readLimit(pid);
  const others = countOpen(pid) + SPARE;
  const needed = connections + others;
  if (needed <= limit) return;
  throw new BenchError(
    `${connections} connections need ${needed} open files, but ${whose} may have ${limit}: ` +
      `ask for at most ${Math.max(0, limit - others)}, or raise the limit with \`ulimit -n ${needed}\``,
  );
}

/** Connections that this process can open, by the hundred; Infinity where there is no limit. */
export function mostConnections(): number {
  const most = readLimit('self') - countOpen('self') - SPARE;
  return Math.max(1, most > 100 ? Math.floor(most / 100) * 100 : most);
}

/** What is not there, or belongs to another user, is unknown. */
function readProc<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'EACCES' || code === 'EPERM') return undefined;
    throw error;
  }
}
