/** The WebSocket protocol by hand: the handshake, a client's frames, and a server's frames out of a stream of reads. */

const HEAD_ENDS = '\r\n\r\n';
/** A longer head is no HTTP. */
const MOST_HEAD = 16_384;
const MOST_BODY = 4_096;

/** The upgrade request; '' asks for no subprotocol or no extensions. */
export function upgradeRequest(path: string, host: string, subprotocol: string, extensions = ''): string {
  const lines = [
    `GET ${path} HTTP/1.1`,
    `Host: ${host}`,
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version: 13',
  ];
  if (subprotocol !== '') lines.push(`Sec-WebSocket-Protocol: ${subprotocol}`);
  if (extensions !== '') lines.push(`Sec-WebSocket-Extensions: ${extensions}`);
  return `${lines.join('\r\n')}${HEAD_ENDS}`;
}

export type HandshakeAnswer =
  | { readonly kind: 'more' }
  | { readonly kind: 'upgraded'; readonly bytes: Buffer; readonly start: number; readonly end: number }
  | { readonly kind: 'refused'; readonly why: string };

/** Reads the answer, which may come in pieces and be followed by frames in the same read. */
export class HandshakeReader {
  readonly #subprotocol: string;
  #kept: Buffer | null = null;

  constructor(subprotocol: string) {
    this.#subprotocol = subprotocol;
  }

  /** Reads `bytes[0, length)`, which follows what was read before. The caller may use the buffer again. */
  read(bytes: Buffer, length: number): HandshakeAnswer {
    const part = bytes.subarray(0, length);
    const all: Buffer = this.#kept === null ? part : Buffer.concat([this.#kept, part]);
    const headEnd = all.indexOf(HEAD_ENDS);
    if (headEnd === -1 && all.length > MOST_HEAD) {
      return { kind: 'refused', why: 'sent something that is no HTTP answer' };
    }
    const head = all.toString('latin1', 0, Math.max(0, headEnd));
    const start = headEnd + HEAD_ENDS.length;
    if (/^HTTP\/1\.1 101 /.test(head)) {
      const agreed = /\r\nsec-websocket-protocol: *([^\r]*?) *(?:\r|$)/i.exec(head)?.[1] ?? '';
      if (agreed === this.#subprotocol) return { kind: 'upgraded', bytes: all, start, end: all.length };
      return { kind: 'refused', why: `agreed to the subprotocol '${agreed}', asked for '${this.#subprotocol}'` };
    }
    const body = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? MOST_BODY);
    if (headEnd !== -1 && all.length - start >= Math.min(body, MOST_BODY)) {
      return { kind: 'refused', why: describeRefusal(all) };
    }
    this.#kept = Buffer.from(all);
    return { kind: 'more' };
  }

  describeRest(): string | undefined {
    return this.#kept === null ? undefined : describeRefusal(this.#kept);
  }
}

/** `answered HTTP 400 Bad Request: {"code":…}`. */
function describeRefusal(answer: Buffer): string {
  const text = answer.toString('utf8', 0, MOST_HEAD);
  const status = /^HTTP\/1\.[01] (\d{3}[^\r\n]*)/.exec(text)?.[1]?.trim();
  if (status === undefined) return `answered what is no HTTP: ${JSON.stringify(text.slice(0, 100))}`;
  const [, ...body] = text.split(HEAD_ENDS);
  const said = body.join(HEAD_ENDS).trim().slice(0, 500);
  return `answered HTTP ${status}${said === '' ? '' : `: ${said}`}`;
}

/** The parts of a frame's first byte. */
export const FIN = 0x80;
export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
export const CONTROL = 0x08;

const MASKED = 0x80;

/** Writes the header of a client's frame to `into[at, …)`; returns where the payload begins. The mask is zeros. */
export function writeHeader(into: Buffer, at: number, opcode: number, length: number): number {
  if (length > 0xffff) throw new RangeError(`a message of ${length} bytes is longer than any server takes`);
  into[at] = FIN | opcode;
  into[at + 1] = MASKED | Math.min(length, 126);
  const end = length < 126 ? at + 2 : into.writeUInt16BE(length, at + 2);
  return into.writeUInt32BE(0, end);
}

export function clientFrame(opcode: number, payload: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(8 + payload.length);
  const start = writeHeader(frame, 0, opcode, payload.length);
  return frame.subarray(0, start + payload.copy(frame, start));
}

/** A server's frame above this is taken for a broken stream. */
const MOST_PAYLOAD = 256 * 1024 * 1024;

/** Reads the frames of one connection. Bytes belong to the parser and are valid during the call only. */
export interface FrameReader {
  onFrame(first: number, bytes: Buffer, start: number, end: number): void;
  /** What came is not a server's WebSocket frame; nothing after it is read. */
  onBroken(why: string): void;
}

const SHORTEST_HEADER = 2;

/**
 * The frames of one connection. A read usually holds whole frames: they are handed on where they lie, without a copy.
 * What is left of a read is kept until the whole frame is there.
 */
export class FrameParser {
  readonly #reader: FrameReader;
  #parts: Buffer[] = [];
  #have = 0;
  #need = 0;
  #isBroken = false;

  constructor(reader: FrameReader) {
    this.#reader = reader;
  }

  parse(bytes: Buffer, from: number, to: number): void {
    if (this.#parts.length === 0) {
      this.#take(bytes, from, to);
      return;
    }
    const part = bytes.subarray(from, to);
    this.#parts.push(Buffer.from(part));
    this.#have += part.length;
    if (this.#have < this.#need) return;
    const whole = Buffer.concat(this.#parts.splice(0));
    this.#take(whole, 0, whole.length);
  }

  #take(bytes: Buffer, from: number, to: number): void {
    for (let at = from; at < to && !this.#isBroken; ) {
      const header = at + 1 < to ? headerLength(bytes[at + 1] as number) : SHORTEST_HEADER;
      const start = at + header;
      const length = start > to ? 0 : payloadLength(bytes, at, header);
      if (length < 0) {
        this.#isBroken = true;
        this.#reader.onBroken('a frame with a mask, or of more than 256 MB');
        return;
      }
      const end = start + length;
      if (end > to) {
        this.#parts = [Buffer.from(bytes.subarray(at, to))];
        this.#have = to - at;
        this.#need = end - at;
        return;
      }
      this.#reader.onFrame(bytes[at] as number, bytes, start, end);
      at = end;
    }
  }
}

function headerLength(second: number): number {
  const length = second & 0x7f;
  if (length < 126) return SHORTEST_HEADER;
  return length === 126 ? 4 : 10;
}

/** Bytes of the payload whose header, of `header` bytes, begins at `at`; -1 for what no server sends. */
function payloadLength(bytes: Buffer, at: number, header: number): number {
  const second = bytes[at + 1] as number;
  if (second > 0x7f) return -1;
  if (header === SHORTEST_HEADER) return second;
  if (header === 4) return bytes.readUInt16BE(at + 2);
  const length = bytes.readUInt32BE(at + 2) * 2 ** 32 + bytes.readUInt32BE(at + 6);
  return length > MOST_PAYLOAD ? -1 : length;
}
