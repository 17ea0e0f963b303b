/** The opening handshake of a WebSocket, by hand: RFC 6455 without what a load needs not check. */
import type { LoadPlan } from './load-plan.ts';

const HEAD_ENDS = '\r\n\r\n';
/** A longer head is none. */
const MOST_HEAD = 16_384;
/** What is kept of a refusal's body. */
const MOST_BODY = 4_096;

/** The request, of a plan's subprotocol and extensions. */
export function upgradeRequest(path: string, host: string, plan: Pick<LoadPlan, 'subprotocol' | 'extensions'>): string {
  const lines = [
    `GET ${path} HTTP/1.1`,
    `Host: ${host}`,
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version: 13',
  ];
  if (plan.subprotocol !== '') lines.push(`Sec-WebSocket-Protocol: ${plan.subprotocol}`);
  if (plan.extensions !== '') lines.push(`Sec-WebSocket-Extensions: ${plan.extensions}`);
  return `${lines.join('\r\n')}${HEAD_ENDS}`;
}

export type HandshakeAnswer =
  | { readonly kind: 'more' }
  /** Frames begin at `bytes[start]`. */
  | { readonly kind: 'upgraded'; readonly bytes: Buffer; readonly start: number; readonly end: number }
  | { readonly kind: 'refused'; readonly why: string };

const MORE: HandshakeAnswer = { kind: 'more' };

/** Reads the answer, which may come in pieces and be followed by frames in the same read. */
export class HandshakeReader {
  readonly #subprotocol: string;
  #kept: Buffer | null = null;

  /** @param subprotocol that was offered, '' for none */
  constructor(subprotocol: string) {
    this.#subprotocol = subprotocol;
  }

  /** Reads `bytes[0, length)`, which follows what was read before. Not kept: the caller may use the buffer again. */
  read(bytes: Buffer, length: number): HandshakeAnswer {
    const part = bytes.subarray(0, length);
    const all: Buffer = this.#kept === null ? part : Buffer.concat([this.#kept, part]);
    const headEnd = all.indexOf(HEAD_ENDS);
    if (headEnd === -1) {
      if (all.length > MOST_HEAD) return { kind: 'refused', why: 'sent something that is no HTTP answer' };
      this.#kept = Buffer.from(all);
      return MORE;
    }
    const head = all.toString('latin1', 0, headEnd);
    const start = headEnd + HEAD_ENDS.length;
    if (!/^HTTP\/1\.1 101 /.test(head)) {
      const wanted = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? Number.POSITIVE_INFINITY);
      if (all.length - start < Math.min(wanted, MOST_BODY)) {
        this.#kept = Buffer.from(all);
        return MORE;
      }
      return { kind: 'refused', why: describeRefusal(all) };
    }
    const agreed = /\r\nsec-websocket-protocol: *([^\r]*?) *(?:\r|$)/i.exec(head)?.[1] ?? '';
    if (agreed !== this.#subprotocol) {
      return { kind: 'refused', why: `agreed to the subprotocol '${agreed}', asked for '${this.#subprotocol}'` };
    }
    return { kind: 'upgraded', bytes: all, start, end: all.length };
  }

  /** What an answer that ended too soon says; undefined for none at all. */
  describeRest(): string | undefined {
    return this.#kept === null ? undefined : describeRefusal(this.#kept);
  }
}

/** `answered HTTP 400 Bad Request: {"code":…}`. */
function describeRefusal(answer: Buffer): string {
  const text = answer.toString('utf8', 0, MOST_HEAD);
  const status = /^HTTP\/1\.[01] (\d{3}[^\r\n]*)/.exec(text)?.[1]?.trim();
  if (status === undefined) return `answered what is no HTTP: ${JSON.stringify(text.slice(0, 100))}`;
  const bodyStarts = text.indexOf(HEAD_ENDS);
  const body =
    bodyStarts === -1
      ? ''
      : text
          .slice(bodyStarts + HEAD_ENDS.length)
          .trim()
          .slice(0, 500);
  return `answered HTTP ${status}${body === '' ? '' : `: ${body}`}`;
}
