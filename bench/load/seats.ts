import type { LoadPlan } from './load-plan.ts';

/** One place in the load: what a connection is for, however often it leaves and comes back. */
export interface Seat {
  readonly index: number;
  /** What is asked for in the handshake. */
  readonly path: string;
  /** Place of its room in {@link Seats.rooms}. */
  readonly room: number;
  readonly sends: boolean;
  /** Reads nothing once it is up. */
  readonly deaf: boolean;
  /** Decodes every frame. */
  readonly sampled: boolean;
  /** Leaves and comes back. */
  readonly churns: boolean;
  /**
   * Reads, stays, and is of the same kind as the others, so that it counts where all viewers of a room must have had a
   * frame.
   */
  readonly steady: boolean;
}

/** Of all connections this share takes turns in leaving, where less of them than FEW leave a second; else all do. */
const CHURNING = 0.5;
const FEW = 0.25;

/** Its multiples fall evenly between 0 and 1 whatever the step, so that a choice by it favours no room or thread. */
const GOLDEN = 0.618033988749895;

/** The same seats for the coordinator and all threads, by the plan alone. */
export class Seats {
  /** Paths without their query, each once: viewers of one room may ask for different beginnings of it. */
  readonly rooms: readonly string[];
  readonly #plan: LoadPlan;
  readonly #roomOfPath: readonly number[];
  readonly #roomByName = new Map<string, number>();

  constructor(plan: LoadPlan) {
    this.#plan = plan;
    this.#roomOfPath = plan.paths.map((path) => {
      const name = withoutQuery(path);
      const room = this.#roomByName.get(name) ?? this.#roomByName.size;
      this.#roomByName.set(name, room);
      return room;
    });
    this.rooms = [...this.#roomByName.keys()];
  }

  /** The room of a path, with a query or without; undefined for one that is not in the plan. */
  roomOf(path: string): number | undefined {
    return this.#roomByName.get(withoutQuery(path));
  }

  /** Seat `index`, from 0 to below `plan.connections`. */
  at(index: number): Seat {
    const { paths, connections, senders, deaf: deafCount, churn, sampleEvery, counted } = this.#plan;
    const path = index % paths.length;
    const lot = (index * GOLDEN) % 1;
    const sends = index < senders;
    const deaf = index >= connections - deafCount;
    const sampled = !deaf && lot < 1 / sampleEvery;
    const churns = churn > 0 && !sends && !deaf && !sampled && lot >= (churn < FEW ? 1 - CHURNING : 0);
    return {
      index,
      path: paths[path] ?? '/',
      room: this.#roomOfPath[path] ?? 0,
      sends,
      deaf,
      sampled,
      churns,
      steady: !deaf && !churns && !(counted === true && sampled),
    };
  }

  /** The seats of a load thread: every `threads`-th. */
  ofThread(thread: number): Seat[] {
    const seats: Seat[] = [];
    for (let index = thread; index < this.#plan.connections; index += this.#plan.threads) seats.push(this.at(index));
    return seats;
  }

  /** How many seats there are in each room for which `holds` is true. */
  countByRoom(holds: (seat: Seat) => boolean): Int32Array {
    const counts = new Int32Array(this.rooms.length);
    for (let index = 0; index < this.#plan.connections; index += 1) {
      const seat = this.at(index);
      if (holds(seat)) counts[seat.room] = (counts[seat.room] ?? 0) + 1;
    }
    return counts;
  }
}

function withoutQuery(path: string): string {
  const query = path.indexOf('?');
  return query === -1 ? path : path.slice(0, query);
}
