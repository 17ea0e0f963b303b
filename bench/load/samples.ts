import type { Copies } from './known-frames.ts';
import type { LoadReport } from './load-messages.ts';
import { NumberList } from './number-list.ts';
import type { Room } from './room.ts';
import type { Tally } from './tally.ts';

/** Numbers of one kind that wait for the next report, each made of several. */
class Rows extends NumberList {
  add(...row: readonly number[]): void {
    for (const number of row) this.push(number);
  }
}

/** What a load thread gathers for the coordinator, which joins it with what the other threads have. */
export class Samples {
  /** Durations in ms. */
  readonly connect = new NumberList();
  readonly caughtUp = new NumberList();
  readonly ack = new NumberList();
  readonly lostSteady = new NumberList();
  readonly unheard = new NumberList();
  readonly #received = new Rows();
  readonly #acked = new Rows();
  readonly #copies = new Rows();
  /** Frames with copies that were not reported yet. */
  readonly #spreading: { room: Room; frame: Copies }[] = [];

  /** A sampled viewer got a batch. */
  addReceived(room: Room, seq: number, at: number): void {
    this.#received.add(room.index, seq, at);
  }

  /** The ack of a comment that was to be sent at `sentAt`. */
  addAcked(room: Room, seq: number, sentAt: number): void {
    this.#acked.add(room.index, seq, sentAt);
  }

  /** A steady viewer got a copy of `frame`. Called for every copy. */
  countCopy(room: Room, frame: Copies, now: number): void {
    frame.lastAt = now;
    if (frame.count === 0) {
      frame.firstAt = now;
      this.#spreading.push({ room, frame });
    }
    frame.count += 1;
  }

  /** Hands over what has gathered. */
  take(tally: Tally): LoadReport {
    for (const { room, frame } of this.#spreading) {
      for (const seq of frame.batches) this.#copies.add(room.index, seq, frame.firstAt, frame.lastAt, frame.count);
      frame.count = 0;
    }
    this.#spreading.length = 0;
    return {
      seconds: tally.takeSeconds(),
      connect: this.connect.take(),
      caughtUp: this.caughtUp.take(),
      ack: this.ack.take(),
      received: this.#received.take(),
      acked: this.#acked.take(),
      copies: this.#copies.take(),
      lostSteady: this.lostSteady.take(),
      unheard: this.unheard.take(),
    };
  }
}
