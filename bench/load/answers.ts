/** Acks, read without parsing JSON: under a flood of comments they come as fast as those are sent. */

const BEGINS = Buffer.from('{"type":"ack","ref":"');
const BETWEEN = Buffer.from('","id":"');
const ENDS = Buffer.from('","seq":');

const ZERO = 0x30;
const DOT = 0x2e;

/** Reads the ack of a comment whose ref is a whole number. One reader serves a thread: it holds what it read last. */
export class AckReader {
  /** The ref as a number. */
  ref = 0;
  /** The batch that holds the comment. */
  seq = 0;
  #at = 0;

  /** Reads `bytes[start, end)`; false for anything but an ack as volley writes it, `{"type":"ack","ref":"1","id":"42.7",…`. */
  read(bytes: Buffer, start: number, end: number): boolean {
    this.#at = start;
    if (!this.#skip(bytes, end, BEGINS)) return false;
    this.ref = this.#readNumber(bytes, end);
    if (this.ref < 0 || !this.#skip(bytes, end, BETWEEN)) return false;
    this.seq = this.#readNumber(bytes, end);
    if (this.seq < 0 || this.#at >= end || bytes[this.#at] !== DOT) return false;
    this.#at += 1;
    return this.#readNumber(bytes, end) >= 0 && this.#skip(bytes, end, ENDS);
  }

  #skip(bytes: Buffer, end: number, text: Buffer): boolean {
    if (this.#at + text.length > end) return false;
    for (let i = 0; i < text.length; i += 1) if (bytes[this.#at + i] !== text[i]) return false;
    this.#at += text.length;
    return true;
  }

  /** -1 where there is no digit. */
  #readNumber(bytes: Buffer, end: number): number {
    const from = this.#at;
    let number = 0;
    while (this.#at < end) {
      const digit = (bytes[this.#at] as number) - ZERO;
      if (digit < 0 || digit > 9) break;
      number = number * 10 + digit;
      this.#at += 1;
    }
    return this.#at === from ? -1 : number;
  }
}

/** What the server says in text besides batches. */
export type ControlMessage =
  | {
      readonly type: 'welcome';
      readonly seq: number;
      readonly reset?: boolean;
      readonly gap?: { readonly from: number; readonly to: number };
    }
  | { readonly type: 'ack'; readonly ref?: string; readonly id: string; readonly seq: number }
  | { readonly type: 'refused'; readonly ref?: string; readonly code: string; readonly retryAfterMs?: number }
  | { readonly type: 'presence' | 'skipped' };

/** Where the first letter of the type stands in every text message of volley. */
export const TYPE_AT = '{"type":"'.length;

export const BATCH_LETTER = 'b'.charCodeAt(0);

/** That letter of the messages that are many. */
export const LETTERS = { ack: 'a'.charCodeAt(0), skipped: 's'.charCodeAt(0), presence: 'p'.charCodeAt(0) } as const;
