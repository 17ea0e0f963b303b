import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { isRoomName } from '../comment.ts';
import { parseCommentId } from '../comment-id.ts';
import type { Tally } from '../metrics/tally.ts';
import type { Rooms } from '../rooms/rooms.ts';
import type { Store } from '../store/store.ts';
import { discardBodies } from './http-body.ts';
import { sendRefusal } from './http-refusal.ts';

type RecallRequest = FastifyRequest<{ Params: { room: string; id: string } }>;

/**
 * `DELETE /rooms/:room/comments/:id`: takes a comment out of the store, then off the viewers' screens. Answered once
 * nothing that is read from now on has it; viewers hear of it with the room's next push.
 */
export function serveRecall(app: FastifyInstance, rooms: Rooms, store: Store, tally: Tally): void {
  const recall = async (request: RecallRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const { room, id } = request.params;
    if (!isRoomName(room)) return sendRefusal(reply, { code: 'ROOM_NAME_INVALID' });
    const at = parseCommentId(id);
    if (at === null) return sendRefusal(reply, { code: 'ID_INVALID' });
    const found = await store.recall(room, at.seq, at.place);
    if (!found) return sendRefusal(reply, { code: 'COMMENT_NOT_FOUND' });
    tally.commentsRecalled += 1;
    rooms.recalled(room, id);
    return reply.code(204).send();
  };
  // A scope of its own: no body is wanted, so what type one is said to have is all the same.
  app.register(async (scope) => {
    discardBodies(scope);
    scope.delete('/rooms/:room/comments/:id', recall);
  });
}
