import type { FastifyInstance } from 'fastify';
import type { RefusalCode } from '../codes.ts';

/** What became of a request's body. */
export type Body = { readonly value: unknown } | { readonly refused: RefusalCode };

const decoder = new TextDecoder('utf-8', { fatal: true });

/** Reads `application/json` bodies as {@link Body}; every other type is refused 415 by fastify. */
export function readJsonBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, bytes, done) => {
    done(null, parseBody(bytes as Buffer));
  });
}

/** Lets requests have any body of any type, which nobody keeps. */
export function discardBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, payload, done) => {
    payload.resume();
    done(null);
  });
}

function parseBody(bytes: Buffer): Body {
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
