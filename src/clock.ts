/** Time runs in slots of this many ms; everything due in one slot is handled together. */
export const SLOT_MS = 10;

/** Time, injected: the server runs on {@link systemClock}, tests on one that they move by hand. */
export interface Clock {
  /** Milliseconds that only ever rise, from an arbitrary start: what is scheduled is scheduled by this. */
  now(): number;
  /** Unix time in milliseconds: what viewers are told. It may jump when the host's clock is set. */
  unix(): number;
  /** Calls `run` once, `ms` milliseconds from now, and gives back a function that calls it off. */
  after(ms: number, run: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  unix: () => Date.now(),
  after(ms, run) {
    // From Node.js 24 on, a time below 0 prints a warning.
    const timer = setTimeout(run, Math.max(0, ms));
    return () => clearTimeout(timer);
  },
};

/** Further apart than this, wall clock and elapsed time disagree, in ms. Within it the wall clock is being corrected. */
const TOLERANCE_MS = 10_000;

/** How long a wall clock that disagrees must go on evenly before it is believed, in ms. */
const PROBATION_MS = 3_600_000;

/** A server may have been down for a week, in ms, and its wall clock is believed at once. */
const DOWN_MS = 604_800_000;

/**
 * The time of day, for destroying what is old. The wall clock alone may jump by years and back, and whatever it made old
 * would be gone for good. Here time goes on evenly from what is known to be right, and a wall clock that disagrees
 * with that is believed once it has gone on evenly for an hour; until then {@link isAgreed} is false.
 *
 *   agreed ──the wall clock jumps──▶ doubtful ──it jumps back, or an hour passes──▶ agreed
 */
export class SteadyClock {
  readonly #clock: Clock;
  readonly #onJump: (sentence: string) => void;
  /** Unix ms at 0 of the clock that only rises. */
  #offset: number;
  /** The time is that of the newest batch that is kept, so it may be behind by as long as the server was down. */
  #isFloor: boolean;
  /** The wall clock's own offset while it disagrees, and since when. */
  #doubtful: { readonly offset: number; readonly since: number } | null = null;

  /**
   * @param newest when the newest batch that is kept was written, Unix ms; 0 for none
   * @param onJump is told when the wall clock begins to disagree, and when it is believed again
   */
  constructor(clock: Clock, newest: number, onJump: (sentence: string) => void) {
    this.#clock = clock;
    this.#onJump = onJump;
    this.#isFloor = newest > 0;
    this.#offset = (newest > 0 ? newest : clock.unix()) - clock.now();
    this.look();
  }

  /** Unix ms. */
  now(): number {
    return Math.round(this.#clock.now() + this.#offset);
  }

  get isAgreed(): boolean {
    return this.#doubtful === null;
  }

  /** Compares the clocks. To be called about once a second. */
  look(): void {
    const now = this.#clock.now();
    const offset = this.#clock.unix() - now;
    const ahead = offset - this.#offset;
    if (Math.abs(ahead) <= TOLERANCE_MS || (this.#isFloor && ahead > 0 && ahead <= DOWN_MS)) {
      this.#agree(offset, 'agrees with the time that has passed again');
    } else if (this.#doubtful === null || Math.abs(offset - this.#doubtful.offset) > TOLERANCE_MS) {
      const where = this.#isFloor ? 'the newest comments that are kept' : 'the time that has passed';
      const by = `${Math.round(Math.abs(ahead) / 1_000)} s ${ahead > 0 ? 'ahead of' : 'behind'} ${where}`;
      this.#onJump(`the clock is ${by}: nothing is dropped for its age until it agrees, or has run evenly for an hour`);
      this.#doubtful = { offset, since: now };
    } else if (now - this.#doubtful.since >= PROBATION_MS) {
      this.#agree(offset, 'has run evenly for an hour and is believed');
    }
  }

  #agree(offset: number, why: string): void {
    if (this.#doubtful !== null) this.#onJump(`the clock ${why}: comments are dropped for their age again`);
    this.#offset = offset;
    this.#doubtful = null;
    this.#isFloor = false;
  }
}
