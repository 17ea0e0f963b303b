import { describe, expect, it } from 'vitest';
import { decodeBatch, type EncodedBatch, encodeBatch } from '../frames/batch.ts';
import type { Store, StoredBatch } from './store.ts';

/** A store that is started, and what its tail delivered so far. */
export interface StartedStore {
  readonly store: Store;
  readonly tails: (readonly StoredBatch[])[];
}

/** Bytes that only a recall looks into, so any do. */
export function batchOf(count: number, length = 100): EncodedBatch {
  return { bytes: new Uint8Array(length).fill(count), count };
}

/** A real batch of comments with these texts. */
export function commentsOf(...texts: string[]): EncodedBatch {
  const common = { user: 'u', name: 'n', mode: 0, color: 0xff0000, size: 25, extra: 'x', at: 1_764_000_000_000 };
  return encodeBatch(texts.map((text) => ({ ...common, text })));
}

export async function seqsOf(store: Store, room: string, after = 0, upTo = 1e9, maxBytes = 1e9): Promise<number[]> {
  return (await store.read(room, after, upTo, maxBytes)).map(({ seq }) => seq);
}

/** What every store promises. `create` gives a new one each time, without bounds that matter here. */
export function describeStore(name: string, create: () => Promise<StartedStore>): void {
  describe(`${name}: an append`, () => {
    it('is answered with a seq that rises by one in its room, whatever other rooms do', async () => {
      const { store } = await create();
      expect(await store.append('a', batchOf(1))).toBe(1);
      expect(await store.append('b', batchOf(1))).toBe(1);
      expect(await store.append('a', batchOf(2))).toBe(2);
      expect([store.lastSeq('a'), store.lastSeq('b'), store.lastSeq('none')]).toEqual([2, 1, 0]);
    });

    it('is in the tail, once, before it is answered, and is the last seq then', async () => {
      const { store, tails } = await create();
      const batch = batchOf(3);
      let seen: unknown;
      await store.append('a', batch).then(() => {
        seen = [tails.length, store.lastSeq('a')];
      });
      expect(seen).toEqual([1, 1]);
      expect(tails).toEqual([[{ room: 'a', seq: 1, prev: 0, count: 3, bytes: batch.bytes }]]);
    });

    it('shares one call of the tail with the others of its turn, in their order', async () => {
      const { store, tails } = await create();
      await Promise.all([store.append('a', batchOf(1)), store.append('b', batchOf(1)), store.append('a', batchOf(1))]);
      await store.append('b', batchOf(1));
      expect(tails.map((batches) => batches.map(({ room, seq, prev }) => [room, seq, prev]))).toEqual([
        [
          ['a', 1, 0],
          ['b', 1, 0],
          ['a', 2, 1],
        ],
        [['b', 2, 1]],
      ]);
    });

    it('that nobody waits for is finished by close', async () => {
      const { store, tails } = await create();
      const answered = store.append('a', batchOf(1));
      await store.close();
      expect(await answered).toBe(1);
      expect(tails).toHaveLength(1);
    });
  });

  describe(`${name}: read`, () => {
    it('gives what is above `after` and up to `upTo`, oldest first, exactly as it was appended', async () => {
      const { store, tails } = await create();
      for (let i = 1; i <= 6; i += 1) await store.append('a', batchOf(i, i * 1_000));
      expect(await store.read('a', 0, 6, 1e9)).toEqual(tails.flat());
      expect(await seqsOf(store, 'a', 2, 5)).toEqual([3, 4, 5]);
      expect(await seqsOf(store, 'a', 6, 9)).toEqual([]);
      expect(await seqsOf(store, 'a', 4, 4)).toEqual([]);
      expect(await seqsOf(store, 'a', 9, 3)).toEqual([]);
      expect(await seqsOf(store, 'a', 4, Number.MAX_SAFE_INTEGER)).toEqual([5, 6]);
      expect(await seqsOf(store, 'a', Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)).toEqual([]);
      expect(await seqsOf(store, 'none')).toEqual([]);
    });

    it('gives as many as fit into `maxBytes`, and one where none does', async () => {
      const { store } = await create();
      for (let i = 0; i < 4; i += 1) await store.append('a', batchOf(1, 100));
      expect(await seqsOf(store, 'a', 0, 4, 300)).toEqual([1, 2, 3]);
      expect(await seqsOf(store, 'a', 0, 4, 299)).toEqual([1, 2]);
      expect(await seqsOf(store, 'a', 2, 4, 1)).toEqual([3]);
      expect(await seqsOf(store, 'a', 4, 4, 1)).toEqual([]);
    });

    it('does not mix rooms whose names begin with each other', async () => {
      const { store } = await create();
      const names = [
        'a',
        'a.b',
        'ab',
        'a:b',
        'a-b',
        '-',
        '.',
        '..',
        '..a',
        ':',
        '0',
        'A',
        'z'.repeat(63),
        'z'.repeat(64),
        '~'.repeat(64),
      ];
      for (const [i, name] of names.entries()) {
        for (let k = 0; k <= i; k += 1) await store.append(name, batchOf(i + 1, 50));
      }
      for (const [i, name] of names.entries()) {
        const found = await store.read(name, 0, 1e9, 1e9);
        expect(found.map(({ room, seq, count }) => [room, seq, count])).toEqual(
          Array.from({ length: i + 1 }, (_, k) => [name, k + 1, i + 1]),
        );
        expect(store.lastSeq(name)).toBe(i + 1);
        expect(await store.seqBefore(name, 1e9, 1e9)).toBe(0);
        expect(await store.seqBefore(name, 1e9, 1)).toBe(i);
      }
      expect(store.lastSeq('z'.repeat(62))).toBe(0);
    });
  });

  describe(`${name}: seqBefore`, () => {
    it('is the seq after which at least so many comments stand, in whole batches', async () => {
      const { store } = await create();
      for (const count of [5, 1, 3, 2]) await store.append('a', batchOf(count));
      const seqBefore = (upTo: number, comments: number): Promise<number> => store.seqBefore('a', upTo, comments);
      expect(await Promise.all([0, 1, 2, 3, 5, 6, 7, 11, 12].map((comments) => seqBefore(4, comments)))).toEqual([
        4, 3, 3, 2, 2, 1, 0, 0, 0,
      ]);
      expect(await Promise.all([1, 3, 4, 5].map((comments) => seqBefore(3, comments)))).toEqual([2, 2, 1, 0]);
      expect(await store.seqBefore('none', 0, 10)).toBe(0);
    });

    it('is never below what it is told not to go below', async () => {
      const { store } = await create();
      for (const count of [5, 1, 3, 2]) await store.append('a', batchOf(count));
      const from = (notBelow: number, comments: number): Promise<number> => store.seqBefore('a', 4, comments, notBelow);
      expect(await Promise.all([1, 2, 3, 6, 11, 99].map((comments) => from(2, comments)))).toEqual([3, 3, 2, 2, 2, 2]);
      expect(await Promise.all([0, 1, 3, 4].map((notBelow) => from(notBelow, 6)))).toEqual([1, 1, 3, 4]);
      expect(await store.seqBefore('none', 0, 10, 7)).toBe(7);
    });
  });

  describe(`${name}: a recall`, () => {
    it('takes one comment out for good, and leaves the others their ids', async () => {
      const { store } = await create();
      await store.append('a', commentsOf('one', 'two', 'three'));
      await store.append('a', commentsOf('four'));
      const [before] = await store.read('a', 0, 1, 1e9);
      expect(await store.recall('a', 1, 1)).toBe(true);
      const [first, second] = await store.read('a', 0, 2, 1e9);
      expect(first).toMatchObject({ seq: 1, prev: 0, count: 2 });
      expect(second).toMatchObject({ seq: 2, prev: 1, count: 1 });
      const { comments } = decodeBatch(first as StoredBatch);
      expect(comments.map(({ id, text }) => [id, text])).toEqual([
        ['1.0', 'one'],
        ['1.2', 'three'],
      ]);
      expect(Buffer.from((first as StoredBatch).bytes).includes('two')).toBe(false);
      expect(decodeBatch(before as StoredBatch).comments).toHaveLength(3);
      expect(await store.seqBefore('a', 2, 3)).toBe(0);
      expect(await store.seqBefore('a', 2, 4)).toBe(0);
      expect(await store.seqBefore('a', 2, 1)).toBe(1);
    });

    it('says that there is no such comment, or no longer', async () => {
      const { store } = await create();
      await store.append('a', commentsOf('one', 'two'));
      expect(await store.recall('a', 1, 2)).toBe(false);
      expect(await store.recall('a', 2, 0)).toBe(false);
      expect(await store.recall('none', 1, 0)).toBe(false);
      const both = [store.recall('a', 1, 0), store.recall('a', 1, 0), store.recall('a', 1, 1)];
      expect(await Promise.all(both)).toEqual([true, false, true]);
      expect(await store.read('a', 0, 1, 1e9)).toMatchObject([{ seq: 1, count: 0 }]);
      expect(store.lastSeq('a')).toBe(1);
    });

    it('is answered for itself, whatever others are recalled and appended at the same time', async () => {
      const { store } = await create();
      for (let i = 0; i < 200; i += 1) await store.append(`room-${i % 3}`, commentsOf('one', 'two', 'three'));
      const places = Array.from({ length: 200 }, (_, i) => [`room-${i % 3}`, 1 + Math.floor(i / 3)] as const);
      const recalls = places.flatMap(([room, seq], i) => [
        store.recall(room, seq, i % 3),
        store.recall(room, seq, 2),
        store.recall(room, seq, i % 3),
      ]);
      const appended = store.append('room-0', batchOf(1));
      const found = await Promise.all(recalls);
      expect(await appended).toBe(68);
      for (const [i, [room, seq]] of places.entries()) {
        expect(found.slice(3 * i, 3 * i + 3)).toEqual([true, i % 3 !== 2, false]);
        const batches = await store.read(room, seq - 1, seq, 1e9);
        const kept = ['one', 'two', 'three'].filter((_, place) => place !== 2 && place !== i % 3);
        expect(batches).toMatchObject([{ seq, count: kept.length }]);
        expect(batches.flatMap((batch) => decodeBatch(batch).comments.map(({ text }) => text))).toEqual(kept);
      }
    });
  });
}
