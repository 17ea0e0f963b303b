import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyReply } from 'fastify';
import { REFUSALS, type Refusal } from './codes.ts';

export const PROBLEM_TYPE = 'application/problem+json';

/** An error body as RFC 9457 has it, with the member `code` (RFC 9457 section 3.2 allows more members). */
export interface Problem {
  readonly type: 'about:blank';
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly retryAfterMs?: number;
}

export function describeProblem(refusal: Refusal): Problem {
  const { status, message } = REFUSALS[refusal.code];
  const problem = {
    type: 'about:blank' as const,
    title: STATUS_CODES[status] ?? 'Error',
    status,
    code: refusal.code,
    detail: refusal.message ?? message,
  };
  return refusal.retryAfterMs === undefined ? problem : { ...problem, retryAfterMs: refusal.retryAfterMs };
}

/** Answers on a connection on which there is no request that could be answered, and closes it. */
export function writeProblem(socket: Socket, refusal: Refusal, headers: Readonly<Record<string, string>> = {}): void {
  const problem = describeProblem(refusal);
  const body = JSON.stringify(problem);
  const { status, title, retryAfterMs } = problem;
  const retry = retryAfterMs === undefined ? {} : { 'Retry-After': Math.ceil(retryAfterMs / 1_000) };
  const all = {
    'Content-Type': PROBLEM_TYPE,
    'Content-Length': body.length,
    ...headers,
    ...retry,
    Connection: 'close',
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  if (socket.writable)
    socket.end(`HTTP/1.1 ${status} ${title}\r\n${lines.join('')}\r\n${body}`, () => socket.destroy());
  else socket.destroy();
}

/** Answers with a problem document, and Retry-After where trying again can help. */
export function sendRefusal(reply: FastifyReply, refusal: Refusal, members: object = {}): FastifyReply {
  const problem = describeProblem(refusal);
  if (refusal.retryAfterMs !== undefined) reply.header('Retry-After', Math.ceil(refusal.retryAfterMs / 1_000));
  return reply
    .code(problem.status)
    .type(PROBLEM_TYPE)
    .send(JSON.stringify({ ...problem, ...members }));
}

/** Whether nobody can read this answer any more. */
export function isGone({ raw, request }: FastifyReply): boolean {
  return raw.destroyed || request.raw.socket.destroyed;
}
