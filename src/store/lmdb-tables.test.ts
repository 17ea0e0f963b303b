import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openEnvironment } from './lmdb-environment.ts';
import { encodeOrderKey } from './lmdb-keys.ts';
import { LmdbTables } from './lmdb-tables.ts';
import { temporaryDir } from './store-lmdb.fixture.ts';

describe('the tables', () => {
  it('exist once they were made, also when the database is opened again', async () => {
    const dir = join(await temporaryDir(), 'store');
    const first = await openEnvironment(dir, 'relaxed');
    expect(LmdbTables.exist(first.root)).toBe(false);
    new LmdbTables(first.root);
    expect(LmdbTables.exist(first.root)).toBe(true);
    await first.close();
    const second = await openEnvironment(dir, 'sync');
    expect(LmdbTables.exist(second.root)).toBe(true);
    await second.close();
  });

  it('give a counter above those of the newest entry and of all that lie in the future', async () => {
    const { root, close } = await openEnvironment(join(await temporaryDir(), 'store'), 'relaxed');
    const tables = new LmdbTables(root);
    expect(tables.lastCounter(0)).toBe(0);
    for (const [at, counter] of [
      [1_000, 7],
      [2_000, 90],
      [3_000, 8],
    ] as const) {
      await tables.order.put(encodeOrderKey(at, counter), Buffer.from('x'));
    }
    expect(tables.lastCounter(5_000)).toBe(8);
    expect(tables.lastCounter(2_000)).toBe(90);
    await close();
  });
});
