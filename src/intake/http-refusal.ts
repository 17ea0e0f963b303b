import type { FastifyReply } from 'fastify';
import type { Refusal } from '../codes.ts';
import { describeProblem, PROBLEM_TYPE } from './problem.ts';

/** Answers with a problem document, and Retry-After where trying again can help. */
export function sendRefusal(reply: FastifyReply, refusal: Refusal, members: object = {}): FastifyReply {
  const problem = describeProblem(refusal);
  if (refusal.retryAfterMs !== undefined) reply.header('Retry-After', Math.ceil(refusal.retryAfterMs / 1_000));
  return reply
    .code(problem.status)
    .type(PROBLEM_TYPE)
    .send(JSON.stringify({ ...problem, ...members }));
}
