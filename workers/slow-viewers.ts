import { CLOSE } from '../src/codes.ts';
import type { ShardCounters } from '../src/shards/counters.ts';
import type { ShardLimits } from '../src/shards/messages.ts';
import type { Viewer } from './viewer.ts';

const SKIPPED = JSON.stringify({ type: 'skipped' });

/**
 * Viewers over the backpressure limit. uWebSockets.js drops what is published to them and tells here; a viewer that
 * reads again hears that it was skipped, one that does not for `slowClose` is closed. Others pay nothing for it:
 * only viewers in this list are ever looked at.
 */
export class SlowViewers {
  readonly #limits: ShardLimits;
  readonly #counters: ShardCounters;
  /** Since when, in ms of `performance.now()`. */
  readonly #since = new Map<Viewer, number>();

  constructor(limits: ShardLimits, counters: ShardCounters) {
    this.#limits = limits;
    this.#counters = counters;
  }

  /** A message for `viewer` was dropped. */
  dropped(viewer: Viewer): void {
    this.#counters.add('dropped', 1);
    if (!this.#since.has(viewer)) this.#since.set(viewer, performance.now());
  }

  /** `viewer`'s buffer has shrunk: at half the limit there is room again for it to hear what it missed. */
  drained(viewer: Viewer): void {
    if (!this.#since.has(viewer) || viewer.buffered * 2 > this.#limits.maxBackpressure) return;
    this.#since.delete(viewer);
    viewer.sendText(SKIPPED);
    this.#counters.add('skippedSent', 1);
  }

  gone(viewer: Viewer): void {
    this.#since.delete(viewer);
  }

  /** Closes who has been slow for too long. Called once a second. */
  sweep(): void {
    const latest = performance.now() - this.#limits.slowClose;
    for (const [viewer, since] of this.#since) {
      // Insertion order is the order of `since`.
      if (since > latest) break;
      this.#counters.add('slowClosed', 1);
      viewer.close(CLOSE.SLOW, 'reads too slowly');
    }
  }
}
