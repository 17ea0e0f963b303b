import { BenchError } from '../bench-error.ts';
import { readOpenFilesLimit } from '../load/open-files.ts';
import { MOST_SOCKETS } from './http-feed.ts';

/** Files that a process may have open beside the connections: the feed's sockets, threads, pipes, libraries. */
const RESERVE = MOST_SOCKETS + 280;

/** Connections that fit into the open-files limit, by the hundred; Infinity where there is none. */
export function mostConnections(): number {
  const most = readOpenFilesLimit() - RESERVE;
  return Math.max(1, most > 100 ? Math.floor(most / 100) * 100 : most);
}

/**
 * @param whose names the process
 * @param pid the server's process where it runs on this machine; this process's by default
 * @throws BenchError when so many connections do not fit into the open-files limit
 */
export function requireConnections(connections: number, whose: string, pid?: number): void {
  const limit = readOpenFilesLimit(pid);
  const needed = connections + RESERVE;
  if (needed <= limit) return;
  throw new BenchError(
    `${connections} connections need ${needed} open files, but ${whose} may have ${limit}: ask for at most ` +
      `${Math.max(0, limit - RESERVE)}, or raise the limit with \`ulimit -n ${needed}\``,
  );
}
