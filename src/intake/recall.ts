import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { REFUSALS, refusalOf, VolleyError } from '../codes.ts';
import { isRoomName } from '../comment.ts';
import { parseCommentId } from '../comment-id.ts';
import { countRefused, type MainCounters } from '../counters.ts';
import { sendRefusal } from '../problem.ts';
import type { Store } from '../store/store.ts';
import { discardBodies } from './body.ts';

type RecallRequest = FastifyRequest<{ Params: { room: string; id: string } }>;

export interface RecallOptions {
  readonly store: Store;
  readonly counters: MainCounters;
  readonly logger: Logger;
}

/**
 * `DELETE /rooms/:room/comments/:id`: takes a comment out of the store, then off the viewers' screens. Answered once
 * nothing that is read from now on has it; the store tells the rooms, and viewers hear of it with the next push.
 *
 * What the store refuses is logged once, and again after a recall that succeeded: on a full disk, all who take back what
 * a spammer said would else fill it further with the log.
 */
export function serveRecall(app: FastifyInstance, { store, counters, logger }: RecallOptions): void {
  let isFailing = false;
  const refuse = (reply: FastifyReply, error: unknown): FastifyReply => {
    if (!(error instanceof VolleyError && error.code in REFUSALS)) throw error;
    if (!isFailing) logger.error({ err: error }, 'recalls fail');
    isFailing = true;
    const code = refusalOf(error);
    countRefused(counters, code);
    return sendRefusal(reply, { code });
  };
  const recall = async (request: RecallRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const { room, id } = request.params;
    if (!isRoomName(room)) return sendRefusal(reply, { code: 'ROOM_NAME_INVALID' });
    const at = parseCommentId(id);
    if (at === null) return sendRefusal(reply, { code: 'ID_INVALID' });
    let found: number;
    try {
      found = await store.recall(room, at.seq, [at.place]);
    } catch (error) {
      return refuse(reply, error);
    }
    // Of what is not there nothing was written: that tells nothing.
    if (found === 0) return sendRefusal(reply, { code: 'COMMENT_NOT_FOUND' });
    isFailing = false;
    counters.commentsRecalled += 1;
    return reply.code(204).send();
  };
  // A scope of its own: no body is wanted, so what type one is said to have is all the same.
  app.register(async (scope) => {
    discardBodies(scope);
    scope.delete('/rooms/:room/comments/:id', recall);
  });
}
