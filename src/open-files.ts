/**
 * The open files of the process, of which each connection is one. They are shared out before they run out: with none
 * left, accepting fails, and uWebSockets.js tries again for ever at the cost of a core.
 */
import { openSync, readSync } from 'node:fs';

/** Kept for the store, the log and the program itself, and for each shard's loop and what it reads of itself. */
const RESERVED = 48;
const RESERVED_A_SHARD = 12;

/** The API's part of the limit: viewers are what most of them are for. */
const API_SHARE = 0.25;

/** Either port may have so many, however low the limit is. */
const LEAST = 16;

/** Most connections of each port. */
export interface ConnectionShares {
  readonly api: number;
  readonly viewers: number;
}

/**
 * Shares `limit` open files between the ports.
 *
 * @param wanted most connections of the API, whatever the limit
 */
export function shareOpenFiles(limit: number, shards: number, wanted: number): ConnectionShares {
  const free = limit - RESERVED - RESERVED_A_SHARD * shards;
  const api = Math.max(LEAST, Math.min(wanted, Math.floor(limit * API_SHARE)));
  return { api, viewers: Math.max(LEAST, free - api) };
}

/** How many files this process may have open. An operator may change that while it runs. */
export class OpenFileLimit {
  readonly #file: number | null = openLimits();
  readonly #text = Buffer.alloc(4_096);
  #last = Number.POSITIVE_INFINITY;

  /** The limit, what it was last where it cannot be read, and infinity where there is none or it is not Linux. */
  read(): number {
    if (this.#file === null) return this.#last;
    try {
      const length = readSync(this.#file, this.#text, 0, this.#text.length, 0);
      const [, limit] = /^Max open files +(\d+)/m.exec(this.#text.toString('latin1', 0, length)) ?? [];
      this.#last = limit === undefined ? Number.POSITIVE_INFINITY : Number(limit);
    } catch {
      // Whoever asks goes on with the limit that it knew.
    }
    return this.#last;
  }
}

function openLimits(): number | null {
  try {
    return openSync('/proc/self/limits', 'r');
  } catch {
    // Not Linux: there the system alone bounds connections.
    return null;
  }
}
