/**
 * Why handshakes are refused. A WebSocket tells nothing of that, so the same server is asked over HTTP. A browser shows
 * an answer from another origin only where that allows it (CORS); what is left is whether there is anybody at all.
 */
import type { Clock } from '../clock.ts';

/** As much of the platform's `fetch` as is used. */
export type Fetch = (url: string, options: FetchOptions) => Promise<FetchResponse>;

export interface FetchOptions {
  readonly mode: 'cors' | 'no-cors';
  readonly cache: 'no-store';
  // `never`, since the type of a signal comes with each platform's own types.
  readonly signal: never;
}

export interface FetchResponse {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  text(): Promise<string>;
}

/** What could be learned of handshakes that are refused. */
export interface HandshakeReport {
  /** How many were refused in a row. */
  readonly attempts: number;
  /**
   * `read`: the server answers over HTTP, with this `status`; `hidden`: it answers, but this page may not see what;
   * `none`: nobody answers, or this page may not ask.
   */
  readonly answer: 'read' | 'hidden' | 'none';
  readonly status?: number;
  /** The code of a problem document; docs/protocol.md lists them. */
  readonly code?: string;
  /** For people; may change. */
  readonly message: string;
}

export type HandshakeAnswer = Omit<HandshakeReport, 'attempts'>;

/** A server that has not answered by then is taken for none, ms. */
const PATIENCE_MS = 10_000;

/** Bytes of the largest answer that is read. */
const MOST_BYTES = 4_096;

/**
 * Asks once why handshakes for the WebSocket URL `room` are refused.
 * @param told gets the answer, unless what is given back is called before
 */
export function askWhy(
  room: string,
  fetch: Fetch | undefined,
  clock: Clock,
  told: (answer: HandshakeAnswer) => void,
): () => void {
  const abort = new AbortController();
  let over = false;
  const cancelPatience = clock.after(PATIENCE_MS, () => abort.abort());
  const end = (): void => {
    over = true;
    cancelPatience();
    abort.abort();
  };
  findAnswer(room, async (url, mode) => {
    try {
      return (await fetch?.(url.href, { mode, cache: 'no-store', signal: abort.signal as never })) ?? null;
    } catch {
      // Fetch gives no reason, on purpose: a page is not to learn about networks that are not its own.
      return null;
    }
  }).then((answer) => {
    if (over) return;
    end();
    told(answer);
  });
  return end;
}

/** Null where there is no answer, or none for this page. */
type Get = (url: URL, mode: 'cors' | 'no-cors') => Promise<FetchResponse | null>;

async function findAnswer(room: string, get: Get): Promise<HandshakeAnswer> {
  const url = new URL(room);
  url.protocol = url.protocol.replace('ws', 'http');
  const response = await get(url, 'cors');
  if (response !== null) return readAnswer(url.host, response);
  url.pathname = url.pathname.replace(/rooms\/[^/]*$/, 'healthz');
  url.search = '';
  if ((await get(url, 'no-cors')) === null) {
    return { answer: 'none', message: `nobody answers at ${url.host}, or this page may not ask` };
  }
  return { answer: 'hidden', message: `${url.host} answers, but takes no WebSocket; this page may not see why` };
}

async function readAnswer(host: string, response: FetchResponse): Promise<HandshakeAnswer> {
  const { status, headers } = response;
  const length = headers.get('content-length');
  const isSmall = length !== null && Number(length) <= MOST_BYTES;
  const isJson = /\bjson\b/.test(headers.get('content-type') ?? '');
  const problem = isSmall && isJson ? readProblem(await response.text().catch(() => '')) : {};
  const code = problem.code === undefined ? {} : { code: problem.code };
  return { answer: 'read', status, ...code, message: explain(host, status, problem) };
}

interface Problem {
  readonly code?: string;
  readonly detail?: string;
}

function readProblem(text: string): Problem {
  try {
    const { code, detail } = JSON.parse(text);
    return { ...(typeof code === 'string' && { code }), ...(typeof detail === 'string' && { detail }) };
  } catch {
    // No problem document: the status is what is known.
    return {};
  }
}

function explain(host: string, status: number, { code, detail }: Problem): string {
  if (code === 'UPGRADE_REQUIRED') {
    return `${host} is there and takes WebSockets, but not this one: a proxy before it may not, or the cookies are too large`;
  }
  if (status < 400) return `${host} answers ${status}, so it is no viewers' port`;
  const answer = code === undefined ? `${host} answers ${status}` : `${host} answers ${status} ${code}`;
  return detail === undefined ? answer : `${answer}: ${detail}`;
}
