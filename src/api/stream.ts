import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Logger } from 'pino';
import { type Clock, systemClock } from '../clock.ts';
import { isGone, sendRefusal } from '../problem.ts';

/** Bytes a second that a client must take in the long run: a quarter of what a slow phone reads. */
export const LEAST_PACE = 16_384;

interface PaceLimits {
  /** Bytes a second that a client must take in the long run. */
  readonly leastPace: number;
  /** Bytes by which it may be behind that at most; no less than any socket's stride. */
  readonly mostBehind: number;
}

/**
 * Tells whether a client takes its answer too slowly, from looks at the bytes that its socket has taken. A socket takes
 * them in strides, a large part of what the system keeps for a connection at once and then nothing until as much is
 * free, so that nothing taken for a while says little. What counts is how far a client is behind the least pace, since
 * whenever it last was not:
 *
 * - one that reads steadily at that pace, or faster, is behind by less than a stride, and never too slow;
 * - one that stands still is too slow after `mostBehind / leastPace` seconds;
 * - one that reads steadily at less, `pace`, is so after `(mostBehind + stride) / (leastPace - pace)` seconds at most;
 * - whatever it does, it takes `bytes` that wait for it in `(bytes + mostBehind) / leastPace` seconds, or is too slow.
 */
export class ReadingPace {
  readonly #limits: PaceLimits;
  #taken: number;
  #lookedAt: number;
  #behind = 0;

  constructor(limits: PaceLimits, taken: number, now: number) {
    this.#limits = limits;
    this.#taken = taken;
    this.#lookedAt = now;
  }

  /**
   * Looks, in ms on a clock that only rises; true where the client is too slow. Where nothing `isWaiting` to be taken,
   * it has all there is and is not to blame: the store is slow, or others have their turns.
   */
  look(taken: number, isWaiting: boolean, now: number): boolean {
    const { leastPace, mostBehind } = this.#limits;
    const due = (leastPace * (now - this.#lookedAt)) / 1_000;
    this.#behind = isWaiting ? Math.max(0, this.#behind + due - (taken - this.#taken)) : 0;
    this.#taken = taken;
    this.#lookedAt = now;
    return this.#behind > mostBehind;
  }
}

/** Long answers at once; more are refused `BUSY`. */
export const MOST_LONG_ANSWERS = 64;

/**
 * Bytes by which it may be behind that. Linux keeps up to 4 MB to send for a connection, and takes them in strides of
 * a third of that; with room to spare, this is also four minutes for a phone in a tunnel.
 */
const MOST_BEHIND = 4_194_304;

/** How often is looked, in ms. */
const LOOK_MS = 3_000;

/** When a client that is refused may try again, in ms. */
const RETRY_MS = 1_000;

/** Bytes of an answer that are written at once, and that wait in memory for the client beside what its socket has. */
const STREAM_BYTES = 16_384;

export interface LongAnswersOptions {
  readonly most?: number;
  readonly leastPace?: number;
  readonly clock?: Clock | undefined;
  /** Told of each answer that is cut off because it is read too slowly. */
  readonly onCut?: () => void;
}

/** An answer that is being written. */
interface OpenAnswer {
  readonly stream: Readable;
  readonly reply: FastifyReply;
  readonly pace: ReadingPace;
}

/** Answers that are written as they are made: how many there may be, who is cut off, how they end with the server. */
export class LongAnswers {
  readonly #open = new Set<OpenAnswer>();
  readonly #logger: Logger;
  readonly #most: number;
  readonly #limits: PaceLimits;
  readonly #clock: Clock;
  readonly #onCut: () => void;
  /** With those of which the first chunk is still being made. */
  #count = 0;
  #stopWatching: (() => void) | null = null;
  #isClosing = false;

  constructor(app: FastifyInstance, logger: Logger, options: LongAnswersOptions = {}) {
    this.#logger = logger;
    this.#most = options.most ?? MOST_LONG_ANSWERS;
    this.#limits = { leastPace: options.leastPace ?? LEAST_PACE, mostBehind: MOST_BEHIND };
    this.#clock = options.clock ?? systemClock;
    this.#onCut = options.onCut ?? (() => undefined);
    // A client that reads slowly, or not at all, must not hold up the end of the server.
    app.addHook('preClose', async () => {
      this.#isClosing = true;
      for (const { stream } of this.#open) stream.destroy();
    });
  }

  /**
   * Answers with `chunks`, or with `BUSY` where there are too many already; nothing is made for HEAD. The first is made
   * before the answer begins: its fault is thrown, to be answered with a status. A later fault cuts the connection, so
   * that nobody takes it for the end, and is logged; a client that goes away, or is too slow ({@link ReadingPace}),
   * ends `chunks`.
   */
  async send(
    reply: FastifyReply,
    contentType: string,
    chunks: AsyncGenerator<string, undefined>,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<FastifyReply> {
    if (reply.request.method === 'HEAD') return reply.headers(headers).type(contentType).send(Readable.from([]));
    if (this.#count >= this.#most) return sendRefusal(reply, { code: 'BUSY', retryAfterMs: RETRY_MS });
    this.#count += 1;
    let stream: Readable | null = null;
    try {
      const first = await chunks.next();
      if (this.#isClosing) {
        await chunks.return(undefined);
        return sendRefusal(reply, { code: 'SHUTTING_DOWN' });
      }
      stream = this.#openStream(reply, first, chunks);
    } finally {
      if (stream === null) this.#count -= 1;
    }
    return reply.headers(headers).type(contentType).send(stream);
  }

  #openStream(
    reply: FastifyReply,
    first: IteratorResult<string, undefined>,
    rest: AsyncGenerator<string, undefined>,
  ): Readable {
    const { url } = reply.request;
    const onFault = (error: unknown): void => this.#logger.error({ url, err: error }, 'an answer was cut off');
    const stream = Readable.from(streamChunks(first, rest, onFault), {
      objectMode: false,
      highWaterMark: STREAM_BYTES,
    });
    const answer = { stream, reply, pace: new ReadingPace(this.#limits, bytesTaken(reply), this.#clock.now()) };
    this.#open.add(answer);
    this.#watch();
    stream.once('close', () => {
      this.#open.delete(answer);
      this.#count -= 1;
      if (this.#open.size === 0) this.#unwatch();
    });
    return stream;
  }

  #watch(): void {
    this.#stopWatching ??= this.#clock.after(LOOK_MS, () => {
      this.#stopWatching = null;
      for (const answer of this.#open) this.#check(answer);
      if (this.#open.size > 0) this.#watch();
    });
  }

  #unwatch(): void {
    this.#stopWatching?.();
    this.#stopWatching = null;
  }

  #check({ stream, reply, pace }: OpenAnswer): void {
    const isWaiting = reply.raw.writableLength > 0 || stream.readableLength > 0;
    const isSlow = pace.look(bytesTaken(reply), isWaiting, this.#clock.now());
    // The response that waits in line on a connection is not told when that is gone.
    const gone = isGone(reply);
    if (!gone && !isSlow) return;
    if (!gone) {
      this.#logger.info({ url: reply.request.url }, 'an answer that was read too slowly was cut off');
      this.#onCut();
    }
    stream.destroy();
  }
}

/** Bytes that the system has taken for the client; 0 while others are before it on the same connection. */
function bytesTaken({ raw: { socket } }: FastifyReply): number {
  return socket === null ? 0 : socket.bytesWritten - socket.writableLength;
}

/** Small pieces, so that what a slow client takes is seen to go on. */
async function* streamChunks(
  first: IteratorResult<string, undefined>,
  rest: AsyncGenerator<string, undefined>,
  onFault: (error: unknown) => void,
): AsyncGenerator<Buffer, undefined> {
  let next = first;
  try {
    while (!next.done) {
      // Cut as bytes: a cut in a text may part a pair of surrogates.
      const bytes = Buffer.from(next.value);
      for (let at = 0; at < bytes.length; at += STREAM_BYTES) yield bytes.subarray(at, at + STREAM_BYTES);
      next = await rest.next().catch((error: unknown) => {
        onFault(error);
        throw error;
      });
    }
  } finally {
    await rest.return(undefined);
  }
}
