import { readdirSync, readFileSync } from 'node:fs';
import { BenchError } from '../options.ts';

/** What Node.js, its threads, pipes and an HTTP feed's sockets may take besides the connections. */
const SPARE = 520;

/** The open-files limit of a process, and what it has open beside connections. Unknown is no limit. */
function readOpenFiles(pid: number | 'self'): { limit: number; others: number } {
  try {
    const limits = readFileSync(`/proc/${pid}/limits`, 'latin1');
    const soft = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
    return { limit: soft, others: readdirSync(`/proc/${pid}/fd`).length + SPARE };
  } catch (error) {
    if (!['ENOENT', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    return { limit: Number.POSITIVE_INFINITY, others: SPARE };
  }
}

/**
 * Makes sure that a process can hold `connections` more than it has open.
 * @param whose names the process in the error: `the load generator`, `the server`
 * @throws BenchError with the limit, what is needed and the remedy
 */
export function requireOpenFiles(connections: number, whose: string, pid: number | 'self' = 'self'): void {
  const { limit, others } = readOpenFiles(pid);
  const needed = connections + others;
  if (needed <= limit) return;
  throw new BenchError(
    `${connections} connections need ${needed} open files, but ${whose} may have ${limit}: ` +
      `ask for at most ${Math.max(0, limit - others)}, or raise the limit with \`ulimit -n ${needed}\``,
  );
}

/** Connections that this process can open, by the hundred; Infinity where there is no limit. */
export function mostConnections(): number {
  const { limit, others } = readOpenFiles('self');
  const most = limit - others;
  return Math.max(1, most > 100 ? Math.floor(most / 100) * 100 : most);
}
