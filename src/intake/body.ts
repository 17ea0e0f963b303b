import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Refusal, RefusalCode } from '../codes.ts';
import type { MainCounters } from '../counters.ts';

/** Bytes that all unfinished bodies may take together, or four bodies of the largest size where that is more. */
const MOST_UNFINISHED = 33_554_432;
const LEAST_LARGEST = 4;

/** Bytes of a body that do not count: a client that sends one comment is not refused because others send much and slowly. */
const FREE_BYTES = 16_384;

/** Room for a body of unknown length. Any body is given twice as much whenever it is full. */
const FIRST_BYTES = 1_024;

const BUSY: Refusal = { code: 'BUSY', retryAfterMs: 1_000 };

/** Thrown while a body is read, to be answered with its refusal on a connection that is closed then. */
export class BodyRefused extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.code);
    this.refusal = refusal;
  }
}

export interface BodyOptions {
  readonly counters: MainCounters;
  /** Most bytes of a body. */
  readonly maxBody: number;
}

/** Gives the bytes of `application/json` bodies as `request.body`; every other type is refused 415 by fastify. */
export function readJsonBodies(app: FastifyInstance, options: BodyOptions): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', (request: FastifyRequest, payload: NodeJS.ReadableStream) =>
    gatherBytes(request, payload, options),
  );
}

/** Lets requests have any body of any type, which nobody keeps. */
export function discardBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, payload, done) => {
    payload.resume();
    done(null);
  });
}

/**
 * The bytes of a body once it is whole. What comes is copied into memory of our own: a client that sends single bytes
 * would otherwise have us keep an object for each.
 */
function gatherBytes(
  { headers }: FastifyRequest,
  payload: NodeJS.ReadableStream,
  { counters, maxBody }: BodyOptions,
): Promise<Buffer> {
  const most = Math.max(MOST_UNFINISHED, LEAST_LARGEST * maxBody);
  const said = Number(headers['content-length'] ?? Math.min(maxBody, FIRST_BYTES));
  return new Promise((resolve, reject) => {
    if (said > maxBody) throw new BodyRefused({ code: 'TOO_LARGE' });
    // Refused before any of it is read.
    if (said > FREE_BYTES && counters.apiBodyBytes + said > most) throw new BodyRefused(BUSY);
    let bytes = Buffer.allocUnsafeSlow(Math.min(said, FREE_BYTES));
    let length = 0;
    counters.apiBodyBytes += bytes.length;
    const end = (error?: Error): void => {
      payload.off('data', take).off('end', finish).off('error', cutShort).off('close', cutShort);
      counters.apiBodyBytes -= bytes.length;
      if (error === undefined) resolve(bytes.subarray(0, length));
      else reject(error);
    };
    const finish = (): void => end();
    const cutShort = (): void => end(new BodyRefused({ code: 'BAD_REQUEST' }));
    const take = (chunk: Buffer): void => {
      const needed = length + chunk.length;
      if (needed > maxBody) {
        end(new BodyRefused({ code: 'TOO_LARGE' }));
        return;
      }
      const size = needed <= bytes.length ? bytes.length : Math.min(maxBody, Math.max(needed, 2 * bytes.length));
      if (size > bytes.length) {
        if (size > FREE_BYTES && counters.apiBodyBytes + size - bytes.length > most) {
          end(new BodyRefused(BUSY));
          return;
        }
        counters.apiBodyBytes += size - bytes.length;
        const longer = Buffer.allocUnsafeSlow(size);
        bytes.copy(longer, 0, 0, length);
        bytes = longer;
      }
      chunk.copy(bytes, length);
      length = needed;
    };
    payload.on('data', take).on('end', finish).on('error', cutShort).on('close', cutShort);
  });
}

/** A body that is one JSON value, or why it is none. */
export type JsonValue = { readonly value: unknown } | { readonly refused: RefusalCode };

const decoder = new TextDecoder('utf-8', { fatal: true });

export function parseJson(bytes: Uint8Array): JsonValue {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return { refused: 'NOT_UTF8' };
    throw error;
  }
  try {
    return { value: JSON.parse(text) as unknown };
  } catch (error) {
    if (error instanceof SyntaxError) return { refused: 'NOT_JSON' };
    throw error;
  }
}
