import { STATUS_CODES } from 'node:http';
import { REFUSALS, type Refusal } from '../codes.ts';

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
