/**
 * What has been seen of a room, and what follows from the numbers in a message: a state machine without I/O.
 * docs/protocol.md, "Staying complete", is what it keeps to.
 *
 *   prev = last   nothing is missing
 *   prev > last   the batches after last up to prev are missing: come back with since=last
 *   seq ≤ last    a duplicate
 */
import type { Gap } from '../frames/messages.ts';

/** Where the next link begins, as the query has it: nothing means with what is pushed from now on. */
export interface StartPoint {
  readonly since?: number;
  readonly history?: number;
}

/**
 * What to do with a batch: `take` its comments after batch `after`, and tell of `gap` before; or `drop` it, it was
 * here before; or `resume`, which drops it as well.
 */
export type Verdict =
  | { readonly kind: 'take'; readonly after: number; readonly gap?: Gap }
  | { readonly kind: 'drop' }
  | { readonly kind: 'resume' };

export class ResumeState {
  readonly #history: number;
  /** The last batch that was taken, or that need not be; undefined before there is any. */
  #last: number | undefined;
  /** With history, before its first batch: what the room had when it was first asked. Nothing after may be missing. */
  #floor: number | undefined;
  /** Where `#last` stood when a resume was asked for: if that link has the same hole, it will not be filled. */
  #resumedAt: number | undefined;

  constructor({ since, history }: { since: number | undefined; history: number }) {
    this.#last = since;
    this.#history = history;
  }

  get last(): number | undefined {
    return this.#last;
  }

  start(): StartPoint {
    if (this.#last !== undefined) return { since: this.#last };
    return this.#history > 0 ? { history: this.#history } : {};
  }

  /** Takes the first message of a link; gives back the gap that it tells of. */
  welcome({ seq, reset, gap }: { seq: number; reset?: boolean; gap?: Gap }): Gap | undefined {
    if (this.#last === undefined) {
      if (this.#history === 0) this.#last = seq;
      // A later welcome below the floor is that of a room which has begun anew.
      else this.#floor = Math.min(this.#floor ?? seq, seq);
      return undefined;
    }
    if (reset) {
      this.#last = 0;
      this.#resumedAt = undefined;
    }
    if (gap === undefined || gap.to <= this.#last) return undefined;
    this.#last = gap.to;
    return gap;
  }

  /** Takes the numbers of a batch message. */
  batch({ seq, prev }: { seq: number; prev: number }): Verdict {
    const known = this.#last ?? this.#floor;
    if (this.#last === undefined && (known === undefined || prev <= known)) {
      this.#last = seq;
      return { kind: 'take', after: prev };
    }
    const last = known ?? 0;
    if (seq <= last) return { kind: 'drop' };
    if (prev <= last) {
      this.#last = seq;
      return { kind: 'take', after: last };
    }
    if (this.#mayResume(last)) return { kind: 'resume' };
    this.#last = seq;
    return { kind: 'take', after: prev, gap: { from: last + 1, to: prev } };
  }

  /** Takes the room's newest seq from a presence: `take` where nothing is missing. */
  presence(seq: number): Verdict {
    const last = this.#last ?? this.#floor;
    if (last === undefined || seq <= last) return { kind: 'drop' };
    if (this.#mayResume(last)) return { kind: 'resume' };
    this.#last = seq;
    return { kind: 'take', after: seq, gap: { from: last + 1, to: seq } };
  }

  /** Once for each hole: whoever was asked after it and still has it missing will not fill it. */
  #mayResume(last: number): boolean {
    if (this.#resumedAt === last) return false;
    this.#resumedAt = last;
    this.#last = last;
    return true;
  }
}
