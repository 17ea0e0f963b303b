import type { Clock } from '../clock.ts';
import { VolleyError } from '../codes.ts';
import type { EncodedBatch } from '../frames/batch.ts';
import { encodeBatchKey, encodeOrderKey, encodePlace, encodeRoom } from './lmdb-keys.ts';
import type { LastSeq, LastSeqs } from './lmdb-last-seqs.ts';
import type { LmdbTables } from './lmdb-tables.ts';
import type { LmdbWriter, Writes } from './lmdb-writer.ts';
import type { StoredBatch, TailListener } from './store.ts';

/**
 * Most appends in one transaction, and the bytes of batches after which it takes no more: space on disk is taken for the
 * worst that each may need, see {@link LmdbWriter}. A transaction waits for the flush of the one before, so this bounds
 * how many batches are stored a second: 32,000 were where a flush takes 20 ms.
 */
const MOST_APPENDS = 1_024;
const MOST_APPEND_BYTES = 32 * 1_048_576;

export interface LmdbAppendsOptions {
  readonly tables: LmdbTables;
  readonly lasts: LastSeqs;
  readonly writer: LmdbWriter;
  readonly clock: Clock;
  readonly listener: TailListener;
  /** The listener threw, or appends begin to fail. */
  readonly onFault: (error: unknown) => void;
}

interface Waiting {
  readonly room: string;
  readonly batch: EncodedBatch;
  readonly resolve: (seq: number) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Appends, gathered while other transactions are on their way: those that wait share the next, and are in the tail in
 * one call, before they are answered. Where more than 1,024 wait, or 32 MiB, the oldest of them do, and the others make
 * the next, in their order.
 */
export class LmdbAppends {
  readonly #options: LmdbAppendsOptions;
  #waiting: Waiting[] = [];
  /** A transaction for what waits is asked for. */
  #asked = false;
  /** The last transaction failed. */
  #isFailing = false;
  /** The last counter in `order`. */
  #counter: number;

  constructor(options: LmdbAppendsOptions) {
    this.#options = options;
    this.#counter = options.tables.lastCounter(options.clock.unix());
  }

  /**
   * Appends a batch and answers with its seq.
   * @throws VolleyError STORE_FULL, STORE_FAILED; then nothing was stored
   */
  append(room: string, batch: EncodedBatch): Promise<number> {
    if (!this.#asked) {
      this.#asked = true;
      queueMicrotask(() => this.#commit());
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ room, batch, resolve, reject });
    });
  }

  /** Asks for a transaction of what waits when it begins, and then for another of what is left. */
  #commit(): void {
    const { lasts, writer } = this.#options;
    let group: Waiting[] | null = null;
    let stored: StoredBatch[] = [];
    const held = new Map<string, LastSeq>();
    const take = (): Waiting[] => {
      const taken = this.#takeWaiting();
      this.#asked = this.#waiting.length > 0;
      if (this.#asked) this.#commit();
      return taken;
    };
    const prepare = (): Writes => {
      group = take();
      for (const { room } of group) if (!held.has(room)) held.set(room, lasts.of(room));
      lasts.hold(held);
      stored = group.map(({ room, batch }) => number(room, batch, held.get(room) as LastSeq));
      return this.#writes(stored, held);
    };
    const answer = (): void => {
      this.#isFailing = false;
      for (const { room, seq } of stored) settle(held.get(room) as LastSeq, seq);
      for (const [room, last] of held) lasts.remember(room, last);
      this.#deliver(stored);
      for (const [i, { resolve }] of (group ?? []).entries()) resolve((stored[i] as StoredBatch).seq);
    };
    const refuse = (error: unknown): void => {
      // The numbers are free again: the next transaction begins after this.
      for (const last of held.values()) last.given = last.seq;
      if (!this.#isFailing) this.#options.onFault(error);
      this.#isFailing = true;
      for (const { reject } of group ?? take()) reject(asRefusal(error));
    };
    writer.writeThen(prepare, (done) => done.then(answer, refuse));
  }

  /** Takes the oldest of those that wait, as many as go into one transaction. */
  #takeWaiting(): Waiting[] {
    let bytes = 0;
    let end = 0;
    for (const { batch } of this.#waiting) {
      if (end === MOST_APPENDS || bytes >= MOST_APPEND_BYTES) break;
      bytes += batch.bytes.length;
      end += 1;
    }
    return this.#waiting.splice(0, end);
  }

  #writes(stored: readonly StoredBatch[], held: ReadonlyMap<string, LastSeq>): Writes {
    const { tables, clock } = this.#options;
    const at = Math.max(0, clock.unix());
    let bytes = 0;
    for (const batch of stored) bytes += batch.bytes.length;
    const put = (): void => {
      for (const batch of stored) {
        this.#counter += 1;
        tables.batches.put(encodeBatchKey(batch.room, { ...batch, at }), batch.bytes);
        tables.order.put(encodeOrderKey(at, this.#counter), encodePlace(batch.room, batch.seq));
      }
      for (const [room, { listed }] of held) if (listed) tables.rooms.remove(encodeRoom(room));
    };
    return { put, bytes, batches: stored.length };
  }

  #deliver(stored: readonly StoredBatch[]): void {
    try {
      this.#options.listener(stored);
    } catch (error) {
      // They are stored, so they are answered.
      this.#options.onFault(error);
    }
  }
}

function number(room: string, { bytes, count }: EncodedBatch, last: LastSeq): StoredBatch {
  const prev = last.given;
  last.given += 1;
  return { room, seq: last.given, prev, bytes, count };
}

function settle(last: LastSeq, seq: number): void {
  last.seq = seq;
  last.listed = false;
}

function asRefusal(error: unknown): VolleyError {
  if (error instanceof VolleyError) return error;
  return new VolleyError('STORE_FAILED', 'the store could not be read or written', { cause: error });
}
