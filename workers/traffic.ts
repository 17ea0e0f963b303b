/**
 * How much a viewer may be refused. Each refused message adds to its excess, and time takes from it: one that makes a
 * mistake now and then hears of each, and one that goes on all the same is closed.
 */
export const EXCESS = {
  /** A comment that is refused. */
  refused: 1,
  /** A message that nobody means as a comment: no JSON object, binary, too large; or one ping of many in a row. */
  nonsense: 8,
  /** A message that is dropped unread. */
  dropped: 16,
  /** From here on everything is dropped. */
  most: 256,
  /** From here on the socket is closed. */
  closing: 512,
  /** What a second takes. */
  forgiven: 128,
} as const;

/** A message that waits for a later turn. */
export interface WaitingMessage {
  /** Which of its viewer's messages it is, from 1. */
  readonly number: number;
  readonly bytes: Buffer;
}

/** Comments of a room in a shard that main has not answered. */
export interface RoomCount {
  unanswered: number;
  /** Its shard counts by it; later there may be another for the same room. */
  listed: boolean;
}

/** What one viewer has sent lately. A viewer that sends nothing has none, for there are many of those. */
export class Traffic {
  /** Comments that main has not answered yet. */
  unanswered = 0;
  /** Those of all viewers of its room; there once it has sent a comment. */
  room: RoomCount | undefined;
  /** Messages received on this link. */
  received = 0;
  /** The turn of the loop that `units` and the two after it are of. */
  turn = 0;
  /** Units of the turn that this viewer's messages have cost. */
  units = 0;
  /** Messages dropped on arrival, and the number of the first: those after it were dropped too. */
  dropped = 0;
  firstDropped = 0;
  waiting: WaitingMessage[] = [];
  waitingBytes = 0;
  #excess = 0;
  #at = 0;

  /** Begins a turn, where this is the first message of it. */
  enter(turn: number): void {
    if (this.turn === turn) return;
    this.turn = turn;
    this.units = 0;
    this.dropped = 0;
  }

  /** Adds to the excess; gives what it is `now`, in ms of `performance.now()`. */
  exceed(weight: number, now: number): number {
    const forgiven = (Math.max(0, now - this.#at) * EXCESS.forgiven) / 1_000;
    this.#excess = Math.max(0, this.#excess - forgiven) + weight;
    this.#at = Math.max(this.#at, now);
    return this.#excess;
  }

  /** Milliseconds until all is forgiven. */
  get forgivenIn(): number {
    return Math.ceil((this.#excess * 1_000) / EXCESS.forgiven);
  }
}
