import { FakeClock } from '../clock.fixture.ts';
import { type DropReason, type Playable, Playout, type PlayoutOptions } from './playout.ts';

/** The server's clock and the viewer's do not agree. */
export const SKEW = 123_456;

/** A push on its way: when it comes, on the viewer's clock, and what is in it, on the server's. */
export interface Push {
  readonly arrives: number;
  readonly comments: Playable[];
}

/** Times at which comments are said, one every `period` ms, `count` of them. */
export function steady(period: number, count: number, from = 0): number[] {
  return Array.from({ length: count }, (_, i) => from + i * period);
}

/**
 * What a server with `interval` makes of comments said at `times` (rising, ms after the start of the test): the first
 * goes out at once, then what was said meanwhile. `delay` is each push's time on the way.
 */
export function pushesOf(
  times: readonly number[],
  delay: (push: number) => number = () => 40,
  interval = 1_000,
): Push[] {
  const pushes: Push[] = [];
  let fired = Number.NEGATIVE_INFINITY;
  let arrived = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < times.length; ) {
    fired = Math.max(times[i] ?? 0, fired + interval);
    const comments: Playable[] = [];
    for (; i < times.length && (times[i] ?? 0) <= fired; i += 1) comments.push({ id: `${i}`, time: times[i] ?? 0 });
    // One connection: what was sent later never overtakes.
    arrived = Math.max(arrived, fired + delay(pushes.length));
    pushes.push({ arrives: arrived, comments });
  }
  return pushes;
}

/** A comment as it was shown; both times in ms after the start of the test. */
export interface Shown {
  readonly id: string;
  readonly said: number;
  readonly shown: number;
}

/** A Playout on a clock that is moved by hand, and what it showed. */
export class Stage {
  readonly clock = new FakeClock();
  readonly start = this.clock.now();
  readonly shown: Shown[] = [];
  readonly dropped: Record<DropReason, number> = { dense: 0, late: 0 };
  readonly playout: Playout;
  /** What a timer is late by, ms. */
  lateness: (ms: number) => number = () => 0;

  constructor(options: Partial<PlayoutOptions> = {}) {
    this.playout = new Playout({
      show: ({ id, time }) => {
        this.shown.push({ id, said: time - this.start - SKEW, shown: this.#elapsed });
      },
      onDropped: (count, reason) => {
        this.dropped[reason] += count;
      },
      clock: {
        now: () => this.clock.now(),
        after: (ms, run) => this.clock.after(ms + this.lateness(ms), run),
      },
      ...options,
    });
  }

  get #elapsed(): number {
    return this.clock.now() - this.start;
  }

  /** The pushes come at their times, counted from now on; then `more` ms pass. */
  async play(pushes: readonly Push[], more = 3_000): Promise<void> {
    const from = this.#elapsed;
    for (const { arrives, comments } of pushes) this.clock.after(arrives, () => this.add(comments, from));
    await this.clock.advance(Math.max(0, ...pushes.map(({ arrives }) => arrives)) + more);
  }

  /** One push comes now; its times are counted from `from` ms after the start. */
  add(comments: readonly Playable[], from = 0): void {
    this.playout.add({
      comments: comments.map((comment) => ({ ...comment, time: comment.time + this.start + from + SKEW })),
    });
  }

  /** Between each two comments: how much longer the wait was on screen than when they were said, ms. */
  get errors(): number[] {
    return this.shown.slice(1).map(({ said, shown }, i) => {
      const before = this.shown[i];
      return before === undefined ? 0 : shown - before.shown - (said - before.said);
    });
  }

  /** The most comments that were shown within any `ms`. */
  busiest(ms: number): number {
    return Math.max(
      0,
      ...this.shown.map(({ shown }) => this.shown.filter((s) => s.shown >= shown && s.shown < shown + ms).length),
    );
  }
}

/** The times between each two comments on screen, ms. */
export function stepsOf(shown: readonly Shown[]): number[] {
  return shown.slice(1).map((comment, i) => comment.shown - (shown[i]?.shown ?? 0));
}
