import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { open } from 'lmdb';
import { afterAll, describe, expect, it } from 'vitest';
import { base, createStore, faultOf, look, newPath, removeAll } from './lmdb-directory.fixture.ts';
import { openEnvironment } from './lmdb-environment.ts';

afterAll(removeAll);

describe('a directory of somebody else', () => {
  it('with files in it is refused and left as it was', async () => {
    const dir = newPath();
    mkdirSync(dir);
    writeFileSync(join(dir, 'family.jpg'), 'x');
    const before = look(dir);
    expect(await faultOf(dir)).toMatchObject({ code: 'STORE_FOREIGN', message: expect.stringContaining('family.jpg') });
    expect(look(dir)).toEqual(before);
  });

  it.each([
    ['empty', []],
    ['of one database', ['users']],
    ['of hundreds of databases, one called meta', ['meta', ...Array.from({ length: 300 }, (_, i) => `room-${i}`)]],
  ])("with another program's LMDB database %s is refused and left as it was", async (_, names) => {
    const dir = newPath();
    const root = open({ path: dir, noSubdir: false, maxDbs: 400 });
    for (const name of names) await root.openDB(name, {}).put('format', 'mine');
    await root.close();
    const before = look(dir);
    expect(await faultOf(dir)).toMatchObject({ code: 'STORE_FOREIGN' });
    expect(await faultOf(dir, 'sync')).toMatchObject({ code: 'STORE_FOREIGN' });
    expect(look(dir)).toEqual(before);
  });

  it('with something else called data.mdb or volley.lock is refused and left as it was', async () => {
    for (const name of ['data.mdb', 'volley.lock']) {
      const dir = newPath();
      mkdirSync(dir);
      writeFileSync(join(dir, name), 'somebody else wrote this');
      const before = look(dir);
      expect(await faultOf(dir)).toMatchObject({ code: 'STORE_FOREIGN' });
      expect(look(dir)).toEqual(before);
      rmSync(join(dir, name));
      mkdirSync(join(dir, name));
      expect(await faultOf(dir)).toMatchObject({ code: 'STORE_FOREIGN' });
    }
  });

  it('is refused where a file stands in its place or in that of a parent', async () => {
    const file = newPath();
    writeFileSync(file, 'x');
    expect(await faultOf(file)).toMatchObject({ code: 'STORE_FOREIGN' });
    expect(await faultOf(join(file, 'data'))).toMatchObject({ code: 'STORE_FOREIGN' });
    expect(readFileSync(file, 'utf8')).toBe('x');
  });

  it('is refused where a link leads nowhere', async () => {
    const link = newPath();
    symlinkSync(join(base, 'nowhere', 'at', 'all'), link);
    expect((await faultOf(link)).code).toMatch(/^STORE_(DENIED|FOREIGN)$/);
  });
});

describe.skipIf(process.getuid?.() !== 0)('a user without permission (left out unless root runs it)', () => {
  /** Runs as the user nobody, who has no right that a file does not give. */
  async function asNobody<T>(act: () => Promise<T>): Promise<T> {
    process.setegid?.(65_534);
    process.seteuid?.(65_534);
    try {
      return await act();
    } finally {
      process.seteuid?.(0);
      process.setegid?.(0);
    }
  }

  it.each([
    ['data.mdb', 0o644],
    ['lock.mdb', 0o644],
    ['volley.lock', 0o644],
    ['data.mdb', 0o600],
    ['', 0o700],
  ])('is refused a store whose %s has mode %o', async (name, mode) => {
    const dir = await createStore();
    chmodSync(base, 0o755);
    chmodSync(dir, 0o777);
    for (const file of readdirSync(dir)) chmodSync(join(dir, file), 0o666);
    chmodSync(join(dir, name), mode);
    expect(await asNobody(() => faultOf(dir))).toMatchObject({
      code: 'STORE_DENIED',
      message: expect.stringContaining('this user may not read and write it'),
    });
    chmodSync(join(dir, name), 0o777);
    await asNobody(async () => (await openEnvironment(dir, 'relaxed')).close());
  });

  it('is refused a directory that may not be written, read or made', async () => {
    chmodSync(base, 0o755);
    for (const mode of [0o555, 0o311, 0o000]) {
      const dir = newPath();
      mkdirSync(dir);
      chmodSync(dir, mode);
      expect(await asNobody(() => faultOf(dir))).toMatchObject({ code: 'STORE_DENIED' });
      expect(readdirSync(dir)).toEqual([]);
    }
    expect(await asNobody(() => faultOf(newPath()))).toMatchObject({ code: 'STORE_DENIED' });
  });
});
