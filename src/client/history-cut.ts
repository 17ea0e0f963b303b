import { placeOf } from '../comment-id.ts';
import type { LiveBatch, LiveComment } from './live-comment.ts';

/**
 * The last N comments of a room's history. The server sends whole batches, oldest first, so only the end of the history
 * tells which comments are the last N: until then they are held.
 *
 *   idle ──begin(end)──▶ holding ──take() or release() that reaches `end`──▶ idle
 */
export class HistoryCut {
  readonly #most: number;
  /** The newest batch of the history, while that is coming. */
  #end: number | undefined;
  #held: LiveBatch[] = [];
  /** Comments of the history that are held. */
  #count = 0;

  /** @param most comments of the history to keep, 1 or more */
  constructor(most: number) {
    this.#most = most;
  }

  /** A history that ends with batch `end` is coming. Another link may bring the rest of it. */
  begin(end: number): void {
    this.#end = Math.min(this.#end ?? end, end);
  }

  /** The room has begun anew: what is held is of the old one. */
  forget(): void {
    this.#end = undefined;
    this.#held = [];
    this.#count = 0;
  }

  /** Takes a batch; gives back those that can be told now, oldest first. */
  take(batch: LiveBatch): readonly LiveBatch[] {
    if (this.#end === undefined) return [batch];
    this.#held.push(batch);
    this.#count += this.#old(batch);
    this.#trim();
    return this.release(batch.seq);
  }

  /** Gives back what is held, if nothing up to batch `seq` is to come any more and the history ends there or before. */
  release(seq: number): readonly LiveBatch[] {
    if (this.#end === undefined || seq < this.#end) return [];
    const held = this.#held;
    this.forget();
    return held;
  }

  /** These comments were taken back. */
  recall(ids: readonly string[]): void {
    const gone = new Set(ids);
    this.#held = this.#held.map((batch) => ({ ...batch, comments: batch.comments.filter(({ id }) => !gone.has(id)) }));
    this.#count = this.#held.reduce((sum, batch) => sum + this.#old(batch), 0);
  }

  /** The oldest go. A message may hold the end of the history and what is new after it, which stays. */
  #trim(): void {
    for (let excess = this.#count - this.#most; excess > 0; excess = this.#count - this.#most) {
      const oldest = this.#held.shift();
      if (oldest === undefined) break;
      const cut = Math.min(excess, this.#old(oldest));
      this.#count -= cut;
      const comments = oldest.comments.slice(cut);
      if (comments.length > 0) this.#held.unshift({ ...oldest, comments });
    }
  }

  #old({ comments }: LiveBatch): number {
    const end = this.#end ?? 0;
    return comments.reduce((sum: number, { id }: LiveComment) => sum + (placeOf(id).seq <= end ? 1 : 0), 0);
  }
}
