/** What a load does, and which connection does which part of it. Plain data: every load thread gets the whole plan. */

export interface LoadPlan {
  /** `ws://HOST:PORT`, no path. A host in 127.0.0.0/8 is reached from as many source addresses as the ports require. */
  readonly url: string;
  /** Request paths; connection `i` goes to `paths[i % paths.length]`. On volley each is a room. */
  readonly paths: readonly string[];
  readonly subprotocol: string;
  /**
   * `volley`: up with its `welcome`; frames are known by seq and prev and checked for loss. `opaque`: up when upgraded;
   * messages of the kind `opaqueFrames` are frames, the k-th of all viewers one push. One load thread only.
   */
  readonly protocol: 'volley' | 'opaque';
  /** On volley: viewers that are not sampled only count frames, as on an opaque server and at the same cost. */
  readonly counted?: boolean;
  /** Which messages of an opaque server count as frames; 'binary' when left out. Socket.IO pushes text. */
  readonly opaqueFrames?: 'binary' | 'text';
  readonly hello?: readonly string[];
  readonly extensions?: string;
  readonly connections: number;
  /** Handshakes that a thread has under way at once, 200 when left out. */
  readonly atOnce?: number;
  readonly threads: number;
  /** The first so many connections also send. */
  readonly senders: number;
  readonly sending: Sending;
  readonly comments: readonly SentComment[];
  /** The last so many connections read nothing once they are up. */
  readonly deaf: number;
  /** Share of the connections that leave and come back each second; senders, deaf and sampled viewers stay. */
  readonly churn: number;
  /** About every so many-th connection decodes and checks each frame and times every comment in it. */
  readonly sampleEvery: number;
}

export const READING: Pick<LoadPlan, 'threads' | 'senders' | 'sending' | 'comments' | 'deaf' | 'churn'> = {
  ...{ threads: 1, senders: 0, sending: { kind: 'none' }, comments: [], deaf: 0, churn: 0 },
};

/** `paced`: each sender `rate` comments a second. `flood`: each keeps `window` comments unanswered. */
export type Sending =
  | { readonly kind: 'none' }
  | { readonly kind: 'paced'; readonly rate: number }
  | { readonly kind: 'flood'; readonly window: number };

export interface SentComment {
  readonly text: string;
  readonly mode: string;
  readonly color: number;
  readonly size: number;
}

/** What a connection is for, however often it leaves and comes back. */
export interface Seat {
  readonly index: number;
  readonly path: string;
  /** Index of its room in {@link Seats.rooms}. */
  readonly room: number;
  readonly sends: boolean;
  readonly deaf: boolean;
  readonly sampled: boolean;
  readonly churns: boolean;
  /** Reads, stays, and is of the same kind as the others: it counts where all viewers must have had a frame. */
  readonly steady: boolean;
}

/** With a churn below FEW a second this share of the viewers takes turns in leaving; otherwise all do. */
const CHURNING = 0.5;
const FEW = 0.25;

/** Its multiples fall evenly between 0 and 1, so that a choice by it favours no room and no thread. */
const GOLDEN = 0.618033988749895;

/** The seats of a plan: the same for the coordinator and all threads. */
export class Seats {
  /** Paths without their query, each once: viewers of one room may ask for different beginnings of it. */
  readonly rooms: readonly string[];
  readonly all: readonly Seat[];
  readonly #roomByName = new Map<string, number>();

  constructor({ paths, connections, senders, deaf: deafCount, churn, sampleEvery, counted = false }: LoadPlan) {
    const rooms = this.#roomByName;
    const places = paths.map((path) => {
      const name = nameOf(path);
      const room = rooms.get(name) ?? rooms.size;
      rooms.set(name, room);
      return { path, room };
    });
    this.rooms = [...rooms.keys()];
    this.all = Array.from({ length: connections }, (_, index): Seat => {
      const { path, room } = places[index % places.length] ?? { path: '/', room: 0 };
      const lot = (index * GOLDEN) % 1;
      const sends = index < senders;
      const deaf = index >= connections - deafCount;
      const sampled = !deaf && lot < 1 / sampleEvery;
      const churns = churn > 0 && !sends && !deaf && !sampled && lot >= (churn < FEW ? 1 - CHURNING : 0);
      const steady = !deaf && !churns && !(counted && sampled);
      return { index, path, room, sends, deaf, sampled, churns, steady };
    });
  }

  roomOf(path: string): number | undefined {
    return this.#roomByName.get(nameOf(path));
  }

  countByRoom(holds: (seat: Seat) => boolean): number[] {
    const counts = new Array<number>(this.rooms.length).fill(0);
    for (const seat of this.all) if (holds(seat)) counts[seat.room] = (counts[seat.room] ?? 0) + 1;
    return counts;
  }
}

function nameOf(path: string): string {
  return path.split('?')[0] ?? '';
}
