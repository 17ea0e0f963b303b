/**
 * WebSocket frames out of a stream of reads. The usual read holds whole frames: they are handed on where they lie,
 * without a copy. A frame that is cut across reads is gathered only if its reader needs it whole.
 */
import { HEAD_BYTES, TAIL_BYTES } from './known-frames.ts';

/** A frame over this is taken for a broken stream. */
const MOST_PAYLOAD = 256 * 1024 * 1024;

/** What reads the frames of one connection. Bytes are the parser's: they are good during the call only. */
export interface FrameReader {
  /** A whole frame: its first header byte, and its payload in `bytes[start, end)`. */
  onFrame(first: number, bytes: Buffer, start: number, end: number): void;
  /** Whether the rest of a cut frame of `length` payload bytes is needed, judged by its first HEAD_BYTES. */
  needsWhole(first: number, length: number, head: Buffer): boolean;
  /** A cut frame that was not needed whole: its first HEAD_BYTES and its last TAIL_BYTES. */
  onSkimmed(first: number, length: number, head: Buffer, tail: Buffer): void;
  /** What came is not a server's WebSocket frame; nothing after it is read. */
  onBroken(why: string): void;
}

/** The parser of one connection. */
export class FrameParser {
  readonly #reader: FrameReader;
  #cut: CutFrame | null = null;
  #broken = false;

  constructor(reader: FrameReader) {
    this.#reader = reader;
  }

  /** Reads `bytes[from, to)`, which follows what the last call read. */
  parse(bytes: Buffer, from: number, to: number): void {
    let at = from;
    if (this.#cut !== null) at = this.#resume(this.#cut, bytes, at, to);
    while (at < to && !this.#broken) {
      const header = at + 1 < to ? headerLength(bytes[at + 1] as number) : 0;
      if (header !== 0 && at + header <= to) {
        const start = at + header;
        const length = payloadLength(bytes, at, header);
        if (length < 0) {
          this.#break();
          return;
        }
        if (start + length <= to) {
          this.#reader.onFrame(bytes[at] as number, bytes, start, start + length);
          at = start + length;
          continue;
        }
      }
      at = this.#resume(new CutFrame(), bytes, at, to);
    }
  }

  #resume(cut: CutFrame, bytes: Buffer, from: number, to: number): number {
    if (this.#broken) return to;
    this.#cut = null;
    const at = cut.take(bytes, from, to, this.#reader);
    if (cut.broken) this.#break();
    else if (!cut.done) this.#cut = cut;
    return at;
  }

  #break(): void {
    this.#broken = true;
    this.#reader.onBroken('a frame with a mask, or of more than 256 MB');
  }
}

/** Bytes of a header by its second byte. */
function headerLength(second: number): number {
  const length = second & 0x7f;
  if (length < 126) return 2;
  return length === 126 ? 4 : 10;
}

/** Bytes of the payload whose header, of `header` bytes, begins at `at`; -1 for what no server sends. */
function payloadLength(bytes: Buffer, at: number, header: number): number {
  const second = bytes[at + 1] as number;
  if (second > 0x7f) return -1;
  if (header === 2) return second;
  if (header === 4) return ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
  const length = bytes.readUInt32BE(at + 2) * 2 ** 32 + bytes.readUInt32BE(at + 6);
  return length > MOST_PAYLOAD ? -1 : length;
}

/** A frame of which not all is here. It exists only until the rest has come. */
class CutFrame {
  done = false;
  broken = false;
  readonly #header = Buffer.alloc(10);
  #headerHave = 0;
  #length = -1;
  /** Payload bytes that have come. */
  #have = 0;
  /** The beginning, and all of it where the payload is hardly longer. */
  #head = EMPTY;
  #tail = EMPTY;
  #whole: Buffer | null = null;

  /** Takes what belongs to it; gives where that ended. */
  take(bytes: Buffer, from: number, to: number, reader: FrameReader): number {
    let at = from;
    while (this.#length === -1) {
      if (at === to) return to;
      this.#header[this.#headerHave] = bytes[at] as number;
      this.#headerHave += 1;
      at += 1;
      if (!this.#readHeader()) return to;
    }
    at = this.#takeHead(bytes, at, to, reader);
    const end = Math.min(to, at + this.#length - this.#have);
    if (this.#whole !== null) bytes.copy(this.#whole, this.#have, at, end);
    else this.#takeTail(bytes, at, end);
    this.#have += end - at;
    if (this.#have === this.#length) this.#finish(reader);
    return end;
  }

  /** False for a header that no server sends. */
  #readHeader(): boolean {
    if (this.#headerHave < 2) return true;
    const header = headerLength(this.#header[1] as number);
    if (this.#headerHave < header) return true;
    this.#length = payloadLength(this.#header, 0, header);
    this.broken = this.#length === -1;
    this.#head = Buffer.allocUnsafe(this.#isShort() ? Math.max(0, this.#length) : HEAD_BYTES);
    return !this.broken;
  }

  /** A head and a tail would be the whole payload. */
  #isShort(): boolean {
    return this.#length <= HEAD_BYTES + TAIL_BYTES;
  }

  #takeHead(bytes: Buffer, at: number, to: number, reader: FrameReader): number {
    const missing = this.#head.length - this.#have;
    if (missing <= 0) return at;
    const end = Math.min(to, at + missing);
    bytes.copy(this.#head, this.#have, at, end);
    this.#have += end - at;
    if (this.#have === this.#head.length && !this.#isShort()) {
      if (reader.needsWhole(this.#header[0] as number, this.#length, this.#head)) {
        this.#whole = Buffer.allocUnsafe(this.#length);
        this.#head.copy(this.#whole);
      } else {
        this.#tail = Buffer.allocUnsafe(TAIL_BYTES);
      }
    }
    return end;
  }

  #takeTail(bytes: Buffer, at: number, end: number): void {
    const tailBegins = this.#length - TAIL_BYTES;
    const from = Math.max(at, at + tailBegins - this.#have);
    if (from < end) bytes.copy(this.#tail, this.#have + from - at - tailBegins, from, end);
  }

  #finish(reader: FrameReader): void {
    this.done = true;
    const first = this.#header[0] as number;
    if (this.#whole !== null) reader.onFrame(first, this.#whole, 0, this.#length);
    else if (this.#isShort()) reader.onFrame(first, this.#head, 0, this.#length);
    else reader.onSkimmed(first, this.#length, this.#head, this.#tail);
  }
}

const EMPTY = Buffer.alloc(0);
