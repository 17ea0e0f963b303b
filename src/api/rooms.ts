import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type Clock, systemClock } from '../clock.ts';
import type { RefusalCode } from '../codes.ts';
import { isRoomName } from '../comment.ts';
import { parseWhole } from '../number-check.ts';
import { sendRefusal } from '../problem.ts';
import type { Rooms } from '../rooms/rooms.ts';
import type { Store } from '../store/store.ts';
import { describeRoom, RoomList, type RoomPlace } from './room-list.ts';

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
