import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isRoomName } from '../comment.ts';
import type { Room } from '../rooms/room.ts';
import type { Rooms } from '../rooms/rooms.ts';
import type { Store } from '../store/store.ts';
import { sendRefusal } from './http-refusal.ts';

type RoomRequest = FastifyRequest<{ Params: { room: string } }>;

/** `GET /rooms`, `GET /rooms/:room`. */
export function serveRooms(app: FastifyInstance, rooms: Rooms, store: Store): void {
  app.get('/rooms', () => {
    const live = [...rooms.all()].map(describeRoom);
    return { rooms: live.sort((one, other) => other.viewers - one.viewers || (one.room < other.room ? -1 : 1)) };
  });

  app.get('/rooms/:room', async (request: RoomRequest, reply) => {
    const { room } = request.params;
    if (!isRoomName(room)) return sendRefusal(reply, { code: 'ROOM_NAME_INVALID' });
    const live = rooms.get(room);
    if (live !== undefined && live.phase !== 'opening') return describeRoom(live);
    return { room, seq: (await store.head(room)).seq, viewers: live?.viewers ?? 0, pending: live?.pending.length ?? 0 };
  });
}

function describeRoom(room: Room): { room: string; seq: number; viewers: number; pending: number } {
  return { room: room.name, seq: room.seq, viewers: room.viewers, pending: room.pending.length };
}
