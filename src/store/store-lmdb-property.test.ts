import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { decodeBatch } from '../frames/batch.ts';
import { commentsOf } from './store-contract.fixture.ts';
import { type StartedLmdbStore, startLmdbStore } from './store-lmdb.fixture.ts';

/** Names that begin with each other. */
const ROOMS = ['a', 'a.b', 'ab'] as const;
const AGE = 1_000_000;

interface ModelBatch {
  readonly room: string;
  readonly seq: number;
  readonly at: number;
  readonly texts: string[];
}

/** The same log as one plain array. */
class Model {
  batches: ModelBatch[] = [];
  readonly last = new Map<string, number>();

  append(room: string, texts: string[], at: number): number {
    const seq = this.lastSeq(room) + 1;
    this.last.set(room, seq);
    this.batches.push({ room, seq, at, texts: [...texts] });
    return seq;
  }

  recall(room: string, seq: number, place: number): boolean {
    const texts = this.batches.find((batch) => batch.room === room && batch.seq === seq)?.texts ?? [];
    const there = Boolean(texts[place]);
    if (there) texts[place] = '';
    return there;
  }

  /** How many were dropped. */
  prune(now: number): number {
    const before = this.batches.length;
    this.batches = this.batches.filter(({ at }) => at > now - AGE);
    return before - this.batches.length;
  }

  lastSeq(room: string): number {
    return this.last.get(room) ?? 0;
  }

  of(room: string) {
    return this.batches
      .filter((batch) => batch.room === room)
      .map(({ seq, texts }) => {
        const kept = texts.flatMap((text, i) => (text === '' ? [] : [[`${seq}.${i}`, text]]));
        return { seq, prev: seq - 1, count: kept.length, kept };
      });
  }
}

const room = fc.constantFrom(...ROOMS);
const texts = fc.array(fc.constantFrom('x', 'yy', 'z'.repeat(3_000)), { minLength: 1, maxLength: 4 });
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      batches: fc.array(fc.tuple(room, texts), { minLength: 1, maxLength: 5 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('recall' as const),
      comments: fc.array(fc.tuple(room, fc.nat(4), fc.nat(4)), { minLength: 1, maxLength: 8 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('prune' as const), ms: fc.integer({ min: 0, max: AGE }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
);

async function compare({ store }: StartedLmdbStore, model: Model, upTo: number, comments: number): Promise<void> {
  for (const name of ROOMS) {
    const found = await store.read(name, 0, 1e9, 1e9);
    const rows = found.map((batch) => ({
      seq: batch.seq,
      prev: batch.prev,
      count: batch.count,
      kept: decodeBatch(batch).comments.map(({ id, text }) => [id, text]),
    }));
    const expected = model.of(name);
    expect(rows).toEqual(expected);
    expect(store.lastSeq(name)).toBe(model.lastSeq(name));
    const part = await store.read(name, upTo - 3, upTo, 1e9);
    expect(part.map(({ seq }) => seq)).toEqual(
      expected.map(({ seq }) => seq).filter((seq) => seq > upTo - 3 && seq <= upTo),
    );
    expect(await store.seqBefore(name, upTo, comments)).toBe(seqBefore(expected, upTo, comments));
  }
}

function seqBefore(batches: readonly { seq: number; count: number }[], upTo: number, comments: number): number {
  const kept = batches.filter(({ seq }) => seq <= upTo);
  const candidates = kept.map(({ seq }) => seq - 1).reverse();
  const holds = (after: number): boolean =>
    kept.filter(({ seq }) => seq > after).reduce((sum, { count }) => sum + count, 0) >= comments;
  return candidates.find(holds) ?? 0;
}

describe.each(['relaxed', 'sync'] as const)('the LMDB store (%s)', (durability) => {
  it('keeps what a plain array would keep, under any appends, recalls, prunes and reopenings', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 25, size: 'max' }),
        fc.nat(20),
        fc.integer({ min: 1, max: 12 }),
        async (steps, upTo, comments) => {
          let started = await startLmdbStore({ durability, retainAge: AGE });
          const model = new Model();
          for (const one of steps) {
            const { store, clock } = started;
            if (one.kind === 'append') {
              const seqs = one.batches.map(([name, given]) => store.append(name, commentsOf(...given)));
              const expected = one.batches.map(([name, given]) => model.append(name, given, clock.unix()));
              expect(await Promise.all(seqs)).toEqual(expected);
            } else if (one.kind === 'recall') {
              const ids = one.comments.map(([name, back, place]) => [name, model.lastSeq(name) - back, place] as const);
              const found = ids.map((id) => store.recall(...id));
              expect(await Promise.all(found)).toEqual(ids.map((id) => model.recall(...id)));
            } else if (one.kind === 'prune') {
              clock.jump(one.ms);
            } else {
              started = await started.reopen();
            }
            await settlePruner(started, model);
          }
          await compare(started, model, upTo, comments);
          const again = await started.reopen();
          await settlePruner(again, model);
          await compare(again, model, upTo, comments);
          expect(again.faults).toEqual([]);
          await again.store.close();
        },
      ),
      { numRuns: 40 },
    );
  }, 30_000);
});

/** Waits until the store has no more batches than the model, which time may have made smaller too. */
async function settlePruner({ store, clock }: StartedLmdbStore, model: Model): Promise<void> {
  await vi.waitFor(
    async () => {
      model.prune(clock.unix());
      const kept = await Promise.all(ROOMS.map(async (name) => (await store.read(name, 0, 1e9, 1e9)).length));
      const all = kept.reduce((sum, count) => sum + count, 0);
      if (all > model.batches.length) await clock.advance(1_100);
      expect(all).toBe(model.batches.length);
    },
    { timeout: 5_000, interval: 1 },
  );
}
