import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { FakeClock } from '../clock.fixture.ts';
import { VolleyError } from '../codes.ts';
import { decodeBatch } from '../frames/batch.ts';
import { openEnvironment } from './lmdb-environment.ts';
import { encodeBatchKey, encodeRecall } from './lmdb-keys.ts';
import { LmdbRecallLog } from './lmdb-recall-log.ts';
import { LmdbRecalls } from './lmdb-recalls.ts';
import { LmdbSpace } from './lmdb-space.ts';
import { LmdbTables } from './lmdb-tables.ts';
import { LmdbWriter } from './lmdb-writer.ts';
import { commentsOf } from './store-contract.fixture.ts';
import { temporaryDir } from './store-lmdb.fixture.ts';

/** Recalls on tables that hold these batches of room `a`, from seq 1 on. */
async function startRecalls(batches: readonly { bytes: Uint8Array; count: number }[]) {
  const dir = join(await temporaryDir(), 'store');
  const { root, close } = await openEnvironment(dir, 'sync');
  const tables = new LmdbTables(root);
  const space = await LmdbSpace.open(dir);
  const onFault = (error: unknown): void => {
    throw error;
  };
  const clock = new FakeClock();
  const writer = new LmdbWriter({ root, dir, tables, space, durability: 'sync', clock, onFault });
  for (const [i, { bytes, count }] of batches.entries()) {
    const key = encodeBatchKey('a', { seq: i + 1, prev: i, count, at: 1 });
    if (i < batches.length - 1) tables.batches.put(key, bytes);
    else await tables.batches.put(key, bytes);
  }
  onTestFinished(async () => {
    await writer.finish();
    await space.close();
    await close();
  });
  const lastTransaction = (): number => (root.getStats() as { lastTxnId: number }).lastTxnId;
  const before = lastTransaction();
  const transactions = (): number => lastTransaction() - before;
  const recalls = new LmdbRecalls(tables, writer, new LmdbRecallLog(tables, clock));
  /** The first comment of each of the first `count` batches. */
  const recallFirsts = (count: number): Promise<boolean>[] =>
    Array.from({ length: count }, (_, i) => recalls.recall('a', i + 1, 0));
  return { recalls, recallFirsts, tables, writer, space, clock, transactions };
}

/** So many batches of one comment. */
function singles(count: number, length = 10) {
  return Array.from({ length: count }, () => commentsOf('x'.repeat(length)));
}

/** A disk on which no transaction of more than `batches` batches fits. */
function limitSpace(space: LmdbSpace, batches: number): void {
  const kept = 32 * 32_768 + 2 * 262_144;
  vi.spyOn(space, 'reserve').mockImplementation(async (_used, bytes) => {
    if (bytes > kept + (batches + 0.5) * 32_768) throw Object.assign(new Error('full'), { code: 'ENOSPC' });
  });
}

describe('recalls that are asked for at once', () => {
  it('of one batch rewrite it once, and each is told of its own place', async () => {
    const texts = Array.from({ length: 200 }, (_, i) => `text ${i}`);
    const { recalls, tables, transactions } = await startRecalls([commentsOf(...texts)]);
    const places = [...texts.keys(), 7, 200, -1, 7].filter((place) => place !== 99);
    const found = await Promise.all(places.map((place) => recalls.recall('a', 1, place)));
    expect(found).toEqual([...texts.slice(1).map(() => true), false, false, false, false]);
    expect(transactions()).toBe(1);
    const [batch, ...others] = [...tables.batchesOf('a', 0, 9)];
    expect(others).toEqual([]);
    expect(batch).toMatchObject({ seq: 1, count: 1 });
    if (batch) expect(decodeBatch(batch).comments).toMatchObject([{ id: '1.99', text: 'text 99' }]);
  });

  it('of many batches are done in a few transactions, and what else is written does not wait for all', async () => {
    const { recallFirsts, tables, writer, transactions } = await startRecalls(singles(300));
    let answered = 0;
    const all = recallFirsts(300);
    for (const one of all) void one.then(() => (answered += 1));
    const put = (): void => void tables.rooms.put(Buffer.from('z'), Buffer.alloc(6));
    await writer.write(() => ({ put, bytes: 6, batches: 1 }));
    expect(answered).toBe(128);
    expect(new Set(await Promise.all(all))).toEqual(new Set([true]));
    expect(transactions()).toBe(4);
    expect([...tables.keysBefore('a', 999)].map(({ count }) => count)).toEqual(new Array(300).fill(0));
  });

  it('of large batches are fewer a transaction', async () => {
    const { recallFirsts, transactions } = await startRecalls(singles(10, 100_000));
    expect(await Promise.all(recallFirsts(10))).toEqual(new Array(10).fill(true));
    expect(transactions()).toBe(4);
  });

  it('and a batch that cannot be read fail only those of that batch', async () => {
    const [first, second] = singles(2);
    const { recalls, tables } = await startRecalls([first, { bytes: Uint8Array.of(1), count: 1 }, second].map(given));
    const outcomes = await Promise.allSettled([1, 2, 2, 3].map((seq) => recalls.recall('a', seq, 0)));
    const corrupt = { status: 'rejected', reason: { code: 'BATCH_CORRUPT' } };
    const done = { status: 'fulfilled', value: true };
    expect(outcomes).toMatchObject([done, corrupt, corrupt, done]);
    expect([...tables.batchesOf('a', 0, 9)].map(({ count }) => count)).toEqual([0, 1, 0]);
  });

  it('of what is not there write nothing, and leave the loop its turns', async () => {
    const { recalls, transactions } = await startRecalls(singles(1));
    let turns = 0;
    let over = false;
    const counting = (async () => {
      for (; !over; turns += 1) await nextTurn();
    })();
    const found = await Promise.all(Array.from({ length: 1_280 }, (_, i) => recalls.recall('a', i + 2, 0)));
    over = true;
    await counting;
    expect(found).toEqual(new Array(1_280).fill(false));
    expect(turns).toBeGreaterThanOrEqual(9);
    expect(transactions()).toBe(0);
  });
});

describe('what is remembered of recalls', () => {
  it('goes after five minutes, as more is recalled', async () => {
    const { recallFirsts, recalls, tables, clock, transactions } = await startRecalls(singles(130));
    const kept = (): number => [...tables.recalls.getKeys()].length;
    await Promise.all(recallFirsts(100));
    expect(kept()).toBe(100);
    clock.jump(300_001);
    for (let i = 100; i < 130; i += 1) await recalls.recall('a', i + 1, 0);
    expect([kept(), transactions()]).toEqual([70, 31]);
    clock.jump(300_001);
    expect(await recalls.recall('a', 130, 0)).toBe(false);
    expect(kept()).toBe(70);
  });

  it('is given at the start, the newest 200,000 of it, and leaves the loop its turns', async () => {
    const { tables, clock } = await startRecalls(singles(1));
    const places = Array.from({ length: 1_000 }, (_, place) => place);
    const written = Array.from({ length: 250 }, (_, seq) => {
      const { key, value } = encodeRecall({ at: clock.unix() - 250 + seq, room: 'a', seq, places });
      return tables.recalls.put(key, value);
    });
    await Promise.all(written);
    let turns = 0;
    let over = false;
    const counting = (async () => {
      for (; !over; turns += 1) await nextTurn();
    })();
    vi.spyOn(clock, 'now').mockImplementation(() => performance.now() * 100);
    const ids = (await new LmdbRecallLog(tables, clock).recent()).map(({ id }) => id);
    over = true;
    await counting;
    expect(turns).toBeGreaterThan(10);
    expect(ids).toHaveLength(200_000);
    expect([ids[0], ids[1], ids.at(-1)]).toEqual(['50.0', '50.1', '249.999']);
  });

  it('is nothing of a recall that failed', async () => {
    const { recallFirsts, space, tables } = await startRecalls(singles(1));
    limitSpace(space, 0);
    await Promise.allSettled(recallFirsts(1));
    vi.mocked(space.reserve).mockRestore();
    expect([...tables.recalls.getKeys()]).toEqual([]);
  });
});

describe('recalls for which there is no space', () => {
  it('are done a few at a time where a few fit', async () => {
    const { recallFirsts, space, transactions } = await startRecalls(singles(200));
    limitSpace(space, 3);
    expect(await Promise.all(recallFirsts(200))).toEqual(new Array(200).fill(true));
    expect(transactions()).toBeGreaterThanOrEqual(200 / 3);
  });

  it('are refused where not one fits, and done once there is space', async () => {
    const { recallFirsts, space, transactions } = await startRecalls(singles(3));
    limitSpace(space, 0);
    const refused = { status: 'rejected', reason: { code: 'STORE_FULL' } };
    expect(await Promise.allSettled(recallFirsts(3))).toMatchObject([refused, refused, refused]);
    expect(transactions()).toBe(0);
    vi.mocked(space.reserve).mockRestore();
    expect(await Promise.all(recallFirsts(3))).toEqual([true, true, true]);
  });
});

describe('recalls that LMDB takes no more', () => {
  it('are refused all, those that come later too', async () => {
    const { recallFirsts, writer } = await startRecalls(singles(200));
    const fault = new VolleyError('STORE_FAILED', 'must be opened again');
    vi.spyOn(writer, 'writeThen').mockImplementation(async (_prepare, finish) => finish(Promise.reject(fault)));
    for (let i = 0; i < 2; i += 1) {
      const outcomes = await Promise.allSettled(recallFirsts(200));
      expect(outcomes).toEqual(new Array(200).fill({ status: 'rejected', reason: fault }));
    }
  });
});

function given<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('absent');
  return value;
}
