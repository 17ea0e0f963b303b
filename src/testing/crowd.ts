import type { Comment } from '../comment.ts';
import type { CodecName } from '../frames/codec.ts';
import type { ServerProcess } from './server-process.ts';
import { ViewerClient } from './viewer-client.ts';

const CODECS: readonly CodecName[] = ['json', 'msgpack', 'deflate'];

/** A seat in the crowd: somebody who watches one room on one codec, leaves, and comes back with `since`. */
interface Seat {
  readonly room: string;
  readonly codec: CodecName;
  viewer: ViewerClient;
  /** Seq after which this seat began to watch. */
  from: number;
  /** Heard in connections that are closed by now. */
  heard: Comment[];
  readonly faults: string[];
}

/**
 * A crowd of viewers over all codecs and several rooms, of whom some leave and resume all the time, and a check that
 * every one of them has heard every comment of its room once and in order.
 */
export class Crowd {
  readonly #server: ServerProcess;
  readonly #seats: Seat[] = [];
  #next = 0;

  constructor(server: ServerProcess) {
    this.#server = server;
  }

  get size(): number {
    return this.#seats.length;
  }

  get viewers(): ViewerClient[] {
    return this.#seats.map(({ viewer }) => viewer);
  }

  /** Seats `count` more, round the rooms and codecs, and waits for their welcomes. */
  async seat(rooms: readonly string[], count: number, query = ''): Promise<void> {
    const seated = Array.from({ length: count }, (_, i) => this.#sit(rooms[i % rooms.length] ?? '', i, query));
    this.#seats.push(...seated);
    await Promise.all(
      seated.map(async (seat) => {
        const welcome = await seat.viewer.welcome();
        seat.from = query === '' ? Number(welcome.seq) : 0;
      }),
    );
  }

  /** The next `count` seats leave and come back at once, resuming after what they heard last. */
  async shuffle(count: number): Promise<void> {
    const moving = Array.from({ length: Math.min(count, this.#seats.length) }, () => {
      this.#next += 1;
      return this.#seats[this.#next % this.#seats.length] as Seat;
    });
    await Promise.all(moving.map((seat) => this.resume(seat)));
  }

  /** Whoever has lost the link comes back; gives how many did. */
  async resumeLost(): Promise<number> {
    const lost = this.#seats.filter(({ viewer }) => viewer.socket.readyState > viewer.socket.OPEN);
    await Promise.all(lost.map((seat) => this.resume(seat)));
    return lost.length;
  }

  /** Comes back as a real client would: where nobody answers, because a shard has just gone, it tries again. */
  async resume(seat: Seat): Promise<void> {
    await seat.viewer.close();
    const { viewer } = seat;
    seat.heard.push(...viewer.comments);
    seat.faults.push(...viewer.faults);
    for (let tries = 0; ; tries += 1) {
      seat.viewer = this.#connect(seat.room, seat.codec, `?since=${viewer.seq}`);
      try {
        await seat.viewer.welcome();
        return;
      } catch (error) {
        if (tries === 100) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  /** Waits until every seat has heard its room's last batch. */
  async caughtUp(deadline = 20_000): Promise<void> {
    const newest = await this.#newest();
    await Promise.all(
      this.#seats.map(({ viewer, room }) => viewer.until(() => viewer.seq >= (newest.get(room) ?? 0), deadline)),
    );
  }

  /** Everything that is wrong with what the seats heard, as sentences; empty when each heard all, once, in order. */
  async findFaults(): Promise<string[]> {
    const faults: string[] = [];
    const logs = new Map<string, Comment[]>();
    for (const seat of this.#seats) {
      const log = logs.get(seat.room) ?? (await readLog(this.#server, seat.room));
      logs.set(seat.room, log);
      const expected = log.filter(({ id }) => Number(id.split('.')[0]) > seat.from);
      const heard = [...seat.heard, ...seat.viewer.comments];
      const name = `${seat.room} on ${seat.codec}`;
      faults.push(...[...seat.faults, ...seat.viewer.faults].map((fault) => `${name}: ${fault}`));
      if (heard.length !== expected.length) faults.push(`${name}: heard ${heard.length} of ${expected.length}`);
      const odd = expected.findIndex((comment, i) => !isSame(comment, heard[i]));
      if (odd !== -1) faults.push(`${name}: ${JSON.stringify(heard[odd])} for ${JSON.stringify(expected[odd])}`);
    }
    return faults;
  }

  async leave(): Promise<void> {
    await Promise.all(this.#seats.map(({ viewer }) => viewer.close()));
  }

  #sit(room: string, i: number, query: string): Seat {
    const codec = CODECS[i % CODECS.length] ?? 'json';
    return { room, codec, viewer: this.#connect(room, codec, query), from: 0, heard: [], faults: [] };
  }

  #connect(room: string, codec: CodecName, query: string): ViewerClient {
    return new ViewerClient(this.#server.viewerUrl, room, { codec, query });
  }

  async #newest(): Promise<Map<string, number>> {
    const newest = new Map<string, number>();
    for (const { room } of this.#seats) {
      if (newest.has(room)) continue;
      const answer = (await (await fetch(`${this.#server.apiUrl}/rooms/${room}`)).json()) as { seq: number };
      newest.set(room, answer.seq);
    }
    return newest;
  }
}

/** The comments themselves; times are relative to a message, whose batches may be put together differently. */
function isSame(one: Comment, other: Comment | undefined): boolean {
  return JSON.stringify({ ...one, at: 0 }) === JSON.stringify({ ...other, at: 0 });
}

/** A room's whole log over HTTP. */
async function readLog(server: ServerProcess, room: string): Promise<Comment[]> {
  const log: Comment[] = [];
  let since = '0';
  for (;;) {
    const url = `${server.apiUrl}/rooms/${room}/comments?limit=1000&since=${since}`;
    const page = (await (await fetch(url)).json()) as { comments: Comment[]; next: string; more: boolean };
    log.push(...page.comments);
    if (!page.more) return log;
    since = page.next;
  }
}
