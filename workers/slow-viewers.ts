import { CLOSE } from '../src/codes.ts';
import type { ShardCounters } from '../src/counters.ts';
import { encodeMessage } from '../src/frames/messages.ts';
import type { ShardLimits } from '../src/shards/messages.ts';
import type { Viewer } from './viewer.ts';

const REASON = 'reads too slowly';
const SKIPPED = encodeMessage({ type: 'skipped' });

/** Time for a viewer that is being closed to read so much that its close code fits into its buffer, in ms. */
const FAREWELL_MS = 5_000;

interface Slow {
  /** Since when it is over the limit, in ms of `performance.now()`. */
  readonly since: number;
  /** Something for it was dropped. */
  missed: boolean;
  /** Since when it is being closed. */
  closingSince: number | undefined;
}

/**
 * Viewers over the backpressure limit. uWebSockets.js drops what is published to them and tells here; a viewer that
 * reads again hears that it was skipped, one that does not for `slowClose` is closed. Others pay nothing for it:
 * only viewers in this list are ever looked at, and all of them only after a very large message.
 *
 * uWebSockets.js drops a close frame as it drops any other over the limit, so a viewer is first taken off its room
 * and closed with the code once its buffer has room; if it goes on reading nothing, the link is cut.
 */
export class SlowViewers {
  readonly #limits: ShardLimits;
  readonly #counters: ShardCounters;
  /** In the order in which they became slow. */
  readonly #slow = new Map<Viewer, Slow>();

  constructor(limits: ShardLimits, counters: ShardCounters) {
    this.#limits = limits;
    this.#counters = counters;
  }

  /** A message for `viewer` was dropped. */
  dropped(viewer: Viewer): void {
    this.#counters.add('dropped', 1);
    this.#note(viewer).missed = true;
  }

  /** Looks at viewers that were sent a message of any size: one alone may be over the limit, and nothing dropped. */
  look(viewers: readonly Viewer[]): void {
    for (const viewer of viewers) {
      if (viewer.buffered > this.#limits.maxBackpressure) this.#note(viewer);
    }
  }

  /** `viewer`'s buffer has shrunk: where there is room again, it hears that it missed something. */
  drained(viewer: Viewer): void {
    const slow = this.#slow.get(viewer);
    if (slow === undefined || !this.#hasRoom(viewer)) return;
    this.#slow.delete(viewer);
    if (slow.closingSince !== undefined) {
      viewer.close(CLOSE.SLOW, REASON);
      return;
    }
    if (!slow.missed) return;
    viewer.sendText(SKIPPED);
    this.#counters.add('skipped', 1);
  }

  /**
   * Closes a viewer, whatever it is doing: at once where its close code fits into its buffer. Does nothing where that
   * is under way.
   */
  sendAway(viewer: Viewer): void {
    const slow = this.#note(viewer);
    if (slow.closingSince !== undefined) return;
    this.#counters.add('closed', 1);
    slow.closingSince = performance.now();
    viewer.unsubscribe();
    if (this.#hasRoom(viewer)) viewer.close(CLOSE.SLOW, REASON);
  }

  gone(viewer: Viewer): void {
    this.#slow.delete(viewer);
  }

  /** Closes who has been slow for too long. Called once a second. */
  sweep(): void {
    const now = performance.now();
    for (const [viewer, slow] of this.#slow) {
      if (slow.closingSince === undefined) {
        if (now - slow.since >= this.#limits.slowClose) this.sendAway(viewer);
      } else if (now - slow.closingSince >= FAREWELL_MS) {
        viewer.cut();
      }
    }
  }

  #note(viewer: Viewer): Slow {
    let slow = this.#slow.get(viewer);
    if (slow === undefined) {
      slow = { since: performance.now(), missed: false, closingSince: undefined };
      this.#slow.set(viewer, slow);
    }
    return slow;
  }

  /** At half the limit a few messages more are not dropped. */
  #hasRoom(viewer: Viewer): boolean {
    return viewer.buffered * 2 <= this.#limits.maxBackpressure;
  }
}
