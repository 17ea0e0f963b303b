import { setImmediate as nextTurn } from 'node:timers/promises';
import { VolleyError } from '../codes.ts';
import { type BlankedBatch, blankComments } from '../frames/batch.ts';
import { encodeBatchKey } from './lmdb-keys.ts';
import type { LmdbRecallLog } from './lmdb-recall-log.ts';
import type { FoundBatch, LmdbTables } from './lmdb-tables.ts';
import type { LmdbWriter, Writes } from './lmdb-writer.ts';

/**
 * Most batches looked at in one transaction, and the bytes of those after which it takes no more: they are decoded and
 * encoded on the main thread, 256 KiB of them in some ms.
 */
const MOST_BATCHES = 128;
const MOST_BYTES = 262_144;

/** One who recalls a comment, and waits. */
interface Asked {
  readonly place: number;
  readonly resolve: (found: boolean) => void;
  readonly reject: (error: unknown) => void;
}

/** All who recall comments of one batch. */
interface Group {
  readonly room: string;
  readonly seq: number;
  readonly asked: Asked[];
}

/** A batch that is written again. */
interface Rewrite {
  readonly group: Group;
  readonly batch: FoundBatch;
  readonly blanked: BlankedBatch;
}

/**
 * Recalls, gathered while other transactions are on their way. One transaction takes all that wait, up to a bound, and
 * writes each batch once, however many of its comments go. What is left asks for its turn again, behind the appends
 * that wait by then.
 */
export class LmdbRecalls {
  readonly #tables: LmdbTables;
  readonly #writer: LmdbWriter;
  readonly #log: LmdbRecallLog;
  #waiting = new Map<string, Group>();
  /** A transaction for what waits is asked for. */
  #queued = false;
  /** Most batches of the next transaction: fewer after one for which there was no space. */
  #most = MOST_BATCHES;

  constructor(tables: LmdbTables, writer: LmdbWriter, log: LmdbRecallLog) {
    this.#tables = tables;
    this.#writer = writer;
    this.#log = log;
  }

  /**
   * Takes the comment at `place` of batch `seq` out of what is kept; false when there is no such comment. Of several
   * who recall the same one is told true.
   * @throws VolleyError STORE_FULL, STORE_FAILED or BATCH_CORRUPT; then it is still there
   */
  recall(room: string, seq: number, place: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#wait(room, seq, { place, resolve, reject });
      this.#queue();
    });
  }

  #wait(room: string, seq: number, ...asked: Asked[]): void {
    const key = `${seq} ${room}`;
    const group = this.#waiting.get(key);
    if (group === undefined) this.#waiting.set(key, { room, seq, asked });
    else group.asked.push(...asked);
  }

  /** Asks for a transaction of what waits when it begins. */
  #queue(): void {
    if (this.#queued || this.#waiting.size === 0) return;
    this.#queued = true;
    let rewrites: Rewrite[] | null = null;
    const prepare = (): Writes | null => {
      this.#queued = false;
      rewrites = this.#take();
      return rewrites.length === 0 ? null : this.#writes(rewrites);
    };
    const answer = (): void => {
      this.#most = Math.min(MOST_BATCHES, this.#most * 2);
      for (const { group, blanked } of rewrites ?? []) answerGroup(group, blanked.places);
    };
    const refuse = (error: unknown): void => {
      if (rewrites === null) this.#rejectAll(error);
      else if (rewrites.length > 1 && isFull(error)) this.#retry(rewrites);
      else for (const { group } of rewrites) rejectGroup(group, error);
    };
    this.#writer.writeThen(prepare, async (done) => {
      await done.then(answer, refuse);
      // Where all that was taken is not there, nothing was written, and the loop has had no turn.
      if (this.#waiting.size > 0) await nextTurn();
      this.#queue();
    });
  }

  /** Takes groups off those that wait; who asked for what is not there, or cannot be read, is answered at once. */
  #take(): Rewrite[] {
    const rewrites: Rewrite[] = [];
    let looked = 0;
    let bytes = 0;
    for (const [key, group] of this.#waiting) {
      if (looked === this.#most || bytes >= MOST_BYTES) break;
      this.#waiting.delete(key);
      looked += 1;
      try {
        const batch = this.#find(group);
        const blanked = batch && blankComments(batch, placesOf(group));
        bytes += batch?.bytes.length ?? 0;
        if (batch && blanked) rewrites.push({ group, batch, blanked });
        else answerGroup(group, new Set());
      } catch (error) {
        rejectGroup(group, error);
      }
    }
    return rewrites;
  }

  #find({ room, seq }: Group): FoundBatch | null {
    for (const batch of this.#tables.batchesOf(room, seq - 1, seq)) return batch;
    return null;
  }

  #writes(rewrites: readonly Rewrite[]): Writes {
    const { batches } = this.#tables;
    let bytes = 0;
    for (const { blanked } of rewrites) bytes += blanked.bytes.length;
    const remembered = this.#log.writes(
      rewrites.map(({ group: { room, seq }, blanked }) => ({ room, seq, places: [...blanked.places] })),
    );
    const put = (): void => {
      for (const { group, batch, blanked } of rewrites) {
        batches.remove(batch.key);
        const count = batch.count - blanked.places.size;
        batches.put(encodeBatchKey(group.room, { ...batch, count }), blanked.bytes);
      }
      remembered.put();
    };
    return { put, bytes: bytes + remembered.bytes, batches: rewrites.length };
  }

  /** Lets them wait again, and fewer of them go into the next transaction: one batch may fit where many do not. */
  #retry(rewrites: readonly Rewrite[]): void {
    this.#most = Math.max(1, rewrites.length >>> 2);
    for (const { group } of rewrites) this.#wait(group.room, group.seq, ...group.asked);
  }

  /** Nothing was taken, as nothing can be written any more. */
  #rejectAll(error: unknown): void {
    this.#queued = false;
    const waiting = this.#waiting;
    this.#waiting = new Map();
    for (const group of waiting.values()) rejectGroup(group, error);
  }
}

function placesOf({ asked }: Group): number[] {
  return asked.map(({ place }) => place);
}

function isFull(error: unknown): boolean {
  return error instanceof VolleyError && error.code === 'STORE_FULL';
}

/** One of those who asked for the same place has taken it out. */
function answerGroup({ asked }: Group, places: ReadonlySet<number>): void {
  const left = new Set(places);
  for (const { place, resolve } of asked) resolve(left.delete(place));
}

function rejectGroup({ asked }: Group, error: unknown): void {
  for (const { reject } of asked) reject(error);
}
