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
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};
