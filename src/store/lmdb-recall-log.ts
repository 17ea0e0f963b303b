import type { Clock } from '../clock.ts';
import { decodeRecall, encodeRecall, encodeTime, MOST_U48, type RecallEntry } from './lmdb-keys.ts';
import type { LmdbTables } from './lmdb-tables.ts';
import { LoopShare } from './loop-share.ts';
import { RECALLS_REMEMBERED, RECALLS_REMEMBERED_MS, type RecalledComment } from './store.ts';

/** Entries that are dropped for one that is written, so that the table shrinks, and a transaction stays small. */
const DROPPED = 2;

/**
 * What was recalled in the last five minutes, in a table of its own: whoever comes back after the server was started
 * anew may still show it. What is older is dropped when more is recalled, and by the pruner; until then it lies there
 * and is not read.
 */
export class LmdbRecallLog {
  readonly #tables: LmdbTables;
  readonly #clock: Clock;

  constructor(tables: LmdbTables, clock: Clock) {
    this.#tables = tables;
    this.#clock = clock;
  }

  /** For the transaction that recalls these: what to put, and its bytes. It fits into the pages taken for the batches. */
  writes(recalled: readonly Omit<RecallEntry, 'at'>[]): { put: () => void; bytes: number } {
    const { recalls } = this.#tables;
    const at = Math.max(0, this.#clock.unix());
    const entries = recalled.map((one) => encodeRecall({ ...one, at }));
    const old = this.old(DROPPED * entries.length);
    const put = (): void => {
      this.drop(old);
      for (const { key, value } of entries) recalls.put(key, value);
    };
    return { put, bytes: entries.reduce((sum, { value }) => sum + value.length, 0) };
  }

  /** Entries that are older than five minutes, at most `limit`, the oldest first. */
  old(limit: number): Uint8Array[] {
    const end = encodeTime(this.#clock.unix() - RECALLS_REMEMBERED_MS);
    return [...this.#tables.recalls.getKeys({ end, limit })];
  }

  /** For a transaction: drops these, of which some may be gone already. */
  drop(keys: readonly Uint8Array[]): void {
    for (const key of keys) this.#tables.recalls.remove(key);
  }

  /** What was recalled in the last five minutes, oldest first, as much of it as is remembered: the newest. */
  async recent(): Promise<RecalledComment[]> {
    const found: RecalledComment[] = [];
    const share = new LoopShare(this.#clock);
    const end = encodeTime(this.#clock.unix() - RECALLS_REMEMBERED_MS);
    for (const { key, value } of this.#tables.recalls.getRange({ start: encodeTime(MOST_U48), end, reverse: true })) {
      const { at, room, seq, places } = decodeRecall(key, value);
      for (const place of places.toReversed()) found.push({ room, id: `${seq}.${place}`, at });
      if (found.length >= RECALLS_REMEMBERED) break;
      await share.give();
    }
    return found.slice(0, RECALLS_REMEMBERED).reverse();
  }
}
