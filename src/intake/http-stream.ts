import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Logger } from 'pino';
import { sendRefusal } from './http-refusal.ts';

/** Bytes of an answer that wait in memory for the client, beside what its socket takes. */
const STREAM_BYTES = 65_536;

/** Answers that are written as they are made, and how they end when the server does. */
export class LongAnswers {
  readonly #open = new Set<Readable>();
  readonly #logger: Logger;
  #isClosing = false;

  constructor(app: FastifyInstance, logger: Logger) {
    this.#logger = logger;
    // A client that reads slowly, or not at all, must not hold up the end of the server.
    app.addHook('preClose', async () => {
      this.#isClosing = true;
      for (const stream of this.#open) stream.destroy();
    });
  }

  /**
   * Answers with `chunks`. The first is made before the answer begins: its fault is thrown, to be answered with a
   * status. A later fault cuts the connection, so that nobody takes it for the end, and is logged; a client that goes
   * away ends `chunks`.
   */
  async send(
    reply: FastifyReply,
    contentType: string,
    chunks: AsyncGenerator<string, undefined>,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<FastifyReply> {
    const first = await chunks.next();
    if (this.#isClosing) {
      await chunks.return(undefined);
      return sendRefusal(reply, { code: 'SHUTTING_DOWN' });
    }
    const { url } = reply.request;
    const onFault = (error: unknown): void => this.#logger.error({ url, err: error }, 'an answer was cut off');
    const stream = Readable.from(streamChunks(first, chunks, onFault), {
      objectMode: false,
      highWaterMark: STREAM_BYTES,
    });
    this.#open.add(stream);
    stream.once('close', () => this.#open.delete(stream));
    return reply.headers(headers).type(contentType).send(stream);
  }
}

async function* streamChunks(
  first: IteratorResult<string, undefined>,
  rest: AsyncGenerator<string, undefined>,
  onFault: (error: unknown) => void,
): AsyncGenerator<string, undefined> {
  let next = first;
  try {
    while (!next.done) {
      yield next.value;
      next = await rest.next().catch((error: unknown) => {
        onFault(error);
        throw error;
      });
    }
  } finally {
    await rest.return(undefined);
  }
}
