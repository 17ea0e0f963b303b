/** File systems that cannot be written. They are mounted for it, which only root may. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openEnvironment } from './lmdb-environment.ts';
import { Tmpfs } from './tmpfs.fixture.ts';

const BINARY = { encoding: 'binary', keyEncoding: 'binary' } as const;

const probe = Tmpfs.mount(1);
probe?.unmount();
if (probe === null) process.stderr.write('left out, since nothing can be mounted here: starts on a full disk\n');

/** Takes all space but `left` bytes. */
function fillDisk(dir: string, left: number): void {
  const spare = join(dir, 'spare');
  writeFileSync(spare, Buffer.alloc(left));
  expect(() => writeFileSync(join(dir, 'ballast'), Buffer.alloc(4 * 1_048_576))).toThrow('ENOSPC');
  rmSync(spare);
}

function remount(dir: string, how: 'ro' | 'rw'): void {
  expect(spawnSync('mount', ['-o', `remount,${how}`, dir]).status).toBe(0);
}

describe.skipIf(probe === null)('a store on a file system', () => {
  let tmpfs: Tmpfs;
  let dir: string;

  beforeEach(() => {
    const mounted = Tmpfs.mount(2);
    if (mounted === null) throw new Error('nothing can be mounted any more');
    tmpfs = mounted;
    dir = join(tmpfs.dir, 'data');
  });

  afterEach(() => tmpfs.unmount());

  async function createStore(): Promise<void> {
    const { root, close } = await openEnvironment(dir, 'relaxed');
    await root.openDB<Buffer, Buffer>('batches', BINARY).put(Buffer.from('k'), Buffer.from('v'));
    await close();
  }

  it('that is read-only is refused, new or not', async () => {
    await createStore();
    remount(tmpfs.dir, 'ro');
    for (const path of [dir, join(tmpfs.dir, 'new'), join(tmpfs.dir, 'newer', 'still')]) {
      await expect(openEnvironment(path, 'relaxed')).rejects.toMatchObject({
        code: 'STORE_DENIED',
        message: expect.stringMatching(/read-only: mount it for writing/),
      });
    }
    remount(tmpfs.dir, 'rw');
    await (await openEnvironment(dir, 'relaxed')).close();
  });

  it.each([0, 4_096, 12_288, 20_480, 40_960, 65_536, 131_072])(
    'with %i bytes left is refused while it is new, and begun when there is room',
    async (left) => {
      mkdirSync(dir);
      fillDisk(tmpfs.dir, left);
      for (const durability of ['relaxed', 'sync'] as const) {
        await expect(openEnvironment(dir, durability)).rejects.toMatchObject({
          code: 'STORE_DENIED',
          message: expect.stringContaining(`the store in ${dir} cannot be opened: its disk is full`),
        });
      }
      rmSync(join(tmpfs.dir, 'ballast'));
      await createStore();
      expect(readdirSync(dir).sort()).toEqual(['data.mdb', 'lock.mdb', 'volley.lock']);
    },
  );

  it('that is full opens when it is not new, so that what is stored can be read', async () => {
    await createStore();
    fillDisk(tmpfs.dir, 0);
    for (const durability of ['relaxed', 'sync'] as const) {
      const { root, close } = await openEnvironment(dir, durability);
      const db = root.openDB<Buffer, Buffer>('batches', BINARY);
      expect(db.get(Buffer.from('k'))?.toString()).toBe('v');
      await close();
    }
  });

  it('that is full is refused where the table of readers is missing', async () => {
    await createStore();
    rmSync(join(dir, 'lock.mdb'));
    fillDisk(tmpfs.dir, 0);
    await expect(openEnvironment(dir, 'relaxed')).rejects.toMatchObject({ code: 'STORE_DENIED' });
    rmSync(join(tmpfs.dir, 'ballast'));
    await (await openEnvironment(dir, 'relaxed')).close();
  });
});
