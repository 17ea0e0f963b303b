import type { SteadyClock } from '../clock.ts';
import { VolleyError } from '../codes.ts';
import type { LevelDatabase, LevelStoreOptions } from './level-database.ts';
import * as keys from './level-keys.ts';
import type { LevelWriter } from './level-writer.ts';

/** Entries that one step drops, and batches after which it takes no more. */
const MOST_ENTRIES = 256;
const MOST_BATCHES = 512;
const ANY_BYTES = 1_048_576;

/** ms between two looks when there is nothing to drop, and after a step that failed. */
const IDLE_MS = 1_000;
const FAULT_MS = 10_000;

export interface LevelPrunerOptions extends LevelStoreOptions {
  readonly database: LevelDatabase;
  readonly writer: LevelWriter;
  readonly time: SteadyClock;
  /** The newest counter of `o` when the process began. */
  readonly counter: number;
  /** Runs what writes batches again or drops them: one at a time. */
  readonly alone: (run: () => Promise<void>) => Promise<void>;
  /** Batches of the room up to this seq are gone. */
  readonly onDrop: (room: string, seq: number) => void;
}

/** An entry of `o` that goes, with its batches. */
interface Dropped {
  readonly key: Buffer;
  readonly batches: readonly keys.OrderedBatch[];
}

/**
 * Drops the oldest batches of all rooms, those that are too old and those that are too much. How far a room is dropped is
 * noted in the same write, so that no seq is used twice.
 */
export class LevelPruner {
  readonly #options: LevelPrunerOptions;
  readonly #startedAt: number;
  #pruned = 0;
  /** Where the next look begins: from the very beginning, LevelDB would walk over all that was dropped before. */
  #from = keys.counterKey('o', 0);
  #cancel: () => void = () => undefined;
  #step: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(options: LevelPrunerOptions) {
    this.#options = options;
    this.#startedAt = options.clock.now();
  }

  /** Batches dropped since the start. */
  get pruned(): number {
    return this.#pruned;
  }

  start(): void {
    if (this.#options.retainAge > 0 || this.#options.retainBytes > 0) this.#schedule(0);
  }

  /** Resolves when no step runs and none will. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    await this.#step;
  }

  #schedule(ms: number): void {
    if (this.#isStopped) return;
    this.#cancel = this.#options.clock.after(ms, () => {
      this.#step = this.#options.alone(async () => {
        try {
          this.#schedule((await this.#drop()) ? 0 : IDLE_MS);
        } catch (error) {
          // What the writer refuses, it has told of.
          if (this.#options.writer.refusal === null) this.#options.onFault(error);
          this.#schedule(FAULT_MS);
        }
      });
    });
  }

  /** One step; true when there was something to drop. */
  async #drop(): Promise<boolean> {
    const { writer, time, onDrop } = this.#options;
    time.look();
    const dropped = await this.#findDropped();
    if (dropped.length === 0) return false;
    const newest = new Map(dropped.flatMap(({ batches }) => batches).map(([room, seq]) => [room, seq]));
    await writer.write((batch) => {
      let bytes = 0;
      for (const [room, seq] of newest) batch.put(...keys.packEntry(keys.roomKey(room), seq));
      for (const { key, batches } of dropped) {
        batch.del(key);
        for (const [room, seq, size] of batches) {
          batch.del(keys.batchKey(room, seq));
          bytes += size;
        }
      }
      return -bytes;
    });
    for (const [room, seq] of newest) onDrop(room, seq);
    for (const { batches } of dropped) this.#pruned += batches.length;
    this.#from = dropped.at(-1)?.key ?? this.#from;
    return true;
  }

  /** Those at the beginning of `o` that are too old, or too much. */
  async #findDropped(): Promise<Dropped[]> {
    const { database, writer, clock, time, retainAge, retainBytes, counter, onFault } = this.#options;
    const tooOld = retainAge > 0 && time.isAgreed ? time.now() - retainAge : Number.NEGATIVE_INFINITY;
    // What this process wrote is not older than the process, whatever the clock said when it was written.
    const newestOld = clock.now() - this.#startedAt < retainAge ? counter : Number.POSITIVE_INFINITY;
    let count = 0;
    let excess = retainBytes > 0 ? writer.bytes - retainBytes : 0;
    const range = { gt: this.#from, lt: keys.counterKey('o', Number.MAX_SAFE_INTEGER) };
    const entries = await database.read((db) => keys.readRange(db, range, MOST_ENTRIES, ANY_BYTES));
    const found: Dropped[] = [];
    for (const [key, value] of entries) {
      const entry = keys.readPacked<keys.OrderValue>(key, value);
      if (entry === null) onFault(new VolleyError('STORE_DAMAGED', 'a list of batches is damaged: they stay for good'));
      const [at, ...batches] = entry ?? [0];
      const isOld = at <= tooOld && keys.numberOf(key) <= newestOld;
      if (entry !== null && !isOld && excess <= 0) break;
      found.push({ key, batches });
      for (const [, , size] of batches) excess -= size;
      count += batches.length;
      if (count >= MOST_BATCHES) break;
    }
    return found;
  }
}
