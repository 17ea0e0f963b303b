import { countOpenFiles, readOpenFilesLimit, requireOpenFiles, SPARE } from '../load/open-files.ts';
import { MOST_SOCKETS } from './http-feed.ts';

/** Files that are opened beside the connections: the feed's sockets at both of their ends, threads, pipes, libraries. */
const BESIDE = MOST_SOCKETS + SPARE;

/** Connections that fit into the open-files limit, by the hundred; Infinity where there is none. */
export function mostConnections(): number {
  const most = readOpenFilesLimit() - countOpenFiles() - BESIDE;
  return Math.max(1, most > 100 ? Math.floor(most / 100) * 100 : most);
}

/**
 * @param whose names the process
 * @param pid the server's process where it runs on this machine; this process's by default
 * @throws BenchError when so many connections do not fit into the open-files limit
 */
export function requireConnections(connections: number, whose: string, pid?: number): void {
  requireOpenFiles(connections, whose, { pid, spare: BESIDE });
}
