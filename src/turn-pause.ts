/** A turn of the event loop of so many ms has found on disk what it read, or had to wait for the processor. */
const LONG_TURN_MS = 5;

/** Longest pause, in ms. */
const LONGEST_PAUSE_MS = 100;

/**
 * How long nothing is to be read after a turn of the loop that took `tookMs`: as long, and not at all after a short one.
 * A push needs the loop several times on its way to the store and back, and would wait for a page of the disk each time.
 */
export function pauseAfter(tookMs: number): number {
  return tookMs < LONG_TURN_MS ? 0 : Math.min(tookMs, LONGEST_PAUSE_MS);
}
