import type { LiveComment } from './live-comment.ts';

/** Most comments that wait for a loop which is slower than the room. */
export const MOST_WAITING = 10_000;

/** One loop's comments: what has come and was not taken yet, oldest first. */
export class CommentIterator implements AsyncIterableIterator<LiveComment> {
  readonly #onEnd: (iterator: CommentIterator) => void;
  #waiting: LiveComment[] = [];
  /** Place of the oldest comment in `#waiting`: shifting a long array costs its whole length. */
  #head = 0;
  #takers: ((result: IteratorResult<LiveComment, undefined>) => void)[] = [];
  #ended = false;

  /** @param onEnd is called once, when the loop or the room has ended */
  constructor(onEnd: (iterator: CommentIterator) => void) {
    this.#onEnd = onEnd;
  }

  /** Hands a comment to the loop. True when the oldest that waited had to go for it. */
  push(comment: LiveComment): boolean {
    const take = this.#takers.shift();
    if (take !== undefined) {
      take({ done: false, value: comment });
      return false;
    }
    this.#waiting.push(comment);
    if (this.#waiting.length - this.#head <= MOST_WAITING) return false;
    this.#takeOldest();
    return true;
  }

  /** No more will come; what waits can still be taken. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const take of this.#takers.splice(0)) take({ done: true, value: undefined });
    this.#onEnd(this);
  }

  next(): Promise<IteratorResult<LiveComment, undefined>> {
    const value = this.#takeOldest();
    if (value !== undefined) return Promise.resolve({ done: false, value });
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#takers.push(resolve));
  }

  /** The loop was left. */
  return(): Promise<IteratorResult<LiveComment, undefined>> {
    this.#waiting = [];
    this.#head = 0;
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #takeOldest(): LiveComment | undefined {
    const comment = this.#waiting[this.#head];
    if (comment === undefined) return undefined;
    this.#head += 1;
    if (this.#head >= MOST_WAITING || this.#head === this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#head);
      this.#head = 0;
    }
    return comment;
  }
}
