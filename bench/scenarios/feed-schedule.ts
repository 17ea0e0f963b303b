import { seeded } from '../../src/seeded.ts';

/** One post: the comments of one room that have come due. Times in ms since the beginning of the feed. */
export interface DuePost {
  /** The room's place. */
  readonly room: number;
  /** When it was to be made. */
  readonly at: number;
  /** When each of its comments was due, rising, none above `at`; may be empty. */
  readonly due: readonly number[];
}

/** Any number: two runs post at the same times. */
const SEED = 20_261_123;

/**
 * When comments are due and when they are posted. Each comment has a time of its own, drawn at random within its share
 * of a second, so that over a run they come at every moment of the server's interval alike. A room whose comments are
 * less than a gap apart has one post a gap, at a time drawn at random within it, which takes along what is due by then.
 */
export class FeedSchedule {
  readonly #rooms: number;
  /** ms between two comments of a room. */
  readonly #period: number;
  readonly #gap: number;
  readonly #random = seeded(SEED);
  /** By room: how many of its comments have had their time drawn, and the time of the last of those, not yet posted. */
  readonly #drawn: Float64Array;
  readonly #next: Float64Array;
  #turn = 0;
  /** The posts of this turn, in their order, and how many of them were taken. */
  #posts: { readonly room: number; readonly at: number }[] = [];
  #taken = 0;

  /**
   * @param rate comments a second a room
   * @param gap ms
   */
  constructor(rooms: number, rate: number, gap: number) {
    this.#rooms = rooms;
    this.#period = 1_000 / rate;
    this.#gap = Math.max(gap, this.#period);
    this.#drawn = new Float64Array(rooms);
    this.#next = new Float64Array(rooms);
    for (let room = 0; room < rooms; room += 1) this.#draw(room);
    this.#fillTurn();
  }

  /** When the next post is to be made. */
  get nextAt(): number {
    return this.#posts[this.#taken]?.at ?? 0;
  }

  /** Takes the next post. */
  take(): DuePost {
    const post = this.#posts[this.#taken];
    if (post === undefined) throw new Error('a turn without posts');
    const due: number[] = [];
    for (let at = this.#next[post.room] ?? 0; at <= post.at; at = this.#draw(post.room)) due.push(at);
    this.#taken += 1;
    if (this.#taken === this.#posts.length) this.#fillTurn();
    return { ...post, due };
  }

  /** One post a room and turn. */
  #fillTurn(): void {
    const isSingle = this.#gap === this.#period;
    this.#posts = [];
    for (let room = 0; room < this.#rooms; room += 1) {
      // A comment that goes alone goes when it is due.
      const at = isSingle ? (this.#next[room] ?? 0) : (this.#turn + this.#random()) * this.#gap;
      this.#posts.push({ room, at });
    }
    this.#posts.sort((one, other) => one.at - other.at);
    this.#taken = 0;
    this.#turn += 1;
  }

  #draw(room: number): number {
    const drawn = this.#drawn[room] ?? 0;
    const at = (drawn + this.#random()) * this.#period;
    this.#drawn[room] = drawn + 1;
    this.#next[room] = at;
    return at;
  }
}

/** Posts a second that the bench can make without being the limit. */
const MOST_POSTS = 500;
const LEAST_GAP_MS = 10;
const MOST_GAP_MS = 100;

/** In an interval a room has at most so many posts, as those that wait for the store each hold a socket. */
const MOST_IN_INTERVAL = 200;

/**
 * The ms between two posts to a room: as few as the number of rooms allows, since it counts as latency how long a
 * comment waits for its post; never more than 100 or the server's interval.
 */
export function chooseGap({ rooms, interval }: { rooms: number; interval: number }): number {
  const affordable = Math.max(LEAST_GAP_MS, (rooms * 1_000) / MOST_POSTS, interval / MOST_IN_INTERVAL);
  return Math.min(MOST_GAP_MS, interval, affordable);
}
