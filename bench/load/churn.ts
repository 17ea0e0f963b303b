import type { Connection } from './connection.ts';
import type { DueSeat } from './connector.ts';
import { Pace } from './pace.ts';
import type { Seat } from './seats.ts';

/** Has connections leave, at an even pace and in turn, every other one without a word. */
export class Churn {
  readonly #seats: readonly Seat[];
  readonly #connections: ReadonlyMap<number, Connection>;
  readonly #pace: Pace;
  #next = 0;
  #left = 0;

  /**
   * @param seats those that take turns
   * @param connections by the seat's index
   * @param rate how many leave a second
   */
  constructor(seats: readonly Seat[], connections: ReadonlyMap<number, Connection>, rate: number, startedAt: number) {
    this.#seats = seats;
    this.#connections = connections;
    this.#pace = new Pace(rate, startedAt);
  }

  /** Closes the connections whose time has come; gives their seats, and those whose connection had failed before. */
  turn(now: number): DueSeat[] {
    const leaving: DueSeat[] = [];
    for (const dueAt of this.#pace.due(now)) {
      const seat = this.#seats[this.#next % this.#seats.length];
      this.#next += 1;
      if (seat === undefined) continue;
      const connection = this.#connections.get(seat.index);
      // One that is on its way already is passed over.
      if (connection !== undefined && !connection.isUp && !connection.isClosed) continue;
      if (connection?.isUp) {
        this.#left += 1;
        connection.leave(this.#left % 2 === 0 ? 'cut' : 'close');
      }
      leaving.push({ seat, dueAt });
    }
    return leaving;
  }
}
