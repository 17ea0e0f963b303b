import type { SentComment } from './load-plan.ts';

const PREFIX = Buffer.from('{"type":"comment","ref":"');
/** FIN and text. */
const TEXT_FRAME = 0x81;
const MASKED = 0x80;
/** A header of up to 65,535 bytes, a ref and its quotes: what is added to a comment's own bytes. */
const MOST_ADDED = 8 + PREFIX.length + 20;

/** Comments as WebSocket frames. All but the ref is encoded once; the mask is zeros, so that nothing is masked. */
export class CommentFrames {
  /** What follows the ref. */
  readonly #tails: readonly Buffer[];
  /** Most bytes that a frame takes. */
  readonly longest: number;

  /** @param comments at least one */
  constructor(comments: readonly SentComment[]) {
    this.#tails = comments.map(({ text, mode, color, size }) => {
      return Buffer.from(`",${JSON.stringify({ text, mode, color, size }).slice(1)}`);
    });
    this.longest = MOST_ADDED + Math.max(...this.#tails.map(({ length }) => length));
  }

  /**
   * Writes comment `number` (they are taken over and over) to `into[at, …)`; gives where the frame ends.
   * @param ref a whole number, 0 or more
   */
  write(into: Buffer, at: number, number: number, ref: number): number {
    const tail = this.#tails[number % this.#tails.length] as Buffer;
    const digits = String(ref);
    const length = PREFIX.length + digits.length + tail.length;
    let end = writeHeader(into, at, TEXT_FRAME, length);
    end += PREFIX.copy(into, end);
    end += into.write(digits, end, 'latin1');
    end += tail.copy(into, end);
    return end;
  }
}

/** A client's frame with a payload that is not masked; for control messages, hello, pong and close. */
export function clientFrame(first: number, payload: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(8 + payload.length);
  const start = writeHeader(frame, 0, first, payload.length);
  return frame.subarray(0, start + payload.copy(frame, start));
}

/** Gives where the payload begins. */
function writeHeader(into: Buffer, at: number, first: number, length: number): number {
  if (length > 0xffff) throw new RangeError(`a message of ${length} bytes is longer than any server takes`);
  into[at] = first;
  let end = at + 2;
  if (length < 126) {
    into[at + 1] = MASKED | length;
  } else {
    into[at + 1] = MASKED | 126;
    end = into.writeUInt16BE(length, end);
  }
  return into.writeUInt32BE(0, end);
}
