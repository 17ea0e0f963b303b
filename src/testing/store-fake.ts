import { VolleyError } from '../codes.ts';
import { blankComments, type EncodedBatch } from '../frames/batch.ts';
import { type BatchOutline, takeOutlines, takeRange } from '../frames/batch-lists.ts';
import {
  type Head,
  type Reading,
  readingOf,
  type Store,
  type StoredBatch,
  type StoreEvents,
  type StoreStats,
} from '../store/store.ts';

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
  maxBatchBytes = 1_000_000;
  /** Appends that wait for the test. */
  readonly waiting: Waiting[] = [];
  /** Every append ever made, in order. */
  readonly appended: { room: string; batch: EncodedBatch }[] = [];
  /** Every read ever asked for. */
  readonly reads: { room: string; after: number; upTo: number }[] = [];
  /** Rooms that are followed. */
  readonly followed = new Set<string>();
  /** While true, reads and follows wait for {@link answerReads}. */
  holdReads = false;
  /** While set, follows fail with it. */
  followFault: unknown = null;
  events: StoreEvents | null = null;
  readonly #logs = new Map<string, StoredBatch[]>();
  /** The newest seq that the tail has delivered. */
  readonly #last = new Map<string, number>();
  #heldReads: (() => void)[] = [];

  async start(events: StoreEvents): Promise<void> {
    this.events = events;
  }

  async follow(room: string): Promise<Head> {
    await this.#hold();
    if (this.followFault !== null) throw this.followFault;
    this.followed.add(room);
    return this.head(room);
  }

  unfollow(room: string): void {
    this.followed.delete(room);
  }

  async head(room: string): Promise<Head> {
    return { seq: this.#last.get(room) ?? 0, lost: 0, ceiling: this.#newest(room) };
  }

  append(room: string, batch: EncodedBatch): Promise<number> {
    if (!this.followed.has(room)) throw new Error(`${room} is not followed`);
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

  /** The same, and answers that it is not known: the tail may still bring it. */
  storeUnknown(room: string, seq = this.#newest(room) + 1): StoredBatch {
    const waiting = this.#takeWaiting(room);
    const stored = this.put(room, waiting.batch, seq);
    waiting.reject(new VolleyError('STORE_UNKNOWN', 'not known'));
    return stored;
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
    this.events?.tail(batches.filter(({ room }) => this.followed.has(room)));
  }

  /** Fails the oldest waiting append of `room`. */
  fail(room: string, error: unknown = new VolleyError('STORE_FULL', 'full')): void {
    this.#takeWaiting(room).reject(error);
  }

  /** Answers every read and follow that waits, from the log as it is now. */
  answerReads(): void {
    const held = this.#heldReads;
    this.#heldReads = [];
    for (const answer of held) answer();
  }

  async read(room: string, after: number, upTo: number, maxBytes: number): Promise<Reading> {
    this.reads.push({ room, after, upTo });
    await this.#hold();
    return readingOf(takeRange(this.#logs.get(room) ?? [], after, upTo, maxBytes), after, 0);
  }

  async outline(room: string, upTo: number, comments: number, notBelow: number, most: number): Promise<BatchOutline[]> {
    const found: BatchOutline[] = [];
    takeOutlines(found, this.#logs.get(room) ?? [], upTo, comments, notBelow, most);
    return found;
  }

  async recall(room: string, seq: number, indexes: readonly number[]): Promise<number> {
    const log = this.#logs.get(room) ?? [];
    const at = log.findIndex((batch) => batch.seq === seq);
    const batch = log[at];
    const blanked = batch && blankComments(batch, indexes);
    if (!batch || !blanked) return 0;
    log[at] = { ...batch, ...blanked.batch };
    this.events?.recalled(blanked.indexes.map((index) => ({ room, id: `${seq}.${index}`, at: 0 })));
    return blanked.indexes.length;
  }

  stats(): StoreStats {
    return { bytes: 0, pruned: 0 };
  }

  async close(): Promise<void> {}

  async #hold(): Promise<void> {
    if (this.holdReads) await new Promise<void>((resolve) => this.#heldReads.push(resolve));
  }

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
