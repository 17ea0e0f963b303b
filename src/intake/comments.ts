import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { REFUSALS, type Refusal, type RefusalCode, refusalOf, VolleyError } from '../codes.ts';
import { type Draft, isRoomName } from '../comment.ts';
import { checkComment, describeTextRefusal } from '../comment-check.ts';
import { parseCommentId } from '../comment-id.ts';
import { countRefused, type MainCounters } from '../counters.ts';
import { sendRefusal } from '../problem.ts';
import type { Origin } from '../rooms/room.ts';
import type { Rooms } from '../rooms/rooms.ts';
import type { Store } from '../store/store.ts';
import type { TurnQueue } from '../turn-queue.ts';
import { discardBodies } from './body.ts';
import { parseComments } from './comment-list.ts';

/** Most comments in one request. */
const MOST_COMMENTS = 1_000;

export interface CommentRoutesOptions {
  readonly rooms: Rooms;
  readonly counters: MainCounters;
  readonly maxText: number;
  /** Shared by all bodies that take more than one turn of the loop. */
  readonly bodyTurns: TurnQueue;
}

type PostRequest = FastifyRequest<{
  Params: { room: string };
  Querystring: { wait?: string | string[] };
  Body: Buffer | undefined;
}>;

/** `POST /rooms/:room/comments`: each comment of the body stands alone, in order. */
export function serveCommentIntake(app: FastifyInstance, options: CommentRoutesOptions): void {
  app.post('/rooms/:room/comments', async (request: PostRequest, reply) => {
    const comments = await readComments(request, options);
    if (typeof comments === 'string') {
      countRefused(options.counters, comments);
      return sendRefusal(reply, { code: comments });
    }
    const stored = request.query.wait === 'stored';
    const posting = new Posting(comments.length);
    takeIn(request.params.room, comments, posting, options, stored);
    if (stored) await posting.settled();
    const { accepted, refused } = posting;
    if (accepted === 0) {
      return sendRefusal(reply, posting.firstRefusal, { accepted, refused });
    }
    reply.code(stored ? 201 : 202);
    return stored ? { accepted, refused, ids: posting.ids } : { accepted, refused };
  });
}

async function readComments(
  { params, query, body }: PostRequest,
  { maxText, bodyTurns: turns }: CommentRoutesOptions,
): Promise<readonly (Draft | Refusal)[] | RefusalCode> {
  if (!isRoomName(params.room)) return 'ROOM_NAME_INVALID';
  if (query.wait !== undefined && query.wait !== 'stored') return 'WAIT_INVALID';
  if (body === undefined) return 'NOT_JSON';
  return parseComments(body, (value) => readDraft(value, maxText), { most: MOST_COMMENTS, maxText, turns });
}

/** One comment as it was sent: its draft, or why there is none. */
export function readDraft(comment: unknown, maxText: number): Draft | Refusal {
  const draft = checkComment(comment, maxText, 'full');
  if (typeof draft !== 'string') return draft;
  if (draft !== 'TEXT_INVALID') return { code: draft };
  return { code: draft, message: describeTextRefusal((comment as { text?: unknown }).text, maxText) };
}

/**
 * Offers each of `comments` to the room, whose name is valid, and tells `posting` what became of it; with `stored`, also
 * what the store said later. Refusals are counted, those of `comments` among them.
 */
export function takeIn(
  room: string,
  comments: readonly (Draft | Refusal)[],
  posting: Posting,
  { rooms, counters }: CommentRoutesOptions,
  stored: boolean,
): void {
  for (const [index, draft] of comments.entries()) {
    const refusal = 'code' in draft ? draft : rooms.offer(room, draft, stored ? posting : null, index);
    if (refusal === undefined) {
      counters.commentsHttp += 1;
      posting.take();
    } else {
      countRefused(counters, refusal.code);
      posting.refuse(index, refusal);
    }
  }
}

/** One request's comments: what was accepted, refused and, where the request waits, stored. */
export class Posting implements Origin {
  accepted = 0;
  readonly ids: (string | null)[];
  readonly #refusals = new Map<number, Refusal>();
  /** Accepted and not yet stored or failed. */
  #open = 0;
  #settle: () => void = () => undefined;

  constructor(count: number) {
    this.ids = new Array<string | null>(count).fill(null);
  }

  take(): void {
    this.accepted += 1;
    this.#open += 1;
  }

  refuse(index: number, refusal: Refusal): void {
    this.#refusals.set(index, refusal);
  }

  get refused(): { index: number; code: RefusalCode }[] {
    return [...this.#refusals]
      .map(([index, { code }]) => ({ index, code }))
      .sort((one, other) => one.index - other.index);
  }

  /** Only there when something was refused. */
  get firstRefusal(): Refusal {
    const first = this.refused[0];
    return (first && this.#refusals.get(first.index)) ?? { code: 'INTERNAL' };
  }

  /** Resolves when every accepted comment is stored or has failed. */
  settled(): Promise<void> {
    if (this.#open === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  stored(index: number, seq: number, place: number): void {
    this.ids[index] = `${seq}.${place}`;
    this.#close();
  }

  failed(index: number, code: RefusalCode): void {
    this.#refusals.set(index, { code });
    this.accepted -= 1;
    this.#close();
  }

  #close(): void {
    this.#open -= 1;
    if (this.#open === 0) this.#settle();
  }
}

type RecallRequest = FastifyRequest<{ Params: { room: string; id: string } }>;

interface RecallOptions {
  readonly store: Store;
  readonly counters: MainCounters;
  readonly logger: Logger;
}

/**
 * `DELETE /rooms/:room/comments/:id`: takes a comment out of the store, then off the viewers' screens. Answered once
 * nothing that is read from now on has it; the store tells the rooms, and viewers hear of it with the next push.
 *
 * A refusal of the store is logged once, and again after a recall that succeeded. Otherwise moderators who take back a
 * spammer's comments would fill a full disk further, with the log.
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
