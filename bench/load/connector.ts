import { benchNow } from './bench-clock.ts';
import type { Connection } from './connection.ts';
import type { Seat } from './seats.ts';

/** Handshakes under way at once, a thread. */
const AT_ONCE = 200;

const SWEEP_MS = 250;

/** Opens connections, not too many at once, and gives up on those that take too long. */
export class Connector {
  readonly #open: (seat: Seat) => Connection;
  readonly #answerWithin: number;
  #waiting: Seat[] = [];
  readonly #underWay = new Set<Connection>();
  readonly #sweep: NodeJS.Timeout;

  /** @param answerWithin ms from `open` to `done` */
  constructor(open: (seat: Seat) => Connection, answerWithin: number) {
    this.#open = open;
    this.#answerWithin = answerWithin;
    this.#sweep = setInterval(() => this.#expire(), Math.min(SWEEP_MS, answerWithin));
  }

  /** Opens connections for these seats, as soon as it is their turn. */
  add(seats: readonly Seat[]): void {
    // Turned round, because only the end of an array can be taken off at no cost.
    this.#waiting = [...seats.toReversed(), ...this.#waiting];
    this.#fill();
  }

  /** A connection is up, or has failed. */
  done(connection: Connection): void {
    this.#underWay.delete(connection);
    this.#fill();
  }

  stop(): void {
    clearInterval(this.#sweep);
    this.#waiting = [];
  }

  #fill(): void {
    while (this.#underWay.size < AT_ONCE) {
      const seat = this.#waiting.pop();
      if (seat === undefined) return;
      this.#underWay.add(this.#open(seat));
    }
  }

  #expire(): void {
    const oldest = benchNow() - this.#answerWithin;
    for (const connection of this.#underWay) {
      if (connection.startedAt > oldest) return;
      connection.expire(this.#answerWithin);
    }
  }
}
