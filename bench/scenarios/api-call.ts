import { BenchError } from '../bench-error.ts';

/** How long an answer may take: a post that waits for the store has up to two intervals to wait. */
const ANSWER_MS = 10_000;

/**
 * Asks the server's API; with comments it posts them.
 * @throws BenchError when no answer comes
 */
export async function callApi(url: string, comments?: unknown): Promise<{ status: number; text: string }> {
  const post = {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(comments),
  };
  try {
    const answer = await fetch(url, {
      ...(comments === undefined ? {} : post),
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    return { status: answer.status, text: await answer.text() };
  } catch (error) {
    const { origin } = new URL(url);
    if (error instanceof Error && error.name === 'TimeoutError') {
      throw new BenchError(`the server's API at ${origin} did not answer within ${ANSWER_MS / 1_000} s`);
    }
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new BenchError(`the server's API at ${origin} cannot be reached (${message || code})`);
  }
}
