import type { FastifyInstance, LightMyRequestResponse } from 'fastify';
import { pino } from 'pino';
import { expect } from 'vitest';
import { REFUSALS, type RefusalCode } from '../codes.ts';
import type { Store } from '../store/store.ts';
import { createRooms, type RigOptions, type RoomsRig } from '../testing/rooms.ts';
import { createHttpApi, type HttpApiOptions } from './app.ts';

/** What `inject` takes as a query or a body is whatever a client may send. */
type Payload = string | object | Buffer;

/** The HTTP API over real rooms on a clock that stands still. */
export interface HttpRig<S extends Store> extends RoomsRig<S> {
  readonly app: FastifyInstance;
  /** Lines that the API logged. */
  readonly logged: string[];
  /** Sends a body as JSON, or as it is. */
  post(path: string, payload?: Payload, headers?: Record<string, string>): Promise<LightMyRequestResponse>;
  get(path: string): Promise<LightMyRequestResponse>;
  remove(path: string): Promise<LightMyRequestResponse>;
  /** Moves the clock until the answer is there. */
  answered(reply: Promise<LightMyRequestResponse>): Promise<LightMyRequestResponse>;
}

export async function createApi<S extends Store>(
  store: S,
  options: RigOptions & Partial<HttpApiOptions> = {},
): Promise<HttpRig<S>> {
  const rig = await createRooms(store, options);
  const logged: string[] = [];
  const app = await createHttpApi({
    maxBody: 1_048_576,
    maxText: 200,
    corsOrigins: [],
    notReady: () => null,
    metrics: { contentType: 'text/plain', read: async () => 'volley_x 1\n' },
    logger: pino({}, { write: (line: string) => logged.push(line) }),
    ...options,
    clock: rig.clock,
    rooms: rig.rooms,
    store,
    counters: rig.counters,
  });
  return {
    ...rig,
    app,
    logged,
    async post(path, payload, headers = { 'content-type': 'application/json' }) {
      return app.inject({ method: 'POST', url: path, headers, ...(payload === undefined ? {} : { payload }) });
    },
    async get(path) {
      return app.inject({ method: 'GET', url: path });
    },
    async remove(path) {
      return app.inject({ method: 'DELETE', url: path });
    },
    async answered(reply) {
      let open = true;
      const done = (): void => {
        open = false;
      };
      reply.then(done, done);
      for (let i = 0; i < 1_000 && open; i += 1) await rig.clock.advance(10);
      return reply;
    },
  };
}

/** Checks that an answer is the problem document for `code`, and gives it. */
export function expectProblem(answer: LightMyRequestResponse, code: RefusalCode): Record<string, unknown> {
  const problem = answer.json<Record<string, unknown>>();
  const { status, message } = REFUSALS[code];
  expect({ ...problem, http: answer.statusCode }).toMatchObject({ code, status, http: status, detail: message });
  expect(answer.headers['content-type']).toMatch(/^application\/problem\+json\b/);
  return problem;
}
