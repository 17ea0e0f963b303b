import { VolleyError } from '../codes.ts';
import { blankComment, type EncodedBatch } from '../frames/batch.ts';
import type { BatchOutline, RecalledComment, Store, StoredBatch, StoreStats, TailListener } from './store.ts';

interface Waiting {
  readonly room: string;
  readonly batch: EncodedBatch;
  readonly resolve: (seq: number) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * A store that does nothing by itself: a test says when, in which order and how each append is answered, when the
 * tail delivers, and which batches of other nodes stand in between.
 */
export class FakeStore implements Store {
  readonly name = 'fake';
  /** Appends that wait for the test. */
  readonly waiting: Waiting[] = [];
  /** Every append ever made, in order. */
  readonly appended: { room: string; batch: EncodedBatch }[] = [];
  /** Every read ever asked for. */
  readonly reads: { room: string; after: number; upTo: number }[] = [];
  /** While true, reads wait for {@link answerReads}. */
  holdReads = false;
  readonly #logs = new Map<string, StoredBatch[]>();
  readonly #last = new Map<string, number>();
  #listener: TailListener = () => undefined;
  #heldReads: (() => void)[] = [];

  async start(listener: TailListener): Promise<readonly RecalledComment[]> {
    this.#listener = listener;
    return [];
  }

  append(room: string, batch: EncodedBatch): Promise<number> {
    this.appended.push({ room, batch });
    return new Promise((resolve, reject) => {
      this.waiting.push({ room, batch, resolve, reject });
    });
  }

  /** Gives the oldest waiting append of `room` its place in the log, `seq` or the next, without telling anybody. */
  store(room: string, seq = this.#newest(room) + 1): { stored: StoredBatch; answer: () => void } {
    const waiting = this.#takeWaiting(room);
    const stored = this.put(room, waiting.batch, seq);
    return { stored, answer: () => waiting.resolve(seq) };
  }

  /** Puts another node's batch into the log. */
  put(room: string, batch: EncodedBatch, seq = this.#newest(room) + 1): StoredBatch {
    const stored = { room, seq, prev: this.#newest(room), ...batch };
    const log = this.#logs.get(room) ?? [];
    log.push(stored);
    this.#logs.set(room, log);
    return stored;
  }

  /** The tail hands out these batches. */
  deliver(...batches: StoredBatch[]): void {
    for (const { room, seq } of batches) this.#last.set(room, seq);
    this.#listener(batches);
  }

  /** Fails the oldest waiting append of `room`. */
  fail(room: string, error: unknown = new VolleyError('STORE_FULL', 'full')): void {
    this.#takeWaiting(room).reject(error);
  }

  lastSeq(room: string): number {
    return this.#last.get(room) ?? 0;
  }

  /** Answers every read that waits, from the log as it is now. */
  answerReads(): void {
    const held = this.#heldReads;
    this.#heldReads = [];
    for (const answer of held) answer();
  }

  async read(room: string, after: number, upTo: number, maxBytes: number): Promise<StoredBatch[]> {
    this.reads.push({ room, after, upTo });
    if (this.holdReads) await new Promise<void>((resolve) => this.#heldReads.push(resolve));
    let bytes = 0;
    return (this.#logs.get(room) ?? [])
      .filter(({ seq }) => seq > after && seq <= upTo)
      .filter((batch, i) => {
        bytes += batch.bytes.length;
        return i === 0 || bytes <= maxBytes;
      });
  }

  async seqBefore(room: string, upTo: number, comments: number, notBelow = 0): Promise<number> {
    let count = 0;
    for (const batch of (this.#logs.get(room) ?? []).filter(({ seq }) => seq <= upTo).reverse()) {
      if (count >= comments) return Math.max(batch.seq, notBelow);
      if (batch.seq <= notBelow) return notBelow;
      count += batch.count;
    }
    return notBelow;
  }

  async outline(room: string, upTo: number, comments: number, notBelow: number, most: number): Promise<BatchOutline[]> {
    const found: BatchOutline[] = [];
    let left = comments;
    for (const { seq, prev, count } of (this.#logs.get(room) ?? []).filter((batch) => batch.seq <= upTo).reverse()) {
      if (seq <= notBelow || left <= 0 || found.length === most) break;
      found.push({ seq, prev, count });
      left -= count;
    }
    return found;
  }

  async recall(room: string, seq: number, place: number): Promise<boolean> {
    const log = this.#logs.get(room) ?? [];
    const at = log.findIndex((batch) => batch.seq === seq);
    const batch = log[at];
    const bytes = batch && blankComment(batch, place);
    if (!batch || !bytes) return false;
    log[at] = { ...batch, bytes, count: batch.count - 1 };
    return true;
  }

  stats(): StoreStats {
    return { bytes: 0, pruned: 0 };
  }

  async close(): Promise<void> {}

  #newest(room: string): number {
    return this.#logs.get(room)?.at(-1)?.seq ?? 0;
  }

  #takeWaiting(room: string): Waiting {
    const at = this.waiting.findIndex((waiting) => waiting.room === room);
    const waiting = this.waiting.splice(at, 1)[0];
    if (at === -1 || waiting === undefined) throw new Error(`no append waits for ${room}`);
    return waiting;
  }
}
