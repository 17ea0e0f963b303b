import { describe, expect, it } from 'vitest';
import { decodeBatch, type EncodedBatch, encodeBatch } from '../frames/batch.ts';
import { type RecalledComment, type Store, type StoredBatch, type StoreEvents, seqBefore } from './store.ts';

/** Keeps what a store tells. */
export class SeenEvents implements StoreEvents {
  /** Calls of the tail. */
  readonly tails: (readonly StoredBatch[])[] = [];
  /** `room seq.index` of what was recalled. */
  readonly recalls: string[] = [];

  tail(batches: readonly StoredBatch[]): void {
    this.tails.push(batches);
  }

  recalled(comments: readonly RecalledComment[]): void {
    this.recalls.push(...comments.map(({ room, id }) => `${room} ${id}`));
  }

  state(): void {}
}

/** A store that is started, and what it told so far. */
export interface StartedStore {
  readonly store: Store;
  readonly seen: SeenEvents;
}

const followed = new WeakMap<Store, Set<string>>();

/** Appends, to a room that is followed from then on. */
export async function append(store: Store, room: string, batch: EncodedBatch): Promise<number> {
  const rooms = followed.get(store) ?? new Set();
  followed.set(store, rooms);
  if (!rooms.has(room)) await store.follow(room);
  rooms.add(room);
  return store.append(room, batch);
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
  return (await readBatches(store, room, after, upTo, maxBytes)).map(({ seq }) => seq);
}

export async function readBatches(
  store: Store,
  room: string,
  after = 0,
  upTo = 1e9,
  maxBytes = 1e9,
): Promise<readonly StoredBatch[]> {
  return (await store.read(room, after, upTo, maxBytes)).batches;
}

export async function lastSeq(store: Store, room: string): Promise<number> {
  return (await store.head(room)).seq;
}

/** What every store promises. `create` gives a new one each time, without bounds that matter here. */
export function describeStore(name: string, create: () => Promise<StartedStore>): void {
  describe(`${name}: an append`, () => {
    it('is answered with a seq that rises by one in its room, whatever other rooms do', async () => {
      const { store } = await create();
      expect(await append(store, 'a', batchOf(1))).toBe(1);
      expect(await append(store, 'b', batchOf(1))).toBe(1);
      expect(await append(store, 'a', batchOf(2))).toBe(2);
      expect(await Promise.all(['a', 'b', 'none'].map((room) => lastSeq(store, room)))).toEqual([2, 1, 0]);
    });

    it('is in the tail, once, before it is answered', async () => {
      const { store, seen } = await create();
      const batch = batchOf(3);
      let tails = 0;
      await append(store, 'a', batch).then(() => {
        tails = seen.tails.length;
      });
      expect(tails).toBe(1);
      expect(seen.tails).toEqual([[{ room: 'a', seq: 1, prev: 0, count: 3, bytes: batch.bytes }]]);
    });

    it('shares one call of the tail with the others of its turn, in their order', async () => {
      const { store, seen } = await create();
      for (const room of ['a', 'b']) await store.follow(room);
      const batch = batchOf(1);
      await Promise.all([store.append('a', batch), store.append('b', batch), store.append('a', batch)]);
      await store.append('b', batch);
      expect(seen.tails.map((batches) => batches.map(({ room, seq, prev }) => [room, seq, prev]))).toEqual([
        [
          ['a', 1, 0],
          ['b', 1, 0],
          ['a', 2, 1],
        ],
        [['b', 2, 1]],
      ]);
    });

    it('that nobody waits for is finished by close', async () => {
      const { store, seen } = await create();
      await store.follow('a');
      const answered = store.append('a', batchOf(1));
      await store.close();
      expect(await answered).toBe(1);
      expect(seen.tails).toHaveLength(1);
    });

    it('keeps the three parts of a batch apart', async () => {
      const { store, seen } = await create();
      const rest = new Uint8Array([1, 2, 3]);
      const secret = new Uint8Array([4, 5]);
      await append(store, 'a', { ...batchOf(2), rest, private: secret });
      await append(store, 'a', { ...batchOf(2), private: secret });
      const expected = seen.tails.flat();
      expect(expected).toMatchObject([{ rest, private: secret }, { private: secret }]);
      expect(await readBatches(store, 'a')).toEqual(expected);
    });
  });

  describe(`${name}: following`, () => {
    it('begins at the newest batch, and brings every one after it', async () => {
      const { store, seen } = await create();
      expect(await store.follow('a')).toEqual({ seq: 0, lost: 0, ceiling: 0 });
      await store.append('a', batchOf(1));
      store.unfollow('a');
      expect(await store.follow('a')).toEqual({ seq: 1, lost: 0, ceiling: 1 });
      await store.append('a', batchOf(1));
      expect(seen.tails.flat().map(({ seq, prev }) => [seq, prev])).toEqual([
        [1, 0],
        [2, 1],
      ]);
    });

    it('of one room brings nothing of another', async () => {
      const { store, seen } = await create();
      for (const room of ['a', 'b']) await store.follow(room);
      store.unfollow('b');
      await store.follow('b');
      await Promise.all([store.append('a', batchOf(1)), store.append('b', batchOf(1))]);
      expect(seen.tails.flat().map(({ room }) => room)).toEqual(['a', 'b']);
    });
  });

  describe(`${name}: read`, () => {
    it('gives what is above `after` and up to `upTo`, oldest first, exactly as it was appended', async () => {
      const { store, seen } = await create();
      for (let i = 1; i <= 6; i += 1) await append(store, 'a', batchOf(i, i * 1_000));
      expect(await readBatches(store, 'a', 0, 6, 1e9)).toEqual(seen.tails.flat());
      expect(await seqsOf(store, 'a', 2, 5)).toEqual([3, 4, 5]);
      expect(await seqsOf(store, 'a', 6, 9)).toEqual([]);
      expect(await seqsOf(store, 'a', 4, 4)).toEqual([]);
      expect(await seqsOf(store, 'a', 9, 3)).toEqual([]);
      expect(await seqsOf(store, 'a', 4, Number.MAX_SAFE_INTEGER)).toEqual([5, 6]);
      expect(await seqsOf(store, 'a', Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)).toEqual([]);
      expect(await seqsOf(store, 'none')).toEqual([]);
    });

    it('has the place where the reader stands as the first `prev`, and says what is lost', async () => {
      const { store } = await create();
      for (let i = 0; i < 4; i += 1) await append(store, 'a', batchOf(1));
      const { batches, lost } = await store.read('a', 2, 4, 1e9);
      expect(batches.map(({ seq, prev }) => [seq, prev])).toEqual([
        [3, 2],
        [4, 3],
      ]);
      expect(lost).toBe(0);
    });

    it('gives as many as fit into `maxBytes`, and one where none does', async () => {
      const { store } = await create();
      for (let i = 0; i < 4; i += 1) await append(store, 'a', batchOf(1, 100));
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
        for (let k = 0; k <= i; k += 1) await append(store, name, batchOf(i + 1, 50));
      }
      for (const [i, name] of names.entries()) {
        const found = await readBatches(store, name);
        expect(found.map(({ room, seq, count }) => [room, seq, count])).toEqual(
          Array.from({ length: i + 1 }, (_, k) => [name, k + 1, i + 1]),
        );
        expect(await lastSeq(store, name)).toBe(i + 1);
        expect(await seqBefore(store, name, 1e9, 1e9)).toBe(0);
        expect(await seqBefore(store, name, 1e9, 1)).toBe(i);
      }
      expect(await lastSeq(store, 'z'.repeat(62))).toBe(0);
    });
  });

  describe(`${name}: seqBefore`, () => {
    it('is the seq after which at least so many comments stand, in whole batches', async () => {
      const { store } = await create();
      for (const count of [5, 1, 3, 2]) await append(store, 'a', batchOf(count));
      const startOf = (upTo: number, comments: number): Promise<number> => seqBefore(store, 'a', upTo, comments);
      expect(await Promise.all([0, 1, 2, 3, 5, 6, 7, 11, 12].map((comments) => startOf(4, comments)))).toEqual([
        4, 3, 3, 2, 2, 1, 0, 0, 0,
      ]);
      expect(await Promise.all([1, 3, 4, 5].map((comments) => startOf(3, comments)))).toEqual([2, 2, 1, 0]);
      expect(await seqBefore(store, 'none', 0, 10)).toBe(0);
    });

    it('is never below what it is told not to go below', async () => {
      const { store } = await create();
      for (const count of [5, 1, 3, 2]) await append(store, 'a', batchOf(count));
      const from = (notBelow: number, comments: number): Promise<number> =>
        seqBefore(store, 'a', 4, comments, notBelow);
      expect(await Promise.all([1, 2, 3, 6, 11, 99].map((comments) => from(2, comments)))).toEqual([3, 3, 2, 2, 2, 2]);
      expect(await Promise.all([0, 1, 3, 4].map((notBelow) => from(notBelow, 6)))).toEqual([1, 1, 3, 4]);
      expect(await seqBefore(store, 'none', 0, 10, 7)).toBe(7);
    });
  });

  describe(`${name}: a recall`, () => {
    it('takes comments out for good, tells of it, and leaves the others their ids', async () => {
      const { store, seen } = await create();
      await append(store, 'a', commentsOf('one', 'two', 'three', 'four'));
      await append(store, 'a', commentsOf('five'));
      const [before] = await readBatches(store, 'a', 0, 1);
      expect(await store.recall('a', 1, [1, 3])).toBe(2);
      const [first, second] = await readBatches(store, 'a', 0, 2);
      expect(first).toMatchObject({ seq: 1, prev: 0, count: 2 });
      expect(second).toMatchObject({ seq: 2, prev: 1, count: 1 });
      const { comments } = decodeBatch(first as StoredBatch);
      expect(comments.map(({ id, text }) => [id, text])).toEqual([
        ['1.0', 'one'],
        ['1.2', 'three'],
      ]);
      expect(Buffer.from((first as StoredBatch).bytes).includes('two')).toBe(false);
      expect(decodeBatch(before as StoredBatch).comments).toHaveLength(4);
      expect(seen.recalls).toEqual(['a 1.1', 'a 1.3']);
      expect(await seqBefore(store, 'a', 2, 3)).toBe(0);
      expect(await seqBefore(store, 'a', 2, 4)).toBe(0);
      expect(await seqBefore(store, 'a', 2, 1)).toBe(1);
    });

    it('reaches the comments that are stored and not shown, by the ids after the shown ones', async () => {
      const { store, seen } = await create();
      const { bytes: rest } = commentsOf('three', 'four');
      await append(store, 'a', { ...commentsOf('one', 'two'), rest });
      expect(await store.recall('a', 1, [0, 3, 4])).toBe(2);
      const [batch] = await readBatches(store, 'a', 0, 1);
      expect(batch?.count).toBe(1);
      expect(decodeBatch(batch as StoredBatch).comments.map(({ text }) => text)).toEqual(['two']);
      const hidden = { seq: 1, prev: 0, bytes: batch?.rest as Uint8Array };
      expect(decodeBatch(hidden).comments.map(({ text }) => text)).toEqual(['three']);
      expect(seen.recalls).toEqual(['a 1.0', 'a 1.3']);
    });

    it('says how many of the comments were there', async () => {
      const { store, seen } = await create();
      await append(store, 'a', commentsOf('one', 'two'));
      expect(await store.recall('a', 1, [2])).toBe(0);
      expect(await store.recall('a', 2, [0])).toBe(0);
      expect(await store.recall('none', 1, [0])).toBe(0);
      const both = [store.recall('a', 1, [0]), store.recall('a', 1, [0]), store.recall('a', 1, [1, 1, 0])];
      expect(await Promise.all(both)).toEqual([1, 0, 1]);
      expect(seen.recalls).toEqual(['a 1.0', 'a 1.1']);
      expect(await readBatches(store, 'a')).toMatchObject([{ seq: 1, count: 0 }]);
      expect(await lastSeq(store, 'a')).toBe(1);
    });

    it('is answered for itself, whatever others are recalled and appended at the same time', async () => {
      const { store } = await create();
      for (let i = 0; i < 60; i += 1) await append(store, `room-${i % 3}`, commentsOf('one', 'two', 'three'));
      const places = Array.from({ length: 60 }, (_, i) => [`room-${i % 3}`, 1 + Math.floor(i / 3)] as const);
      const recalls = places.flatMap(([room, seq], i) => [
        store.recall(room, seq, [i % 3]),
        store.recall(room, seq, [2]),
        store.recall(room, seq, [i % 3]),
      ]);
      const appended = append(store, 'room-0', batchOf(1));
      const found = await Promise.all(recalls);
      expect(await appended).toBe(21);
      for (const [i, [room, seq]] of places.entries()) {
        expect(found.slice(3 * i, 3 * i + 3)).toEqual([1, i % 3 === 2 ? 0 : 1, 0]);
        const batches = await readBatches(store, room, seq - 1, seq);
        const kept = ['one', 'two', 'three'].filter((_, index) => index !== 2 && index !== i % 3);
        expect(batches).toMatchObject([{ seq, count: kept.length }]);
        expect(batches.flatMap((batch) => decodeBatch(batch).comments.map(({ text }) => text))).toEqual(kept);
      }
    });
  });
}
