/** What the coordinator and the load threads say to each other, and the memory that they share. */
import type { LoadCounts } from './load-figures.ts';
import type { LoadPlan } from './load-plan.ts';
import type { Target } from './target.ts';

/** What a load thread is started with. */
export interface LoadTask {
  /** From 0 to below `plan.threads`. */
  readonly thread: number;
  readonly plan: LoadPlan;
  readonly target: Target;
  /** Memory of a {@link PhaseBoard}. */
  readonly board: SharedArrayBuffer;
  /** Longest that a handshake may go without its end, in ms. */
  readonly answerWithin: number;
}

export type ToLoadThread =
  /** Opens every connection; they are due at `at`, benchNow(). Answered by `up` or `failed`. */
  | { readonly kind: 'connect'; readonly at: number }
  /** Starts sending and churning; `at` is benchNow(), the same for all threads. */
  | { readonly kind: 'send'; readonly at: number }
  /** The phase on the board has changed. Answered by `began` or `ended`. */
  | { readonly kind: 'phase' }
  /** Closes everything. Answered by `stopped`. */
  | { readonly kind: 'stop' };

export type FromLoadThread =
  | { readonly kind: 'ready' }
  | { readonly kind: 'progress'; readonly up: number }
  /** Every connection is up; `cpu` is what that took, in seconds of the thread's CPU. */
  | { readonly kind: 'up'; readonly cpu: number }
  /** A connection did not come up; `why` is a sentence. */
  | { readonly kind: 'failed'; readonly why: string }
  | { readonly kind: 'sending' }
  | { readonly kind: 'began' }
  | { readonly kind: 'report'; readonly report: LoadReport }
  /** Connections of this thread that the server has closed since they were up. */
  | { readonly kind: 'closed'; readonly count: number }
  | { readonly kind: 'ended'; readonly totals: ThreadTotals }
  | { readonly kind: 'stopped' };

/** What gathered in a thread since its last report. Rooms are places in `Seats.rooms`, times benchNow() ms. */
export interface LoadReport {
  /** Whole seconds since `begin` that are over: frames, comments, bytes; frames, comments, … */
  readonly seconds: Float64Array;
  /** Durations in ms. */
  readonly connect: Float64Array;
  readonly caughtUp: Float64Array;
  readonly ack: Float64Array;
  /** Batches that a sampled viewer got: room, seq, time; room, … */
  readonly received: Float64Array;
  /** Comments whose ack came: room, seq, time at which it was to be sent; room, … */
  readonly acked: Float64Array;
  /** Copies of a batch that steady viewers got: room, seq, first, last, count; room, … */
  readonly copies: Float64Array;
  /** Rooms that have lost a steady viewer, once for each. */
  readonly lostSteady: Float64Array;
  /** Rooms of steady viewers that are up and had no frame while it was measured, once for each; in the last report. */
  readonly unheard: Float64Array;
}

/** What a thread counted between begin and end. */
export interface ThreadTotals extends LoadCounts {
  /** benchNow() of the last frame, or the last coming up, before the end; 0 for none. */
  readonly heardAt: number;
  /** Seconds of this thread's CPU. */
  readonly cpu: number;
  /** Longest that its loop stood, ms. */
  readonly worstDelay: number;
}

export const PHASE = { waiting: 0, measuring: 1, over: 2 } as const;

/**
 * Tells all threads at once that measuring begins or is over. They look at it at every read, so that what they count
 * is cut at the same moment however far behind they are with their messages.
 */
export class PhaseBoard {
  readonly memory: SharedArrayBuffer;
  readonly #phase: Int32Array;
  readonly #times: Float64Array;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(24)) {
    this.memory = memory;
    this.#phase = new Int32Array(memory, 0, 1);
    this.#times = new Float64Array(memory, 8, 2);
  }

  get phase(): number {
    return Atomics.load(this.#phase, 0);
  }

  /** benchNow() of the change to `measuring`. */
  get beganAt(): number {
    return this.#times[0] ?? 0;
  }

  /** benchNow() of the change to `over`. */
  get endedAt(): number {
    return this.#times[1] ?? 0;
  }

  begin(at: number): void {
    this.#times[0] = at;
    Atomics.store(this.#phase, 0, PHASE.measuring);
  }

  end(at: number): void {
    this.#times[1] = at;
    Atomics.store(this.#phase, 0, PHASE.over);
  }
}
