import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Gap } from '../frames/messages.ts';
import { runs } from '../property-runs.fixture.ts';
import { ResumeState, type Verdict } from './resume-state.ts';

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
