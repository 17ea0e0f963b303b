import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../testing/clock.ts';
import { runs } from '../testing/properties.ts';
import { seqBefore } from './store.ts';
import { append, batchOf, describeStore, lastSeq, readBatches, SeenEvents, seqsOf } from './store-contract.fixture.ts';
import { MemoryStore, type MemoryStoreOptions } from './store-memory.ts';

/** A store on a clock that stands still, and what its tail delivered. */
async function createStore(bounds: Partial<MemoryStoreOptions> = {}) {
  const clock = new FakeClock(1_000_000);
  const store = new MemoryStore({ comments: 1_000, bytes: 1e9, age: 1e9, clock, ...bounds });
  const seen = new SeenEvents();
  await store.start(seen);
  return { clock, store, seen };
}

describeStore('the memory store', createStore);

describe('seqBefore', () => {
  it('is the last seq that is dropped where what is kept is just enough, and 0 where it is not', async () => {
    const { store } = await createStore({ comments: 4 });
    for (let i = 0; i < 6; i += 1) await append(store, 'a', batchOf(2));
    expect(await seqsOf(store, 'a')).toEqual([5, 6]);
    expect(await seqBefore(store, 'a', 6, 4)).toBe(4);
    expect(await seqBefore(store, 'a', 6, 5)).toBe(0);
    expect(await seqBefore(store, 'a', 3, 1)).toBe(0);
  });
});

describe('a bound', () => {
  it('by count drops the oldest batches of that room only, never the newest', async () => {
    const { store } = await createStore({ comments: 10 });
    await append(store, 'b', batchOf(9));
    for (const count of [4, 4, 2]) await append(store, 'a', batchOf(count));
    expect(await seqsOf(store, 'a')).toEqual([1, 2, 3]);
    await append(store, 'a', batchOf(1));
    expect(await seqsOf(store, 'a')).toEqual([2, 3, 4]);
    await append(store, 'a', batchOf(50));
    expect(await seqsOf(store, 'a')).toEqual([5]);
    expect(await seqsOf(store, 'b')).toEqual([1]);
  });

  it('by age drops what is older, also when nothing is appended any more', async () => {
    const { store, clock } = await createStore({ age: 1_000 });
    await append(store, 'a', batchOf(1));
    await clock.advance(600);
    await append(store, 'a', batchOf(1));
    await clock.advance(399);
    expect(await seqsOf(store, 'a')).toEqual([1, 2]);
    await clock.advance(2);
    expect(await seqsOf(store, 'a')).toEqual([2]);
    expect(await seqBefore(store, 'a', 2, 1)).toBe(1);
    await clock.advance(1_000);
    expect(await seqBefore(store, 'a', 2, 1)).toBe(0);
    expect(await seqsOf(store, 'a')).toEqual([]);
  });

  it('by bytes drops the oldest of any room', async () => {
    const { store } = await createStore({ bytes: 35_000 });
    for (const room of ['a', 'b', 'a']) await append(store, room, batchOf(1, 10_000));
    expect([await seqsOf(store, 'a'), await seqsOf(store, 'b')]).toEqual([[1, 2], [1]]);
    await append(store, 'b', batchOf(1, 10_000));
    expect([await seqsOf(store, 'a'), await seqsOf(store, 'b')]).toEqual([[2], [1, 2]]);
    await append(store, 'c', batchOf(1, 10_000));
    expect([await seqsOf(store, 'a'), await seqsOf(store, 'b')]).toEqual([[2], [2]]);
  });

  it('leaves room for others: what one drops by count is not counted by bytes any more', async () => {
    const { store } = await createStore({ comments: 2, bytes: 65_000 });
    await append(store, 'quiet', batchOf(1, 10_000));
    for (let i = 0; i < 100; i += 1) await append(store, 'busy', batchOf(1, 10_000));
    expect(await seqsOf(store, 'quiet')).toEqual([1]);
    expect(await seqsOf(store, 'busy')).toEqual([99, 100]);
  });
});

describe('an emptied room', () => {
  it('goes on above its last seq, with that as prev', async () => {
    const { store, clock, seen } = await createStore({ age: 1_000 });
    for (let i = 0; i < 3; i += 1) await append(store, 'a', batchOf(1));
    await clock.advance(5_000);
    expect(await seqsOf(store, 'a')).toEqual([]);
    expect(await lastSeq(store, 'a')).toBe(3);
    expect(await append(store, 'a', batchOf(1))).toBe(4);
    expect(seen.tails.at(-1)).toMatchObject([{ seq: 4, prev: 3 }]);
    expect(await seqsOf(store, 'a')).toEqual([4]);
  });
});

const ROOMS = ['a', 'b', 'c'] as const;
const LENGTH = 10_000;
const COMMENTS = 20;
const AGE = 1_000;
/** Seven batches fit, whatever the store counts for a batch beside its bytes. */
const MOST = 7;

/** The same log as one plain array. */
class Model {
  #batches: { room: string; seq: number; prev: number; count: number; at: number }[] = [];
  readonly #last = new Map<string, number>();

  append(room: string, count: number, at: number): void {
    const prev = this.lastSeq(room);
    this.#last.set(room, prev + 1);
    this.#batches.push({ room, seq: prev + 1, prev, count, at });
    while (this.#sum(room) > COMMENTS && this.of(room).length > 1) this.#drop(this.of(room)[0]);
  }

  expire(now: number): void {
    while (this.#batches.length > MOST) this.#batches.shift();
    this.#batches = this.#batches.filter(({ at }) => now - at < AGE);
  }

  of(room: string) {
    return this.#batches.filter((batch) => batch.room === room);
  }

  lastSeq(room: string): number {
    return this.#last.get(room) ?? 0;
  }

  seqBefore(room: string, upTo: number, comments: number): number {
    const kept = this.of(room).filter(({ seq }) => seq <= upTo);
    for (let i = kept.length; i >= 0; i -= 1) {
      const count = kept.slice(i).reduce((sum, batch) => sum + batch.count, 0);
      if (count >= comments && kept.length > 0) return kept[i]?.prev ?? kept.at(-1)?.seq ?? 0;
    }
    return 0;
  }

  #sum(room: string): number {
    return this.of(room).reduce((sum, { count }) => sum + count, 0);
  }

  #drop(dropped: unknown): void {
    this.#batches = this.#batches.filter((batch) => batch !== dropped);
  }
}

const room = fc.constantFrom(...ROOMS);
const appending = fc.record({ kind: fc.constant('append'), room, count: fc.integer({ min: 1, max: 12 }) });
const wait = fc.record({ kind: fc.constant('wait'), ms: fc.integer({ min: 1, max: 400 }) });
const read = fc.record({
  kind: fc.constant('read'),
  room,
  after: fc.nat(30),
  upTo: fc.nat(30),
  fit: fc.nat(4),
  comments: fc.integer({ min: 1, max: 25 }),
});

describe('the memory store', () => {
  it('gives what a plain array would give, under any order of appends, reads and waiting', async () => {
    const step = fc.oneof(
      { weight: 5, arbitrary: appending },
      { weight: 1, arbitrary: wait },
      { weight: 2, arbitrary: read },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80, size: 'max' }), async (steps) => {
        const { store, clock } = await createStore({ comments: COMMENTS, bytes: MOST * (LENGTH + 1_000), age: AGE });
        const model = new Model();
        for (const one of steps) {
          if (one.kind === 'append' && 'count' in one) {
            model.append(one.room, one.count, clock.now());
            expect(await append(store, one.room, batchOf(one.count, LENGTH))).toBe(model.lastSeq(one.room));
          }
          if ('ms' in one) await clock.advance(one.ms);
          model.expire(clock.now());
          if ('fit' in one) {
            const kept = model.of(one.room).filter(({ seq }) => seq > one.after && seq <= one.upTo);
            const first = Math.max(one.after, (model.of(one.room)[0]?.seq ?? 1) - 1);
            const expected = kept
              .slice(0, Math.max(1, one.fit))
              .map(({ seq, prev }, i) => ({ seq, prev: i === 0 ? first : prev }));
            const found = await readBatches(store, one.room, one.after, one.upTo, one.fit * LENGTH);
            expect(found.map(({ seq, prev }) => ({ seq, prev }))).toEqual(expected);
            const before = await seqBefore(store, one.room, one.upTo, one.comments);
            expect(before).toBe(model.seqBefore(one.room, one.upTo, one.comments));
          }
        }
        for (const name of ROOMS) {
          expect(await seqsOf(store, name)).toEqual(model.of(name).map(({ seq }) => seq));
          expect(await lastSeq(store, name)).toBe(model.lastSeq(name));
        }
      }),
      { numRuns: runs(50) },
    );
  });
});
