import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HistoryCut } from './history-cut.ts';
import type { LiveBatch } from './live-comment.ts';

/** A message of these batches, each of so many comments. */
function message(...batches: readonly (readonly [seq: number, comments: number])[]): LiveBatch {
  const plain = { user: '', name: '', text: 'x', mode: 'scroll', color: 0, size: 25, at: 0, time: 0 } as const;
  const comments = batches.flatMap(([seq, count]) =>
    Array.from({ length: count }, (_, i) => ({ ...plain, id: `${seq}.${i}` })),
  );
  return { seq: batches.at(-1)?.[0] ?? 0, prev: (batches[0]?.[0] ?? 1) - 1, at: 0, viewers: 1, comments };
}

function ids(batches: readonly LiveBatch[]): string[] {
  return batches.flatMap(({ comments }) => comments.map(({ id }) => id));
}

describe('the last comments of a history', () => {
  it('are told once its last batch has come, and no more than were asked for', () => {
    const cut = new HistoryCut(3);
    cut.begin(7);
    expect(cut.take(message([5, 20]))).toStrictEqual([]);
    expect(ids(cut.take(message([6, 1], [7, 1])))).toStrictEqual(['5.19', '6.0', '7.0']);
  });

  it('are all there are, where there are fewer', () => {
    const cut = new HistoryCut(50);
    cut.begin(7);
    expect(ids(cut.take(message([7, 2])))).toStrictEqual(['7.0', '7.1']);
  });

  it('do not count what is new, which may come in the same message', () => {
    const cut = new HistoryCut(2);
    cut.begin(7);
    expect(ids(cut.take(message([7, 3], [8, 2])))).toStrictEqual(['7.1', '7.2', '8.0', '8.1']);
    expect(ids(cut.take(message([9, 1])))).toStrictEqual(['9.0']);
  });

  it('are those before, where one that is held is taken back', () => {
    const cut = new HistoryCut(3);
    cut.begin(7);
    cut.take(message([6, 3]));
    cut.recall(['6.2', '1.0']);
    expect(ids(cut.take(message([7, 1])))).toStrictEqual(['6.0', '6.1', '7.0']);
  });

  it('are told where nothing more of it will come', () => {
    const cut = new HistoryCut(3);
    cut.begin(7);
    cut.take(message([5, 1]));
    expect(cut.release(6)).toStrictEqual([]);
    expect(ids(cut.release(7))).toStrictEqual(['5.0']);
    expect(ids(cut.take(message([8, 5])))).toHaveLength(5);
  });

  it('are of the room as it is: one that has begun anew has no history to wait for', () => {
    const cut = new HistoryCut(3);
    cut.begin(7);
    cut.take(message([5, 1]));
    cut.forget();
    expect(ids(cut.take(message([1, 5])))).toHaveLength(5);
  });

  it('are exactly the last, in order, however the batches come', () => {
    const batches = fc.array(fc.nat(5), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(batches, fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 4 }), (counts, most, merge) => {
        const cut = new HistoryCut(most);
        cut.begin(counts.length);
        const told: LiveBatch[] = [];
        const log = counts.map((count, i) => [i + 1, count] as const);
        for (let i = 0; i < log.length; i += merge) told.push(...cut.take(message(...log.slice(i, i + merge))));
        expect(ids(told)).toStrictEqual(ids([message(...log)]).slice(-most));
      }),
    );
  });
});
