import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { encodeBatch } from '../frames/batch.ts';
import { runs } from '../testing/properties.ts';
import { batchOf, draftOf } from '../testing/rooms.ts';
import { FakeStore } from '../testing/store-fake.ts';
import { TurnQueue } from '../turn-queue.ts';
import { AT, fillRoom } from './comments.fixture.ts';
import { type HistoryRange, type HistorySource, type Place, WHOLE_HISTORY, walkHistory } from './history.ts';

function sourceOf(store: FakeStore, isGone = () => false): HistorySource {
  return { store, turns: new TurnQueue(), room: 'lobby', isGone };
}

async function walk(store: FakeStore, range: Partial<HistoryRange> = {}): Promise<string[]> {
  const ids: string[] = [];
  for await (const piece of walkHistory(sourceOf(store), { ...WHOLE_HISTORY, ...range })) {
    expect(piece.length).toBeGreaterThan(0);
    expect(piece.length).toBeLessThanOrEqual(500);
    for (const { id, text } of piece) {
      expect(text).toBe(id);
      ids.push(id);
    }
  }
  return ids;
}

/** Where a comment or a batch stands among all comments: `seq` and the place, the batch at `edge`. */
function compare(id: string, { seq, place }: Place, edge: number): number {
  const [batch = 0, at = 0] = id.split('.').map(Number);
  return batch - seq || at - (place ?? edge);
}

const places = fc.record({
  seq: fc.integer({ min: 0, max: 8 }),
  place: fc.oneof(fc.constant(null), fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 1_300 })),
});

describe('a walk through the history of a room', () => {
  it('gives what is in the range, once and in order, whatever is recalled', async () => {
    const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 1_200 })), {
      maxLength: 8,
    });
    const recalls = fc.array(fc.tuple(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 0, max: 5 })), {
      maxLength: 30,
    });
    const ranges = fc.record({
      after: places,
      before: fc.oneof(fc.constant(null), places),
      newestFirst: fc.boolean(),
      limit: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.integer({ min: 1, max: 1_500 })),
      from: fc.oneof(fc.constant(Number.NEGATIVE_INFINITY), fc.integer({ min: AT, max: AT + 8_000 })),
    });
    await fc.assert(
      fc.asyncProperty(sizes, recalls, ranges, async (batches, recalled, range) => {
        const store = new FakeStore();
        fillRoom(store, 'lobby', ...batches);
        let expected = batches.flatMap((size, i) => Array.from({ length: size }, (_, place) => `${i + 1}.${place}`));
        for (const [seq, place] of recalled) {
          await store.recall('lobby', seq, [place]);
          expected = expected.filter((id) => id !== `${seq}.${place}`);
        }
        expected = expected.filter(
          (id) =>
            compare(id, range.after, Number.POSITIVE_INFINITY) > 0 &&
            (range.before === null || compare(id, range.before, -1) < 0) &&
            AT + (Number(id.split('.')[0]) - 1) * 1_000 >= range.from,
        );
        if (range.newestFirst) expected.reverse();
        expect(await walk(store, range)).toEqual(expected.slice(0, range.limit));
      }),
      { numRuns: runs(50) },
    );
  });

  it('gives times as Unix ms', async () => {
    const store = new FakeStore();
    fillRoom(store, 'lobby', 1, 1);
    const times: number[] = [];
    for await (const piece of walkHistory(sourceOf(store), WHOLE_HISTORY)) times.push(...piece.map(({ at }) => at));
    expect(times).toEqual([AT, AT + 1_000]);
  });

  it('ends at what was the newest when it began', async () => {
    const store = new FakeStore();
    fillRoom(store, 'lobby', 600, 1);
    const ids: string[] = [];
    for await (const piece of walkHistory(sourceOf(store), WHOLE_HISTORY)) {
      store.deliver(store.put('lobby', batchOf('late')));
      ids.push(...piece.map(({ id }) => id));
    }
    expect(ids).toHaveLength(601);
    expect(ids.at(-1)).toBe('2.0');
  });

  it('reads no further than its limit needs', async () => {
    const store = new FakeStore();
    fillRoom(store, 'lobby', ...new Array<number>(100).fill(1_000));
    expect(await walk(store, { limit: 3 })).toHaveLength(3);
    expect(store.reads).toEqual([{ room: 'lobby', after: 0, upTo: 100 }]);
    expect(await walk(store, { limit: 3, newestFirst: true })).toEqual(['100.999', '100.998', '100.997']);
    expect(store.reads.slice(1)).toEqual([{ room: 'lobby', after: 99, upTo: 100 }]);
  });

  it('asks the store for nothing where there can be nothing', async () => {
    const store = new FakeStore();
    fillRoom(store, 'lobby', 3);
    expect(await walk(store, { after: { seq: 1, place: null } })).toEqual([]);
    expect(await walk(store, { after: { seq: 2 ** 52, place: 7 } })).toEqual([]);
    expect(await walk(store, { before: { seq: 0, place: null }, newestFirst: true })).toEqual([]);
    expect(store.reads).toEqual([]);
  });

  it('gives long comments in small pieces, in turns of their own', async () => {
    const store = new FakeStore();
    const extra = '\u0001'.repeat(512);
    const comments = Array.from({ length: 300 }, (_, i) => ({ ...draftOf(`${i}`.padEnd(200, '神')), extra, at: AT }));
    store.deliver(store.put('lobby', encodeBatch(comments)));
    const source = sourceOf(store);
    const next = vi.spyOn(source.turns, 'next');
    const sizes: number[] = [];
    for await (const piece of walkHistory(source, WHOLE_HISTORY)) {
      expect(JSON.stringify(piece).length).toBeLessThan(70_000);
      sizes.push(piece.length);
    }
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(300);
    expect(sizes.length).toBeGreaterThan(12);
    // Two to find and read it, one to decode it, and one for each piece.
    expect(next.mock.calls.length).toBeGreaterThan(sizes.length);
  });

  it('gives the loop a turn between two reads and between two pieces', async () => {
    const store = new FakeStore();
    fillRoom(store, 'lobby', 1_200, 1_200, 1_200);
    let turns = 0;
    let isWalking = true;
    const count = (): void => {
      turns += 1;
      if (isWalking) setImmediate(count);
    };
    setImmediate(count);
    const seen: number[] = [];
    for await (const _ of walkHistory(sourceOf(store), WHOLE_HISTORY)) seen.push(turns);
    isWalking = false;
    expect(seen.length).toBeGreaterThanOrEqual(8);
    expect(new Set(seen).size).toBe(seen.length);
  });

  it.each([false, true])('makes one piece a turn, however many walk (newest first: %s)', async (newestFirst) => {
    const store = new FakeStore();
    fillRoom(store, 'lobby', ...new Array<number>(300).fill(1), 600, 600);
    let turn = 0;
    let isWalking = true;
    const count = (): void => {
      turn += 1;
      if (isWalking) setImmediate(count);
    };
    setImmediate(count);
    const done: number[] = [];
    const turns = new TurnQueue();
    const walkOne = async (): Promise<number> => {
      let comments = 0;
      for await (const piece of walkHistory({ ...sourceOf(store), turns }, { ...WHOLE_HISTORY, newestFirst })) {
        done.push(turn);
        comments += piece.length;
      }
      return comments;
    };
    const walks = Array.from({ length: 20 }, walkOne);
    expect(done).toEqual([]);
    expect(await Promise.all(walks)).toEqual(new Array(20).fill(1_500));
    isWalking = false;
    expect(done.length).toBeGreaterThanOrEqual(20 * 3);
    expect(new Set(done).size).toBe(done.length);
  });

  it.each([false, true])('reads few bytes where few comments are wanted (newest first: %s)', async (newestFirst) => {
    const store = new FakeStore();
    fillRoom(store, 'lobby', ...new Array<number>(300).fill(1));
    const asked: number[] = [];
    const read = store.read.bind(store);
    store.read = (room, after, upTo, maxBytes) => {
      asked.push(maxBytes);
      return read(room, after, upTo, maxBytes);
    };
    expect(await walk(store, { limit: 1, newestFirst })).toHaveLength(1);
    expect(asked).toEqual([2_048]);
    expect(await walk(store, { limit: 100, newestFirst })).toHaveLength(100);
    expect(asked.slice(1)).toEqual([6_400]);
    expect(await walk(store, { newestFirst })).toHaveLength(300);
    expect(asked).toContain(16_384);
    expect(Math.max(...asked)).toBe(16_384);
  });

  it('reads more and more where few comments are wanted and few are found', async () => {
    const store = new FakeStore();
    fillRoom(store, 'lobby', ...new Array<number>(3_000).fill(1));
    const from = AT + 2_999_000;
    expect(await walk(store, { limit: 1, from })).toEqual(['3000.0']);
    expect(store.reads.length).toBeLessThan(10);
  });

  it('ends at its next read once nobody waits for it, though it has found nothing yet', async () => {
    const store = new FakeStore();
    fillRoom(store, 'lobby', ...new Array<number>(100).fill(1_000));
    const source = sourceOf(store, () => store.reads.length === 3);
    const pieces = walkHistory(source, { ...WHOLE_HISTORY, from: AT + 10_000_000 });
    expect(await pieces.next()).toEqual({ done: true, value: undefined });
    expect(store.reads).toHaveLength(3);
  });

  it('throws what the store throws', async () => {
    const store = new FakeStore();
    fillRoom(store, 'lobby', 3);
    const fault = new Error('the disk is gone');
    store.read = () => Promise.reject(fault);
    await expect(walk(store)).rejects.toBe(fault);
    await expect(walk(store, { newestFirst: true })).rejects.toBe(fault);
  });
});
