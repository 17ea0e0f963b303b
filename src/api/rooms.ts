import { setImmediate as nextTurn } from 'node:timers/promises';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type Clock, systemClock } from '../clock.ts';
import type { RefusalCode } from '../codes.ts';
import { isRoomName } from '../comment.ts';
import { parseWhole } from '../comment-id.ts';
import { sendRefusal } from '../problem.ts';
import type { Room } from '../rooms/room.ts';
import type { Rooms } from '../rooms/rooms.ts';
import type { Store } from '../store/store.ts';

/** Rooms in a page at most, and where no limit is given. */
const MOST_ROOMS = 1_000;

type ListRequest = FastifyRequest<{ Querystring: { limit?: string | string[]; after?: string | string[] } }>;
type RoomRequest = FastifyRequest<{ Params: { room: string } }>;

export interface RoomRoutesOptions {
  readonly rooms: Rooms;
  readonly store: Store;
  readonly clock?: Clock | undefined;
}

/** `GET /rooms`, a page of the live rooms, and `GET /rooms/:room`. */
export function serveRooms(app: FastifyInstance, { rooms, store, clock = systemClock }: RoomRoutesOptions): void {
  const list = new RoomList(rooms, clock);

  app.get('/rooms', async (request: ListRequest, reply) => {
    const limit = readLimit(request.query.limit);
    if (limit === null) return sendRefusal(reply, { code: 'LIMIT_INVALID' });
    const after = readAfter(request.query.after);
    if (typeof after === 'string') return sendRefusal(reply, { code: after });
    // One more than the page holds tells whether there is another.
    const found = await list.page(after, limit + 1);
    const page = found.slice(0, limit);
    const last = page.at(-1);
    return { rooms: page, ...(last && found.length > limit ? { next: `${last.viewers}:${last.room}` } : {}) };
  });

  app.get('/rooms/:room', async (request: RoomRequest, reply) => {
    const { room } = request.params;
    if (!isRoomName(room)) return sendRefusal(reply, { code: 'ROOM_NAME_INVALID' });
    const live = rooms.get(room);
    if (live !== undefined && live.phase !== 'opening') return describeRoom(live);
    return { room, seq: (await store.head(room)).seq, viewers: live?.viewers ?? 0, pending: live?.pending.length ?? 0 };
  });
}

function readLimit(text: string | string[] = String(MOST_ROOMS)): number | null {
  const limit = typeof text === 'string' ? parseWhole(text) : null;
  return limit === null || limit < 1 || limit > MOST_ROOMS ? null : limit;
}

/** `12:lobby`: the place in the list behind the room `lobby`, which had 12 viewers. */
function readAfter(text: string | string[] | undefined): RoomPlace | null | RefusalCode {
  if (text === undefined) return null;
  const [, count = '', room = ''] = typeof text === 'string' ? (/^(\d+):(.*)$/s.exec(text) ?? []) : [];
  const viewers = parseWhole(count);
  return viewers === null || !isRoomName(room) ? 'AFTER_INVALID' : { viewers, room };
}

/** How long a list is given out before another is made, in ms: at least, and in times of what making it cost the loop. */
const LEAST_AGE_MS = 1_000;
const AGE_FACTOR = 10;

/** Rooms that are read, or sorted, in one turn of the loop, and rooms that are merged in one: about 1 ms. */
const TURN_SORTED = 2_000;
const TURN_MERGED = 8_000;

/** A room as the API describes it. */
interface RoomRow {
  readonly room: string;
  readonly seq: number;
  readonly viewers: number;
  readonly pending: number;
}

/** What a room's place in the list comes from: the fullest first, rooms with as many viewers by their names. */
type RoomPlace = Pick<RoomRow, 'viewers' | 'room'>;

function describeRoom({ name, seq, viewers, pending }: Room): RoomRow {
  return { room: name, seq, viewers, pending: pending.length };
}

/**
 * All live rooms, the fullest first. Their order is made by turns of the loop when somebody asks, at most once a second
 * and for at most a tenth of the time: 100,000 rooms cost 0.1 s.
 */
export class RoomList {
  readonly #rooms: Pick<Rooms, 'all'>;
  readonly #clock: Clock;
  /** What is given out, null once it is too old. */
  #order: RoomOrder | null = null;
  #making: Promise<RoomOrder> | null = null;

  constructor(rooms: Pick<Rooms, 'all'>, clock: Clock) {
    this.#rooms = rooms;
    this.#clock = clock;
  }

  /** At most `count` rooms behind `after`, from the first where that is null. */
  async page(after: RoomPlace | null, count: number): Promise<RoomRow[]> {
    if (this.#order !== null) return this.#order.page(after, count);
    this.#making ??= this.#make();
    return (await this.#making).page(after, count);
  }

  async #make(): Promise<RoomOrder> {
    const start = this.#clock.now();
    try {
      const order = new RoomOrder();
      await order.read(this.#rooms.all());
      const age = Math.max(LEAST_AGE_MS, AGE_FACTOR * order.cost);
      this.#clock.after(Math.max(0, start + age - this.#clock.now()), () => {
        this.#order = null;
      });
      this.#order = order;
      return order;
    } finally {
      this.#making = null;
    }
  }
}

/** Rooms in the order that they had at one time. Numbers in place of objects: 100,000 of those keep the garbage collector busy. */
class RoomOrder {
  /** What making it has cost the loop, in ms. */
  cost = 0;
  readonly #rooms: Room[] = [];
  /** Of each of the rooms, as they were. */
  readonly #viewers: number[] = [];
  /** The rooms' numbers, in their order. */
  #order = new Uint32Array(0);
  #turnBegan = performance.now();

  async read(rooms: Iterable<Room>): Promise<void> {
    for (const room of rooms) {
      this.#viewers.push(room.viewers);
      if (this.#rooms.push(room) % TURN_SORTED === 0) await this.#nextTurn();
    }
    const size = this.#rooms.length;
    this.#order = new Uint32Array(size);
    for (let number = 0; number < size; number += 1) this.#order[number] = number;
    for (let at = 0; at < size; at += TURN_SORTED) {
      await this.#nextTurn();
      this.#order.subarray(at, at + TURN_SORTED).sort((one, other) => this.#compare(one, other));
    }
    for (let width = TURN_SORTED; width < size; width *= 2) await this.#mergeAll(width);
    await this.#nextTurn();
  }

  page(after: RoomPlace | null, count: number): RoomRow[] {
    const first = after === null ? 0 : this.#findAfter(after);
    const rows: RoomRow[] = [];
    for (const number of this.#order.subarray(first, first + count)) {
      const room = this.#rooms[number];
      // The number of viewers that the order comes from, so that the next page can be told from it.
      if (room !== undefined) rows.push({ ...describeRoom(room), viewers: this.#viewers[number] ?? 0 });
    }
    return rows;
  }

  #placeOf(number: number): RoomPlace {
    return { viewers: this.#viewers[number] ?? 0, room: this.#rooms[number]?.name ?? '' };
  }

  #compare(one: number, other: number): number {
    const fuller = (this.#viewers[other] ?? 0) - (this.#viewers[one] ?? 0);
    return fuller || compareNames(this.#rooms[one]?.name ?? '', this.#rooms[other]?.name ?? '');
  }

  /** Where the first room stands that comes behind `place`, whether there is a room at that place or not. */
  #findAfter(place: RoomPlace): number {
    let low = 0;
    let high = this.#order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const { viewers, room } = this.#placeOf(this.#order[middle] ?? 0);
      if ((place.viewers - viewers || compareNames(room, place.room)) <= 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Merges the sorted runs of `width` rooms, two and two. */
  async #mergeAll(width: number): Promise<void> {
    const from = this.#order;
    const to = new Uint32Array(from.length);
    let end = 0;
    for (let start = 0; start < from.length; start += 2 * width) {
      let one = start;
      let other = Math.min(start + width, from.length);
      const [endOne, endOther] = [other, Math.min(start + 2 * width, from.length)];
      while (one < endOne || other < endOther) {
        const isOne = other === endOther || (one < endOne && this.#compare(from[one] ?? 0, from[other] ?? 0) <= 0);
        to[end] = (isOne ? from[one++] : from[other++]) ?? 0;
        end += 1;
        if (end % TURN_MERGED === 0) await this.#nextTurn();
      }
    }
    this.#order = to;
  }

  async #nextTurn(): Promise<void> {
    this.cost += performance.now() - this.#turnBegan;
    await nextTurn();
    this.#turnBegan = performance.now();
  }
}

function compareNames(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
