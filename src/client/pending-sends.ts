import type { Mode } from '../comment.ts';
import type { AckMessage, RefusedMessage } from '../frames/messages.ts';
import { type ClientErrorCode, VolleyClientError } from './client-error.ts';

/** What can be sent; the server checks it. */
export interface OwnComment {
  readonly text: string;
  readonly mode?: Mode | undefined;
  readonly color?: number | undefined;
  readonly size?: number | undefined;
  readonly extra?: string | undefined;
  /** At most 32 code points; ignored where the server takes no names from viewers (`--viewer-names`). */
  readonly name?: string | undefined;
}

/** The store holds the comment. */
export interface Ack {
  /** The id under which every viewer gets it. */
  readonly id: string;
  readonly seq: number;
}

/** The comment was not taken; decide by the code in `refused` (docs/protocol.md lists them). */
export interface Refused {
  readonly refused: string;
  /** For people; may change. */
  readonly message: string;
  /** The same comment may be taken that much later. */
  readonly retryAfterMs?: number;
}

interface Pending {
  readonly size: number;
  readonly resolve: (answer: Ack | Refused) => void;
  readonly reject: (error: VolleyClientError) => void;
}

/** Comments that were sent on this link and not answered yet. */
export class PendingSends {
  readonly #pending = new Map<string, Pending>();

  /** How many there are. */
  get count(): number {
    return this.#pending.size;
  }

  /** Waits for the answer to the message `ref` of `size` bytes. */
  add(ref: string, size: number): Promise<Ack | Refused> {
    return new Promise((resolve, reject) => this.#pending.set(ref, { size, resolve, reject }));
  }

  acknowledge({ ref, id, seq }: AckMessage): void {
    this.#take(ref)?.resolve({ id, seq });
  }

  /** Tells the sender of what was refused; false when it belongs to no comment of ours. */
  refuse({ ref, code, message, retryAfterMs }: RefusedMessage): boolean {
    // What is too large the server does not read, so it cannot say which it was. The largest that waits is surely too
    // large, and all that are will be told the same.
    const pending = this.#take(ref ?? (code === 'TOO_LARGE' ? this.#largest() : undefined));
    const later = retryAfterMs === undefined ? {} : { retryAfterMs };
    pending?.resolve({ refused: code, message, ...later });
    return pending !== undefined;
  }

  /** No answer will come any more. */
  rejectAll(code: ClientErrorCode, detail: string): void {
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of pending) reject(new VolleyClientError(code, detail));
  }

  #take(ref: string | undefined): Pending | undefined {
    if (ref === undefined) return undefined;
    const pending = this.#pending.get(ref);
    this.#pending.delete(ref);
    return pending;
  }

  #largest(): string | undefined {
    let largest: { ref: string; size: number } | undefined;
    for (const [ref, { size }] of this.#pending) {
      if (largest === undefined || size > largest.size) largest = { ref, size };
    }
    return largest?.ref;
  }
}
