import { benchNow } from './bench-clock.ts';
import type { Connection } from './connection.ts';
import type { Seat } from './seats.ts';

/** Handshakes under way at once, a thread, where the plan does not say. */
const AT_ONCE = 200;

const SWEEP_MS = 250;

/** A seat whose connection was to be opened at `dueAt`, benchNow() ms. */
export interface DueSeat {
  readonly seat: Seat;
  readonly dueAt: number;
}

/** Opens connections, not too many at once, and gives up on those that take too long. */
export class Connector {
  readonly #open: (due: DueSeat) => Connection;
  readonly #answerWithin: number;
  readonly #atOnce: number;
  #waiting: DueSeat[] = [];
  readonly #underWay = new Set<Connection>();
  readonly #sweep: NodeJS.Timeout;

  /**
   * @param answerWithin ms from `open` to `done`
   * @param atOnce handshakes under way at once
   */
  constructor(open: (due: DueSeat) => Connection, answerWithin: number, atOnce = AT_ONCE) {
    this.#open = open;
    this.#answerWithin = answerWithin;
    this.#atOnce = atOnce;
    this.#sweep = setInterval(() => this.#expire(), Math.min(SWEEP_MS, answerWithin));
  }

  /** Opens connections for these seats, as soon as it is their turn. */
  add(seats: readonly DueSeat[]): void {
    if (seats.length === 0) return;
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
    while (this.#underWay.size < this.#atOnce) {
      const due = this.#waiting.pop();
      if (due === undefined) return;
      this.#underWay.add(this.#open(due));
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
