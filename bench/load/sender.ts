import { benchNow } from './bench-clock.ts';
import type { CommentFrames } from './comment-frames.ts';

/** While more than this waits in a socket, comments stay due: they are sent later, and their time still counts. */
const MOST_BUFFERED = 1024 * 1024;

/** Where a sender writes. */
export interface SenderLink {
  readonly isUp: boolean;
  /** Bytes that the system has not taken yet. */
  readonly buffered: number;
  write(bytes: Buffer): void;
}

/** The comments of one connection: those that are due, and those that the server has not answered. */
export class Sender {
  readonly #link: SenderLink;
  readonly #frames: CommentFrames;
  readonly #scratch: Buffer;
  /** Offset into the comments, so that not all senders say the same. */
  readonly #offset: number;
  /** When each unanswered comment was to be sent, by ref. */
  readonly #unanswered = new Map<number, number>();
  #due: number[] = [];
  #nextRef = 0;
  #isStarted = false;
  /** Places in the window that are kept free. */
  #held = 0;

  /** @param scratch holds one frame or more; shared by the senders of a thread */
  constructor(link: SenderLink, frames: CommentFrames, scratch: Buffer, offset: number) {
    this.#link = link;
    this.#frames = frames;
    this.#scratch = scratch;
    this.#offset = offset;
  }

  get link(): SenderLink {
    return this.#link;
  }

  /** Whether it has been told to send anything. */
  get isStarted(): boolean {
    return this.#isStarted;
  }

  /** A comment was to be sent at `at`, benchNow() ms. It goes out with the next `flush`. */
  schedule(at: number): void {
    this.#isStarted = true;
    this.#due.push(at);
  }

  /** Makes so many comments due now that `window` are due or unanswered. */
  fill(window: number): void {
    this.#isStarted = true;
    const free = window - this.#held - this.#unanswered.size - this.#due.length;
    if (free <= 0) return;
    const now = benchNow();
    for (let i = 0; i < free; i += 1) this.#due.push(now);
  }

  /** Keeps a place of the window free until `release`. */
  hold(): void {
    this.#held += 1;
  }

  release(): void {
    this.#held -= 1;
  }

  /** Sends what is due; gives the number of comments sent. */
  flush(): number {
    if (this.#due.length === 0 || !this.#link.isUp || this.#link.buffered > MOST_BUFFERED) return 0;
    const due = this.#due;
    this.#due = [];
    let end = 0;
    for (const at of due) {
      if (end + this.#frames.longest > this.#scratch.length) {
        this.#write(end);
        end = 0;
      }
      end = this.#frames.write(this.#scratch, end, this.#offset + this.#nextRef, this.#nextRef);
      this.#unanswered.set(this.#nextRef, at);
      this.#nextRef += 1;
    }
    this.#write(end);
    return due.length;
  }

  /** Whether comments wait for a flush. */
  get hasDue(): boolean {
    return this.#due.length > 0;
  }

  /** The server has answered `ref`; gives when that comment was to be sent, undefined for one that waits for none. */
  takeAnswered(ref: number): number | undefined {
    const at = this.#unanswered.get(ref);
    this.#unanswered.delete(ref);
    return at;
  }

  /** A copy: the system may take the bytes later, and the scratch is written again. */
  #write(end: number): void {
    if (end > 0) this.#link.write(Buffer.from(this.#scratch.subarray(0, end)));
  }
}
