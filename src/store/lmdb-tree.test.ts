import { closeSync, fstatSync, openSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { BINARY, newPath, removeAll } from './lmdb-directory.fixture.ts';
import { openEnvironment } from './lmdb-environment.ts';
import { readMetaPage } from './lmdb-meta-page.ts';
import { LmdbTrees } from './lmdb-tree.ts';

afterAll(removeAll);

const change = fc.record({
  key: fc.nat(2_000),
  copies: fc.integer({ min: 1, max: 300 }),
  size: fc.oneof(fc.nat(200), fc.integer({ min: 1_000, max: 60_000 })),
  remove: fc.boolean(),
});

/** What the trees of a data file say: no fault, and the bytes of the format. */
function readTrees(dir: string): string | undefined {
  const fd = openSync(join(dir, 'data.mdb'), 'r');
  try {
    const meta = readMetaPage(fd);
    if (meta?.mainRoot === undefined || meta.freeRoot === undefined) return 'empty';
    const trees = new LmdbTrees(dir, fd, meta.pageSize, fstatSync(fd).size);
    trees.check(meta.mainRoot);
    trees.check(meta.freeRoot);
    const root = trees.findDatabase(meta.mainRoot, 'meta');
    expect(trees.findDatabase(meta.mainRoot, 'met')).toBeUndefined();
    return root === undefined ? undefined : trees.findValue(root, 'format')?.toString();
  } finally {
    closeSync(fd);
  }
}

it('the trees of a data file are found sound after any changes, while it is open and after', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 12 }), async (changes) => {
      const dir = newPath();
      const { root, close } = await openEnvironment(dir, 'relaxed');
      const db = root.openDB<Buffer, Buffer>('batches', BINARY);
      for (const { key, copies, size, remove } of changes) {
        for (let i = 0; i < copies; i += 1) {
          const name = Buffer.from(`key ${key + i}`);
          if (remove) db.remove(name);
          else db.put(name, Buffer.alloc(i % 10 === 0 ? size : size % 500, i));
        }
        await db.flushed;
      }
      expect(readTrees(dir)).toBe('volley 1');
      await close();
      expect(readTrees(dir)).toBe('volley 1');
    }),
    { numRuns: 25 },
  );
});
