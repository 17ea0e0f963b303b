import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Comment, isRoomName } from '../comment.ts';
import { decodeBatch } from '../frames/batch.ts';
import type { Room } from '../rooms/room.ts';
import type { Rooms } from '../rooms/rooms.ts';
import type { Store } from '../store/store.ts';
import { sendRefusal } from './http-refusal.ts';
import { parseWhole } from './number-check.ts';

const DEFAULT_LIMIT = 100;
const MOST_LIMIT = 1_000;

/** Bytes of batches read from the store at a time. */
const READ_BYTES = 262_144;

type RoomRequest = FastifyRequest<{ Params: { room: string } }>;
type ReadRequest = FastifyRequest<{ Params: { room: string }; Querystring: Query }>;

/** What is given twice comes as an array. */
interface Query {
  readonly since?: string | string[];
  readonly limit?: string | string[];
}

/** A comment's place in its room: after the batch `seq`, or after its comment `place`. */
interface Cursor {
  readonly seq: number;
  /** The last comment already read of batch `seq`; null when all of it is. */
  readonly place: number | null;
}

/** `GET /rooms`, `GET /rooms/:room`, `GET /rooms/:room/comments`. */
export function serveRooms(app: FastifyInstance, rooms: Rooms, store: Store): void {
  app.get('/rooms', () => {
    const live = [...rooms.all()].map(describeRoom);
    return { rooms: live.sort((one, other) => other.viewers - one.viewers || (one.room < other.room ? -1 : 1)) };
  });

  app.get('/rooms/:room', (request: RoomRequest, reply) => {
    const { room } = request.params;
    if (!isRoomName(room)) return sendRefusal(reply, { code: 'ROOM_NAME_INVALID' });
    const live = rooms.get(room);
    return live === undefined ? { room, seq: store.lastSeq(room), viewers: 0, pending: 0 } : describeRoom(live);
  });

  app.get('/rooms/:room/comments', (request: ReadRequest, reply) => readComments(request, reply, store));
}

function describeRoom(room: Room): { room: string; seq: number; viewers: number; pending: number } {
  return { room: room.name, seq: room.seq, viewers: room.viewers, pending: room.pending.length };
}

/** A page of what is kept, oldest first. `next` is where the next page begins, for `since`. */
async function readComments(request: ReadRequest, reply: FastifyReply, store: Store): Promise<unknown> {
  const { room } = request.params;
  if (!isRoomName(room)) return sendRefusal(reply, { code: 'ROOM_NAME_INVALID' });
  const { since: from = '0', limit: most = String(DEFAULT_LIMIT) } = request.query;
  const since = typeof from === 'string' ? parseCursor(from) : null;
  if (since === null) return sendRefusal(reply, { code: 'SINCE_INVALID' });
  const limit = typeof most === 'string' ? parseWhole(most) : null;
  if (limit === null || limit < 1 || limit > MOST_LIMIT) return sendRefusal(reply, { code: 'LIMIT_INVALID' });
  const newest = store.lastSeq(room);
  const comments: Comment[] = [];
  let after = since.place === null ? since.seq : since.seq - 1;
  let more = false;
  while (!more && after < newest) {
    const batches = await store.read(room, after, newest, READ_BYTES);
    if (batches.length === 0) break;
    for (const batch of batches) {
      const { at, comments: all } = decodeBatch(batch);
      const seen = batch.seq === since.seq ? (since.place ?? -1) + 1 : 0;
      for (const comment of all.slice(seen)) {
        if (comments.length === limit) more = true;
        else comments.push({ ...comment, at: at + comment.at });
        if (more) break;
      }
      after = batch.seq;
      if (more) break;
    }
  }
  return { room, seq: newest, comments, next: comments.at(-1)?.id ?? from, more };
}

/** `42`: after the batch 42; `42.7`: after its comment 7. */
function parseCursor(text: string): Cursor | null {
  const [first = '', second, ...rest] = text.split('.');
  const seq = parseWhole(first);
  const place = second === undefined ? null : parseWhole(second);
  if (seq === null || rest.length > 0 || (second !== undefined && place === null)) return null;
  return { seq, place };
}
