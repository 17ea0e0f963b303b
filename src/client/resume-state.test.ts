import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Gap } from '../frames/messages.ts';
import { runs } from '../testing/properties.ts';
import { ResumeState, type Verdict } from './resume-state.ts';

/** A state whose last batch is 5. */
function at5(): ResumeState {
  return new ResumeState({ since: 5, history: 0 });
}

const numbers = [0, 1, 2, 3, 4];
const NO_HISTORY = { since: undefined, history: 0 };
const HISTORY = { since: undefined, history: 20 };

describe('where a link begins', () => {
  it('is with what comes, with history, or after the batch that was asked for, which beats history', () => {
    expect(new ResumeState(NO_HISTORY).start()).toStrictEqual({});
    expect(new ResumeState(HISTORY).start()).toStrictEqual({ history: 20 });
    expect(new ResumeState({ since: 0, history: 20 }).start()).toStrictEqual({ since: 0 });
  });

  it('is after the last batch once something was received', () => {
    const now = new ResumeState(NO_HISTORY);
    now.welcome({ seq: 9 });
    expect(now.start()).toStrictEqual({ since: 9 });
    now.batch({ seq: 12, prev: 9 });
    expect(now.start()).toStrictEqual({ since: 12 });
  });

  it('is with history again where a link died before it brought any', () => {
    const state = new ResumeState(HISTORY);
    state.welcome({ seq: 9 });
    expect([state.start(), state.last]).toStrictEqual([{ history: 20 }, undefined]);
  });
});

describe('the numbers of a batch', () => {
  it('say for every last, prev and seq up to 4 whether it is new, a duplicate, partly one, or leaves a hole', () => {
    for (const last of numbers) {
      for (const prev of numbers) {
        for (const seq of numbers.filter((number) => number > prev)) {
          const state = new ResumeState({ since: last, history: 0 });
          const verdict = state.batch({ seq, prev });
          if (seq <= last) expect(verdict).toStrictEqual({ kind: 'drop' });
          else if (prev > last) expect(verdict).toStrictEqual({ kind: 'resume' });
          else expect(verdict).toStrictEqual({ kind: 'take', after: last });
          expect(state.last).toBe(seq > last && prev <= last ? seq : last);
        }
      }
    }
  });

  it('may leave out numbers, which is no hole', () => {
    const state = at5();
    expect(state.batch({ seq: 90, prev: 5 })).toStrictEqual({ kind: 'take', after: 5 });
    expect(state.last).toBe(90);
  });

  it('are the beginning with history, whatever prev is, up to what the welcome said', () => {
    for (const prev of [0, 3, 9]) {
      const state = new ResumeState(HISTORY);
      state.welcome({ seq: 9 });
      expect(state.batch({ seq: prev + 1, prev })).toStrictEqual({ kind: 'take', after: prev });
      expect(state.last).toBe(prev + 1);
    }
  });

  it('leave a hole with history too, where what the room had at first is passed', () => {
    const state = new ResumeState(HISTORY);
    state.welcome({ seq: 9 });
    expect(state.batch({ seq: 12, prev: 11 })).toStrictEqual({ kind: 'resume' });
    expect(state.start()).toStrictEqual({ since: 9 });
  });

  it('leave no hole that was there between two links before anything came', () => {
    const state = new ResumeState(HISTORY);
    state.welcome({ seq: 9 });
    state.welcome({ seq: 40 });
    expect(state.batch({ seq: 31, prev: 30 })).toStrictEqual({ kind: 'resume' });
    expect(state.start()).toStrictEqual({ since: 9 });
  });
});

describe('a hole', () => {
  it('is asked after once; still there, it is told as a gap and the batch is taken', () => {
    const state = at5();
    expect(state.batch({ seq: 9, prev: 7 })).toStrictEqual({ kind: 'resume' });
    expect(state.start()).toStrictEqual({ since: 5 });
    state.welcome({ seq: 9 });
    expect(state.batch({ seq: 9, prev: 7 })).toStrictEqual({ kind: 'take', after: 7, gap: { from: 6, to: 7 } });
    expect(state.last).toBe(9);
  });

  it('is asked after again where it is another one', () => {
    const state = at5();
    state.batch({ seq: 9, prev: 7 });
    state.welcome({ seq: 9 });
    expect(state.batch({ seq: 8, prev: 5 })).toStrictEqual({ kind: 'take', after: 5 });
    expect(state.batch({ seq: 12, prev: 11 })).toStrictEqual({ kind: 'resume' });
    expect(state.start()).toStrictEqual({ since: 8 });
  });

  it('is filled by the gap of the next welcome', () => {
    const state = at5();
    state.batch({ seq: 9, prev: 7 });
    expect(state.welcome({ seq: 9, gap: { from: 6, to: 7 } })).toStrictEqual({ from: 6, to: 7 });
    expect(state.batch({ seq: 9, prev: 7 })).toStrictEqual({ kind: 'take', after: 7 });
  });
});

describe('a presence', () => {
  it('tells of a hole by a seq above the last, once, and is told as a gap when it stays', () => {
    const state = at5();
    expect(state.presence(5)).toStrictEqual({ kind: 'drop' });
    expect(state.presence(4)).toStrictEqual({ kind: 'drop' });
    expect(state.presence(8)).toStrictEqual({ kind: 'resume' });
    state.welcome({ seq: 8 });
    expect(state.presence(8)).toStrictEqual({ kind: 'take', after: 8, gap: { from: 6, to: 8 } });
    expect(state.last).toBe(8);
  });

  it('tells of it with history as well', () => {
    const state = new ResumeState(HISTORY);
    state.welcome({ seq: 9 });
    expect(state.presence(9)).toStrictEqual({ kind: 'drop' });
    expect(state.presence(10)).toStrictEqual({ kind: 'resume' });
    expect(state.start()).toStrictEqual({ since: 9 });
  });

  it('means nothing before a welcome', () => {
    expect(new ResumeState(NO_HISTORY).presence(3)).toStrictEqual({ kind: 'drop' });
  });
});

describe('a welcome', () => {
  it('sets the last batch where nothing but what comes was asked for, and only the first time', () => {
    const state = new ResumeState(NO_HISTORY);
    expect(state.welcome({ seq: 9 })).toBeUndefined();
    expect(state.welcome({ seq: 12 })).toBeUndefined();
    expect(state.last).toBe(9);
  });

  it('with a reset begins the room anew, and what is missing of its new life is a hole again', () => {
    const state = at5();
    state.batch({ seq: 9, prev: 7 });
    state.welcome({ seq: 3, reset: true });
    expect(state.last).toBe(0);
    expect(state.batch({ seq: 3, prev: 2 })).toStrictEqual({ kind: 'resume' });
    expect(state.start()).toStrictEqual({ since: 0 });
  });

  it('with a gap that ends below what is known changes nothing', () => {
    const state = at5();
    expect(state.welcome({ seq: 9, gap: { from: 2, to: 4 } })).toBeUndefined();
    expect(state.last).toBe(5);
  });
});

interface Numbered {
  readonly seq: number;
  readonly prev: number;
}

type Operation =
  /** A push, of a seq that leaves some numbers out; `lost` on its way, as for a viewer that reads too slowly. */
  | { readonly kind: 'push'; readonly step: number; readonly lost: boolean }
  /** The last so many batches come once more, as one message or as many. */
  | { readonly kind: 'repeat'; readonly count: number; readonly merged: boolean }
  /** The link is lost; the next one is lost too, after so many messages of its backfill. */
  | { readonly kind: 'lose'; readonly cutAfter: number }
  | { readonly kind: 'presence' }
  /** So many of the oldest batches are dropped from the store. */
  | { readonly kind: 'prune'; readonly count: number }
  /** The store is gone, the room begins anew, and every link with it. */
  | { readonly kind: 'begin anew' };

/** A server that keeps to the protocol over links that do not, and the client that reads it. */
class Model {
  readonly state: ResumeState;
  /** What the client took in this life of the room, and what it was told it missed. */
  taken: number[] = [];
  gaps: Gap[] = [];
  /** Where this client's part of the room begins: all that is newer is owed to it. */
  begin: number | undefined;
  log: Numbered[] = [];
  pruned = 0;
  /** Links that will be cut, each after so many messages of the backfill. */
  #cuts: number[] = [];
  resumes = 0;
  readonly #merge: number;

  /** @param merge batches in one message of a backfill */
  constructor(start: { since: number | undefined; history: number }, merge: number) {
    this.state = new ResumeState(start);
    this.begin = start.since;
    this.#merge = merge;
  }

  get newest(): number {
    return this.log.at(-1)?.seq ?? 0;
  }

  run(operation: Operation): void {
    if (operation.kind === 'push') {
      const batch = { seq: this.newest + operation.step, prev: this.newest };
      this.log.push(batch);
      if (!operation.lost) this.#deliver([batch]);
    } else if (operation.kind === 'repeat') {
      const again = this.log.slice(Math.max(this.#kept(), this.log.length - operation.count));
      if (operation.merged) this.#deliver(again);
      else for (const batch of again) this.#deliver([batch]);
    } else if (operation.kind === 'lose') {
      this.#cuts.push(operation.cutAfter);
      this.connect();
    } else if (operation.kind === 'presence') {
      this.#follow(this.state.presence(this.newest), []);
    } else if (operation.kind === 'prune') {
      this.pruned = Math.max(this.pruned, this.log[this.#kept() + operation.count - 1]?.seq ?? 0);
    } else {
      this.log = [];
      this.pruned = 0;
      this.taken = [];
      this.gaps = [];
      this.begin = this.begin === undefined ? undefined : 0;
      this.connect();
    }
  }

  /** A new link: its welcome, and its backfill. */
  connect(): void {
    const start = this.state.start();
    const welcome: { seq: number; reset?: boolean; gap?: Gap } = { seq: this.newest };
    let from = this.newest;
    if (start.since !== undefined) {
      from = Math.max(start.since, this.pruned);
      if (start.since > this.newest) {
        welcome.reset = true;
        from = this.pruned;
      } else if (from > start.since) welcome.gap = { from: start.since + 1, to: from };
    } else if (start.history !== undefined) {
      from = this.log[Math.max(this.#kept(), this.log.length - start.history)]?.prev ?? this.newest;
    }
    const gap = this.state.welcome(welcome);
    if (gap !== undefined) this.gaps.push(gap);
    if (start.since === undefined) this.begin ??= this.newest;
    let messages = this.#cuts.shift() ?? Number.POSITIVE_INFINITY;
    const backfill = this.log.filter(({ seq }) => seq > from);
    for (let i = 0; i < backfill.length; i += this.#merge) {
      if (messages === 0) {
        this.connect();
        return;
      }
      messages -= 1;
      if (!this.#deliver(backfill.slice(i, i + this.#merge))) return;
    }
  }

  /** Places of the log that are pruned. */
  #kept(): number {
    return this.log.filter(({ seq }) => seq <= this.pruned).length;
  }

  /** Hands over one message; false when the client went to another link for it. */
  #deliver(batches: readonly Numbered[]): boolean {
    const [first, last] = [batches[0], batches.at(-1)];
    if (first === undefined || last === undefined) return true;
    return this.#follow(this.state.batch({ seq: last.seq, prev: first.prev }), batches);
  }

  #follow(verdict: Verdict, batches: readonly Numbered[]): boolean {
    if (verdict.kind === 'resume') {
      this.resumes += 1;
      this.connect();
      return false;
    }
    if (verdict.kind === 'take') {
      if (verdict.gap !== undefined) this.gaps.push(verdict.gap);
      this.taken.push(...batches.map(({ seq }) => seq).filter((seq) => seq > verdict.after));
    }
    return true;
  }
}

const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('push'), step: fc.integer({ min: 1, max: 3 }), lost: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('repeat'), count: fc.nat(5), merged: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('lose'), cutAfter: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('presence') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('prune'), count: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('begin anew') }) },
) as fc.Arbitrary<Operation>;

const start = fc.oneof(
  fc.constant({ since: undefined, history: 0 }),
  fc.record({ since: fc.constant(undefined), history: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ since: fc.nat(6), history: fc.constant(0) }),
);

const before = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('push'), step: fc.integer({ min: 1, max: 3 }), lost: fc.constant(true) }),
    fc.record({ kind: fc.constant('prune'), count: fc.constant(1) }),
  ) as fc.Arbitrary<Operation>,
  { maxLength: 8 },
);

describe('ResumeState, against a server whose links are lost, skip and repeat', () => {
  it('takes every batch once and in order, or tells of it as a gap, and of nothing else', () => {
    fc.assert(
      fc.property(
        start,
        before,
        fc.array(operation, { maxLength: 40 }),
        fc.integer({ min: 1, max: 3 }),
        (begin, past, operations, merge) => {
          const model = new Model(begin, merge);
          for (const step of past) model.run(step);
          model.connect();
          for (const step of operations) model.run(step);
          // What was lost last is noticed with the next sign of life.
          model.run({ kind: 'presence' });

          const { taken, gaps, log, begin: from = 0, pruned, state } = model;
          expect(taken).toStrictEqual([...new Set(taken)].sort((a, b) => a - b));
          const inGap = (seq: number): boolean => gaps.some((gap) => gap.from <= seq && seq <= gap.to);
          expect(taken.filter(inGap)).toStrictEqual([]);
          const owed = log.map(({ seq }) => seq).filter((seq) => seq > from);
          expect(owed.filter((seq) => !taken.includes(seq) && !inGap(seq))).toStrictEqual([]);
          for (const gap of gaps) expect(gap.to).toBeLessThanOrEqual(pruned);
          if (owed.length > 0) expect(state.last).toBe(model.newest);
        },
      ),
      { numRuns: runs(500) },
    );
  });

  it('does not go to another link where nothing was lost', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 40 }), fc.nat(5), (operations, history) => {
        const model = new Model({ since: undefined, history }, 1);
        model.connect();
        for (const step of operations) {
          if (step.kind !== 'begin anew' && step.kind !== 'prune') model.run({ ...step, lost: false } as Operation);
        }
        expect(model.resumes).toBe(0);
        expect(model.gaps).toStrictEqual([]);
      }),
      { numRuns: runs(125) },
    );
  });
});
