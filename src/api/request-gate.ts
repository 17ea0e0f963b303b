import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Ends the head of a request, and a body that comes in chunks. */
const BLANK_LINE = Buffer.from('\r\n\r\n');

/**
 * What is parsed in one turn of the loop: of a read, 64 KB, hostile bytes make 16,000 slices, or 11,000 chunks of a body,
 * for each of which Node calls a function.
 */
const TURN_SLICES = 64;
const TURN_CHUNKED_BYTES = 8_192;

/** Bytes that wait here at most: two reads. */
const MOST_HELD = 131_072;

/** Node's own listener for the bytes of a connection. */
type Parse = (bytes: Buffer) => void;

/**
 * Hands the bytes of a connection to Node's parser so that it finds one request at a time, and the next one only when
 * that has its answer:
 *
 *   free ──head parsed──▶ receiving ──body parsed──▶ answering ──answer taken──▶ free
 *
 * In `answering` the socket is not read. Node by itself parses all requests of a read and calls the handler for each of
 * them: 64 KB of `GET /` are 2,600 handlers in one turn of the loop.
 */
export class RequestGate {
  readonly #socket: Socket;
  readonly #parse: Parse;
  readonly #onFlood: () => void;
  #request: IncomingMessage | null = null;
  #isAnswered = true;
  /** Bytes of a body of known length that are still to come. */
  #bodyLeft = 0;
  /** The last bytes parsed, as many as may begin a blank line. */
  #tail: Buffer = Buffer.alloc(0);
  #held: Buffer | null = null;

  /**
   * Takes over from Node's listener: called once Node has seen the connection.
   *
   * @param onFlood told when there is more than the gate can hold, or a request slipped by: the connection is to be cut
   */
  constructor(socket: Socket, onFlood: () => void) {
    const [parse] = socket.listeners('data') as Parse[];
    if (parse === undefined) throw new Error('the HTTP server has no listener for the bytes of its connections');
    this.#socket = socket;
    this.#parse = parse;
    this.#onFlood = onFlood;
    socket.off('data', parse);
    socket.on('data', (bytes: Buffer) => this.#take(bytes));
    // Node resumes it whenever somebody reads the body of a request.
    socket.on('resume', () => {
      if (this.#held !== null) socket.pause();
    });
  }

  /** The parser has found a request. */
  begin(request: IncomingMessage, response: ServerResponse): void {
    if (this.#isBusy()) this.#onFlood();
    this.#request = request;
    this.#isAnswered = false;
    this.#bodyLeft = Number(request.headers['content-length'] ?? 0);
    response.once('close', () => {
      this.#isAnswered = true;
      // In a turn of its own, so that others have theirs between the requests of this connection.
      if (this.#held !== null) setImmediate(() => this.#goOn());
    });
  }

  #isBusy(): boolean {
    return !this.#isAnswered && this.#request?.complete === true;
  }

  /** In the middle of a body whose length is not known. */
  #isInChunks(): boolean {
    return this.#request?.complete === false && this.#request.headers['transfer-encoding'] !== undefined;
  }

  #take(bytes: Buffer): void {
    if (this.#held === null) this.#feed(bytes);
    else this.#hold(Buffer.concat([this.#held, bytes]));
  }

  #feed(bytes: Buffer): void {
    let at = 0;
    for (let slices = 0; at < bytes.length; slices += 1) {
      // Behind a connection's last answer nothing is read.
      if (this.#socket.destroyed || this.#socket.writableEnded) return;
      const isBusy = this.#isBusy();
      const isChunked = this.#isInChunks();
      if (isBusy || slices === TURN_SLICES || (isChunked && at >= TURN_CHUNKED_BYTES)) {
        this.#hold(bytes.subarray(at));
        if (!isBusy) setImmediate(() => this.#goOn());
        return;
      }
      const end = this.#findCut(isChunked ? bytes.subarray(0, at + TURN_CHUNKED_BYTES) : bytes, at);
      this.#parse(bytes.subarray(at, end));
      at = end;
    }
  }

  #hold(bytes: Buffer): void {
    this.#held = bytes;
    this.#socket.pause();
    if (bytes.length > MOST_HELD) this.#onFlood();
  }

  #goOn(): void {
    const bytes = this.#held;
    if (bytes === null || this.#isBusy()) return;
    this.#held = null;
    this.#feed(bytes);
    if (this.#held === null && !this.#socket.destroyed) this.#socket.resume();
  }

  /** Where the slice that begins at `at` ends: with a body of known length, with a blank line, or with `bytes`. */
  #findCut(bytes: Buffer, at: number): number {
    if (this.#bodyLeft > 0) {
      const length = Math.min(this.#bodyLeft, bytes.length - at);
      this.#bodyLeft -= length;
      return at + length;
    }
    const tail = this.#tail;
    const border = tail.length === 0 ? tail : Buffer.concat([tail, bytes.subarray(at, at + BLANK_LINE.length - 1)]);
    const across = border.indexOf(BLANK_LINE);
    const inside = bytes.indexOf(BLANK_LINE, at);
    if (across !== -1 || inside !== -1) {
      this.#tail = tail.subarray(0, 0);
      return BLANK_LINE.length + (across === -1 ? inside : at + across - tail.length);
    }
    const rest = bytes.subarray(Math.max(at, bytes.length - BLANK_LINE.length + 1));
    this.#tail = Buffer.concat([tail, rest]).subarray(-(BLANK_LINE.length - 1));
    return bytes.length;
  }
}
