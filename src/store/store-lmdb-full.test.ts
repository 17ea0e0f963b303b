import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { batchOf, commentsOf, seqsOf } from './store-contract.fixture.ts';
import { startLmdbStore } from './store-lmdb.fixture.ts';
import { Tmpfs } from './tmpfs.fixture.ts';

const probe = Tmpfs.mount(1);
probe?.unmount();

/** A directory on a disk of `megabytes`. Asked for before the store, so that it outlives it. */
function smallDisk(megabytes: number): string {
  const disk = Tmpfs.mount(megabytes);
  if (disk === null) throw new Error('no file system can be mounted');
  onTestFinished(() => disk.unmount());
  return disk.dir;
}

// Left out where this user may not mount a tmpfs.
describe.skipIf(probe === null).each(['relaxed', 'sync'] as const)('a full disk (%s)', (durability) => {
  it('refuses appends with STORE_FULL, stores nothing of them, and recovers', async () => {
    const disk = smallDisk(12);
    const { store, tails, reopen } = await startLmdbStore({ durability, dir: join(disk, 'store') });
    await store.append('other', commentsOf('one', 'two'));
    for (let i = 0; i < 20; i += 1) await store.append('a', batchOf(1, 20_000));
    const filler = join(disk, 'filler');
    fill(filler);
    const delivered = tails.flat().length;
    for (let i = 0; i < 3; i += 1) {
      const both = [store.append('a', batchOf(1, 5_000_000)), store.append('b', batchOf(1, 5_000_000))];
      const outcomes = await Promise.allSettled(both);
      for (const outcome of outcomes) expect(outcome).toMatchObject({ reason: { code: 'STORE_FULL' } });
    }
    expect(tails.flat()).toHaveLength(delivered);
    expect([store.lastSeq('a'), store.lastSeq('b')]).toEqual([20, 0]);
    expect(await seqsOf(store, 'a')).toHaveLength(20);
    expect(await seqsOf(store, 'b')).toEqual([]);
    rmSync(filler);
    expect(await store.append('b', batchOf(1, 1_000_000))).toBe(1);
    expect(await store.append('a', batchOf(1, 1_000_000))).toBe(21);
    expect(await store.recall('other', 1, 0)).toBe(true);
    const again = await reopen();
    expect(await seqsOf(again.store, 'a')).toHaveLength(21);
    expect(tails.flat().at(-1)).toMatchObject({ room: 'a', seq: 21, prev: 20 });
  });

  it('does not keep close from ending', async () => {
    const disk = smallDisk(12);
    const { store, reopen } = await startLmdbStore({ durability, dir: join(disk, 'store') });
    await store.append('a', batchOf(1));
    fill(join(disk, 'filler'));
    const appended = store.append('a', batchOf(1, 5_000_000));
    const closed = store.close();
    await expect(appended).rejects.toMatchObject({ code: 'STORE_FULL' });
    await closed;
    rmSync(join(disk, 'filler'));
    const again = await reopen();
    expect(await again.store.append('a', batchOf(1))).toBe(2);
  });

  it('does not keep a store that is there from starting and being read', async () => {
    const disk = smallDisk(12);
    const first = await startLmdbStore({ durability, dir: join(disk, 'store') });
    await first.store.append('a', batchOf(1));
    await first.store.close();
    fill(join(disk, 'filler'));
    const { store } = await first.reopen();
    expect(await seqsOf(store, 'a')).toEqual([1]);
    expect(store.lastSeq('a')).toBe(1);
  });

  it('is left by dropping what is too much', async () => {
    const disk = smallDisk(12);
    const started = await startLmdbStore({ durability, dir: join(disk, 'store') });
    let stored = 0;
    for (let full = false; !full; ) {
      await started.store.append('a', batchOf(1, 60_000)).then(
        () => {
          stored += 1;
        },
        (error) => {
          expect(error).toMatchObject({ code: 'STORE_FULL' });
          full = true;
        },
      );
    }
    expect(stored).toBeGreaterThan(30);
    const { store, clock } = await started.reopen({ retainBytes: 4_000_000 });
    for (let i = 0; store.stats().bytes > 4_000_000; i += 1) {
      expect(i).toBeLessThan(1_000);
      await clock.advance(100);
    }
    expect(await store.append('a', batchOf(1, 60_000))).toBe(stored + 1);
  });
});

/** Takes all the space that is left. */
function fill(file: string): void {
  for (let size = 1_048_576; size >= 1; size = size >>> 1) {
    try {
      for (;;) writeFileSync(file, Buffer.alloc(size), { flag: 'a' });
    } catch (error) {
      if (!(error instanceof Error) || !('code' in error) || error.code !== 'ENOSPC') throw error;
    }
  }
}
