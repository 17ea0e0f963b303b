import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seeded } from '../seeded.ts';
import { FakeClock } from '../testing/clock.ts';
import { runs } from '../testing/properties.ts';
import { type DropReason, type Playable, Playout, type PlayoutOptions } from './playout.ts';

/** The server's clock and the viewer's do not agree. */
const SKEW = 123_456;

/** A push on its way: when it comes, on the viewer's clock, and what is in it, on the server's. */
interface Push {
  readonly arrives: number;
  readonly comments: Playable[];
}

/** Times at which comments are said, one every `period` ms, `count` of them. */
function steady(period: number, count: number, from = 0): number[] {
  return Array.from({ length: count }, (_, i) => from + i * period);
}

/**
 * What a server with `interval` makes of comments said at `times` (rising, ms after the start of the test): the first
 * goes out at once, then what was said meanwhile. `delay` is each push's time on the way.
 */
function pushesOf(times: readonly number[], delay: (push: number) => number = () => 40, interval = 1_000): Push[] {
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
interface Shown {
  readonly id: string;
  readonly said: number;
  readonly shown: number;
}

/** A Playout on a clock that is moved by hand, and what it showed. */
class Stage {
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
function stepsOf(shown: readonly Shown[]): number[] {
  return shown.slice(1).map((comment, i) => comment.shown - (shown[i]?.shown ?? 0));
}

/** Whole milliseconds of timers, and fractions of a clock's double. */
const EXACT = 1.01;

describe('comments that are said together', () => {
  it('in a quiet room are shown at once', async () => {
    const stage = new Stage();
    await stage.play([{ arrives: 0, comments: [{ id: 'a', time: 0 }] }], 0);
    expect(stage.shown).toMatchObject([{ id: 'a', shown: 0 }]);
  });

  it('are shown as fast as the density allows, in their order', async () => {
    const stage = new Stage({ perSecond: 40 });
    await stage.play(pushesOf(Array<number>(40).fill(0)));
    expect(stage.shown.map(({ id }) => Number(id))).toEqual(steady(1, 40));
    expect(stage.shown.at(-1)?.shown).toBeGreaterThan(850);
    expect(stage.dropped).toEqual({ dense: 0, late: 0 });
  });
});

describe('another density', () => {
  it('holds from then on, and loses nothing that waits', async () => {
    const stage = new Stage({ perSecond: 5 });
    stage.playout.perSecond = 40;
    await stage.play(pushesOf(Array<number>(40).fill(0)));
    expect(stage.shown.map(({ id }) => Number(id))).toEqual(steady(1, 40));
    expect(stage.dropped).toEqual({ dense: 0, late: 0 });
    expect(() => {
      stage.playout.perSecond = 0;
    }).toThrow(RangeError);
  });
});

describe('more comments than the density allows', () => {
  it('are thinned evenly, and what is left out is counted', async () => {
    const stage = new Stage({ perSecond: 40 });
    await stage.play(pushesOf(steady(1, 10_000)));
    const { shown, dropped, playout } = stage;
    expect(shown.length + dropped.dense).toBe(10_000);
    expect(dropped.late).toBe(0);
    expect(playout.dropped).toBe(dropped.dense);
    expect(playout.waiting).toBe(0);
    expect(stage.busiest(1_000)).toBeLessThanOrEqual(45);
    expect(shown.length).toBeGreaterThan(400);
    // After the first second, one every 25 ms, and no stretch of time is left out.
    const settled = shown.filter((comment) => comment.shown > 4_000 && comment.shown < 10_000);
    const steps = stepsOf(settled);
    expect(Math.min(...steps)).toBeGreaterThanOrEqual(24);
    expect(Math.max(...steps)).toBeLessThanOrEqual(26);
    const said = settled.slice(1).map((comment, i) => comment.said - (settled[i]?.said ?? 0));
    expect(Math.max(...said)).toBeLessThanOrEqual(27);
  });

  it('stay within it whatever it is', async () => {
    for (const perSecond of [1, 7.5, 60, 200]) {
      const stage = new Stage({ perSecond });
      await stage.play(pushesOf(steady(3, 2_000)), 5_000);
      expect(stage.busiest(1_000)).toBeLessThanOrEqual(Math.ceil(perSecond * 1.1) + 1);
      expect(stage.shown.length + stage.dropped.dense).toBe(2_000);
    }
  });
});

describe('after a stall of 10 s', () => {
  /** A stream of 20 a second whose pushes between 5 and 15 s come together at 15 s. */
  function held(): Push[] {
    return pushesOf(steady(50, 600)).map((push) => ({
      ...push,
      arrives: push.arrives > 5_000 && push.arrives < 15_000 ? 15_000 : push.arrives,
    }));
  }

  it('of the network the last three seconds play at twice the speed, and then all is as before', async () => {
    const stage = new Stage();
    await stage.play(held());
    const { shown, dropped } = stage;
    expect(shown.length + dropped.late).toBe(600);
    expect(dropped.dense).toBe(0);
    // 10 s of comments were held up; what could still be shown in time and the last three seconds were not dropped.
    expect(dropped.late).toBeGreaterThan(100);
    expect(dropped.late).toBeLessThan(150);
    const after = shown.filter((comment) => comment.shown >= 15_000);
    const steps = stepsOf(after);
    expect(Math.min(...steps)).toBeGreaterThanOrEqual(24);
    expect(Math.max(...steps)).toBeLessThanOrEqual(51);
    const end = after.filter((comment) => comment.shown > 19_000).map((comment) => comment.shown - comment.said);
    expect(Math.max(...end) - Math.min(...end)).toBeLessThanOrEqual(EXACT);
    expect(Math.max(...end)).toBeLessThan(1_400);
  });

  it('as one message plays no faster', async () => {
    const stage = new Stage();
    const pushes = held();
    const together = pushes.filter(({ arrives }) => arrives === 15_000).flatMap(({ comments }) => comments);
    const rest = pushes.filter(({ arrives }) => arrives !== 15_000);
    await stage.play([...rest, { arrives: 15_000, comments: together }]);
    const after = stage.shown.filter((comment) => comment.shown >= 15_000);
    const steps = stepsOf(after);
    expect(Math.min(...steps)).toBeGreaterThanOrEqual(24);
    expect(stage.shown.length + stage.dropped.late).toBe(600);
  });

  it('of the page itself it catches up in the same way', async () => {
    const stage = new Stage();
    const pushes = pushesOf(steady(50, 600));
    const before = pushes.filter(({ arrives }) => arrives <= 5_000);
    await stage.play(before, 0);
    // The loop stands still; then what came meanwhile is handed over at once, before any timer runs.
    stage.clock.jump(10_000);
    for (const { arrives, comments } of pushes) if (arrives > 5_000 && arrives <= 15_000) stage.add(comments);
    const now = stage.clock.now() - stage.start;
    const rest = pushes.filter(({ arrives }) => arrives > now);
    for (const { arrives, comments } of rest) stage.clock.after(arrives - now, () => stage.add(comments));
    await stage.clock.advance(20_000);
    const after = stage.shown.filter((comment) => comment.shown >= now);
    const steps = stepsOf(after);
    expect(Math.min(...steps)).toBeGreaterThanOrEqual(24);
    expect(stage.shown.length + stage.dropped.late).toBe(600);
    expect(stage.dropped.late).toBeLessThan(170);
  });

  it('a crowded room catches up within the density', async () => {
    const stage = new Stage({ perSecond: 20 });
    await stage.play(held());
    expect(stage.busiest(1_000)).toBeLessThanOrEqual(23);
    expect(stage.shown.length + stage.dropped.late + stage.dropped.dense).toBe(600);
  });
});

describe('a page that was busy for a while', () => {
  it('goes on where the screen stood, at twice the speed, and not with a heap', async () => {
    const stage = new Stage();
    await stage.play(pushesOf(steady(100, 50)), 0);
    const shown = stage.shown.length;
    stage.clock.jump(700);
    await stage.clock.advance(5_000);
    const after = stage.shown.slice(shown);
    const steps = stepsOf(after);
    expect(Math.min(...steps)).toBeGreaterThanOrEqual(49);
    expect(steps.slice(0, 5)).toEqual(Array(5).fill(50));
    expect(stage.shown).toHaveLength(50);
  });
});

describe('a server whose clock is set', () => {
  for (const step of [-3_600_000, -5_000, 5_000, 3_600_000]) {
    it(`by ${step / 1_000} s goes on in order, with nothing dropped and even again at once`, async () => {
      const stage = new Stage();
      const pushes = pushesOf(steady(100, 200)).map((push, i) =>
        i < 10 ? push : { ...push, comments: push.comments.map(({ id, time }) => ({ id, time: time + step })) },
      );
      await stage.play(pushes, 4_000);
      expect(stage.shown.map(({ id }) => Number(id))).toEqual(steady(1, 200));
      const uneven = stage.errors.slice(1).filter((error) => Math.abs(error) > EXACT);
      expect(uneven.length).toBeLessThanOrEqual(1);
      const waits = stage.shown.slice(150).map(({ said, shown }) => shown - said + step);
      expect(Math.max(...waits)).toBeLessThanOrEqual(1_400);
    });
  }
});

describe('a tab in the background, whose timers come once a second,', () => {
  it('shows in order, within the density, and is even again when it is back', async () => {
    const stage = new Stage();
    const pushes = pushesOf(steady(50, 600));
    stage.clock.after(5_000, () => {
      stage.lateness = (ms) => Math.max(0, 1_000 - ms);
    });
    stage.clock.after(20_000, () => {
      stage.lateness = () => 0;
    });
    await stage.play(pushes);
    const ids = stage.shown.map(({ id }) => Number(id));
    expect(ids).toEqual(ids.toSorted((a, b) => a - b));
    expect(stage.shown.length + stage.playout.dropped).toBe(600);
    expect(stage.busiest(1_000)).toBeLessThanOrEqual(45);
    const back = stage.shown.filter((comment) => comment.shown > 24_000).map(({ said, shown }) => shown - said);
    expect(back.length).toBeGreaterThan(100);
    expect(Math.max(...back) - Math.min(...back)).toBeLessThanOrEqual(EXACT);
  });
});

describe('a comment that is recalled', () => {
  it('before it was shown never is, and does not count as dropped', async () => {
    const stage = new Stage();
    const pushes = pushesOf(steady(100, 30));
    stage.clock.after(2_000, () => stage.playout.recall(['8', '9', '10']));
    await stage.play(pushes);
    const ids = stage.shown.map(({ id }) => id);
    expect(ids).toHaveLength(27);
    for (const id of ['8', '9', '10']) expect(ids).not.toContain(id);
    expect(stage.playout.dropped).toBe(0);
  });
});

describe('a pause', () => {
  it('shows nothing and sets no timer; then at most three seconds play, faster, up to what is said now', async () => {
    const stage = new Stage();
    stage.clock.after(5_000, () => stage.playout.pause());
    stage.clock.after(15_000, () => stage.playout.resume());
    await stage.play(pushesOf(steady(50, 600)));
    expect(stage.shown.filter(({ shown }) => shown > 5_000 && shown < 15_000)).toEqual([]);
    const after = stage.shown.filter(({ shown }) => shown >= 15_000);
    const steps = stepsOf(after);
    expect(Math.min(...steps)).toBeGreaterThanOrEqual(24);
    expect(stage.shown.length + stage.dropped.late).toBe(600);
    expect(after.at(-1)).toMatchObject({ id: '599' });
  });

  it('in a quiet room costs no time afterwards', async () => {
    const stage = new Stage();
    stage.playout.pause();
    await stage.clock.advance(60_000);
    stage.playout.resume();
    stage.add([{ id: 'a', time: 60_000 }]);
    expect(stage.shown).toMatchObject([{ id: 'a', shown: 60_000 }]);
  });

  it('holds no more than it may show', async () => {
    const stage = new Stage();
    stage.playout.pause();
    await stage.play(pushesOf(steady(10, 6_000)));
    expect(stage.playout.waiting).toBeLessThan(500);
  });
});

describe('a callback', () => {
  it('may add, recall and stop from where it is called', async () => {
    const shown: string[] = [];
    const playout: Playout = new Playout({
      slack: 0,
      show({ id }) {
        shown.push(id);
        if (id === 'a') {
          playout.recall(['b']);
          playout.add({ comments: [{ id: 'd', time: 0 }] });
        } else if (id === 'c') playout.stop();
      },
    });
    playout.add({ comments: ['a', 'b', 'c'].map((id) => ({ id, time: 0 })) });
    playout.add({ comments: [{ id: 'e', time: 0 }] });
    expect(shown).toEqual(['a', 'c']);
    expect(playout.waiting).toBe(0);
  });

  it('that throws takes no other comment with it, and its error is not swallowed', async () => {
    const errors: unknown[] = [];
    const listeners = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', (error) => errors.push(error));
    const shown: string[] = [];
    const playout = new Playout({
      show({ id }) {
        shown.push(id);
        throw new Error(id);
      },
    });
    playout.add({ comments: ['a', 'b'].map((id) => ({ id, time: 0 })) });
    await expect.poll(() => errors.length).toBe(2);
    process.removeAllListeners('uncaughtException');
    for (const listener of listeners) process.on('uncaughtException', listener);
    expect(shown).toEqual(['a', 'b']);
    expect(errors).toEqual([new Error('a'), new Error('b')]);
  });
});

describe('a Playout', () => {
  it('refuses settings that mean nothing', () => {
    const show = (): void => {};
    for (const perSecond of [0, -1, Number.NaN]) expect(() => new Playout({ show, perSecond })).toThrow(RangeError);
    for (const interval of [0, Number.NaN]) expect(() => new Playout({ show, interval })).toThrow(RangeError);
    expect(() => new Playout({ show, slack: -1 })).toThrow(RangeError);
  });

  it('has at most one timer, and none when nothing waits or it was stopped', async () => {
    const stage = new Stage();
    await stage.play(pushesOf(steady(50, 40)), 0);
    expect(stage.clock.timers).toBe(1);
    await stage.clock.advance(5_000);
    expect(stage.clock.timers).toBe(0);
    stage.add(steady(100, 3, 7_000).map((time) => ({ id: `${time}`, time })));
    expect(stage.clock.timers).toBe(1);
    stage.playout.stop();
    expect(stage.clock.timers).toBe(0);
    stage.add([{ id: 'late', time: 8_000 }]);
    expect([stage.clock.timers, stage.playout.waiting]).toEqual([0, 0]);
  });
});

describe('history', () => {
  it('is played over one interval, before what is new', async () => {
    const stage = new Stage();
    const old = steady(1, 10).map((i) => ({ id: `old ${i}`, time: i * 3_600_000 }));
    stage.playout.replay({ comments: old });
    await stage.play(pushesOf([500]));
    expect(stage.shown.map(({ id, shown }) => [id, shown])).toEqual([
      ...old.map(({ id }, i) => [id, i * 100]),
      ['0', 900],
    ]);
  });
});

describe('a long history', () => {
  it('is over after two intervals, and one for the density', async () => {
    const stage = new Stage();
    for (let i = 0; i < 20; i += 1)
      stage.playout.replay({ comments: steady(1, 500).map((id) => ({ id: `${id}`, time: 0 })) });
    await stage.play(pushesOf([3_000]));
    expect(stage.shown.at(-1)).toMatchObject({ id: '0', shown: 3_040 });
    expect(stage.shown.length + stage.dropped.dense).toBe(10_001);
  });
});

function biggest(errors: readonly number[]): number {
  return Math.max(0, ...errors.map(Math.abs));
}

describe('a steady stream', () => {
  for (const period of [25, 40, 100, 130, 250]) {
    it(`of one comment every ${period} ms keeps its spacing to the millisecond from the second push on`, async () => {
      const random = seeded(period);
      const stage = new Stage();
      const times = steady(period, 20_000 / period);
      await stage.play(pushesOf(times, () => 40 + 250 * random()));
      expect(stage.shown.map(({ id }) => id)).toEqual(times.map((_, i) => `${i}`));
      expect(biggest(stage.errors.slice(1))).toBeLessThanOrEqual(EXACT);
    });

    it(`of one every ${period} ms that has been going on keeps its spacing from the first comment on`, async () => {
      const random = seeded(period);
      const stage = new Stage();
      await stage.play(pushesOf(steady(period, 20_000 / period), () => 40 + 250 * random()).slice(1));
      expect(biggest(stage.errors)).toBeLessThanOrEqual(EXACT);
    });
  }

  it('keeps it to the millisecond whatever its period, its jitter up to the slack, and the push it is joined at', async () => {
    const streams = fc.record({
      period: fc.integer({ min: 25, max: 250 }),
      phase: fc.integer({ min: 0, max: 999 }),
      missed: fc.integer({ min: 0, max: 30 }),
      seed: fc.integer(),
    });
    await fc.assert(
      fc.asyncProperty(streams, async ({ period, phase, missed, seed }) => {
        const random = seeded(seed);
        const stage = new Stage();
        const times = steady(period, 45_000 / period, phase);
        await stage.play(pushesOf(times, () => 40 + 250 * random()).slice(missed));
        expect(biggest(missed === 0 ? stage.errors.slice(1) : stage.errors)).toBeLessThanOrEqual(EXACT);
        expect(stage.playout.dropped).toBe(0);
      }),
      { numRuns: runs(10) },
    );
  });

  for (const period of [400, 700, 990]) {
    it(`of one comment every ${period} ms keeps it within 5 %, but for once when it begins to be collected`, async () => {
      const random = seeded(period);
      for (const missed of [1, 2, 5, 9]) {
        const stage = new Stage();
        await stage.play(pushesOf(steady(period, 80), () => 40 + 250 * random()).slice(missed));
        const uneven = stage.errors.filter((error) => Math.abs(error) > 0.05 * 2 * period + 250 + EXACT);
        expect(uneven.length).toBeLessThanOrEqual(1);
        const later = stage.errors.slice(40);
        expect(biggest(later)).toBeLessThanOrEqual(0.05 * 2 * period + EXACT);
      }
    });
  }

  it('whose wait was taken for longer than it is comes nearer by no more than 5 %', async () => {
    const stage = new Stage();
    // One every 990 ms: each waits 10 ms longer for its push than the one before it, until one waits not at all.
    await stage.play(pushesOf(steady(990, 200)).slice(60));
    const waits = stage.shown.map(({ said, shown }) => shown - said);
    expect(Math.max(...waits) - (waits.at(-1) ?? 0)).toBeGreaterThan(90);
    const uneven = stage.errors.filter((error) => Math.abs(error) > 0.05 * 1_000 + EXACT);
    expect(uneven.length).toBeLessThanOrEqual(1);
    expect(Math.min(...stage.errors)).toBeLessThan(-40);
  });

  it('of comments that each go out at once is shown as it comes', async () => {
    const stage = new Stage();
    await stage.play(pushesOf(steady(1_500, 20)));
    expect(stage.shown.map(({ said, shown }) => shown - said)).toEqual(Array(20).fill(40));
  });

  it('of whatever period and jitter up to the slack drops nothing, keeps the order and waits a bounded time', async () => {
    const streams = fc.record({
      period: fc.integer({ min: 25, max: 3_000 }),
      slack: fc.integer({ min: 0, max: 600 }),
      missed: fc.integer({ min: 0, max: 3 }),
      seed: fc.integer(),
    });
    await fc.assert(
      fc.asyncProperty(streams, async ({ period, slack, missed, seed }) => {
        const random = seeded(seed);
        const stage = new Stage({ slack });
        const pushes = pushesOf(steady(period, 60), () => slack * random()).slice(missed);
        await stage.play(pushes, 4_000);
        const ids = pushes.flatMap(({ comments }) => comments.map(({ id }) => id));
        expect(stage.shown.map(({ id }) => id)).toEqual(ids);
        const waits = stage.shown.map(({ said, shown }) => shown - said);
        expect(Math.max(...waits)).toBeLessThanOrEqual(2_000 + 3 * slack + EXACT);
      }),
      { numRuns: runs(8) },
    );
  });

  it('that was lost in part goes on as if nothing had been', async () => {
    const stage = new Stage();
    const pushes = pushesOf(steady(50, 400), (push) => 40 + (push % 3) * 100);
    await stage.play(pushes.filter((_, i) => ![5, 6, 12].includes(i)));
    expect(biggest(stage.errors.slice(1))).toBeLessThanOrEqual(EXACT);
    expect(stage.shown).toHaveLength(340);
  });
});
