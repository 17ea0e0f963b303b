import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { compiledFile } from '../compiled-file.ts';
import {
  BINARY,
  countValues,
  createStore,
  faultOf,
  fill,
  newPath,
  removeAll,
  VALUES,
} from './lmdb-directory.fixture.ts';
import { openEnvironment } from './lmdb-environment.ts';

afterAll(removeAll);

/** A process that opens `dir`, reads from it and stays. */
async function startHolder(dir: string): Promise<{ pid: number; kill(): Promise<void> }> {
  const module = pathToFileURL(compiledFile('src/store/lmdb-environment.js')).href;
  const code = `import { openEnvironment } from ${JSON.stringify(module)};
    const { root } = await openEnvironment(process.argv[1], 'relaxed');
    const db = root.openDB('batches', { encoding: 'binary', keyEncoding: 'binary' });
    await db.put(Buffer.from('held'), Buffer.from('1'));
    const reading = root.useReadTransaction();
    console.log(db.get(Buffer.from('held'), { transaction: reading }) && 'held');
    setInterval(() => reading, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code, dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
  expect(child.exitCode).toBeNull();
  return {
    pid: child.pid ?? 0,
    kill: async () => {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

describe.each(['relaxed', 'sync'] as const)('a new directory, %s', (durability) => {
  it('is made with its parents, and opened again with what was stored', async () => {
    const dir = join(newPath(), 'a', 'b.mdb');
    const first = await openEnvironment(dir, durability);
    await fill(first);
    await first.close();
    const again = await openEnvironment(dir, durability);
    expect(countValues(again)).toBe(VALUES);
    await again.close();
    expect(readdirSync(dir).sort()).toEqual(['data.mdb', 'lock.mdb', 'volley.lock']);
    expect(statSync(join(dir, 'data.mdb')).size).toBeLessThan(4 * 1_048_576);
  });

  it('may be empty, and hold what a file system puts there', async () => {
    const dir = newPath();
    mkdirSync(join(dir, 'lost+found'), { recursive: true });
    await (await openEnvironment(dir, durability)).close();
  });

  it('is begun anew after a first start that was killed at any point', async () => {
    const leftovers = [
      {},
      { 'lock.mdb': 0 },
      { 'lock.mdb': 16_384, 'data.mdb': 0 },
      { 'lock.mdb': 16_384, 'data.mdb': 4_096 },
      { 'lock.mdb': 16_384, 'data.mdb': 131_072 },
    ];
    for (const files of leftovers) {
      const dir = newPath();
      mkdirSync(dir);
      writeFileSync(join(dir, 'volley.lock'), 'vol');
      for (const [name, size] of Object.entries(files)) writeFileSync(join(dir, name), Buffer.alloc(size));
      await (await openEnvironment(dir, durability)).close();
      await (await openEnvironment(dir, durability)).close();
    }
  });
});

describe('a store', () => {
  it('opens with the other durability too, there and back', async () => {
    const dir = newPath();
    for (const [i, durability] of (['relaxed', 'sync', 'relaxed', 'sync'] as const).entries()) {
      const environment = await openEnvironment(dir, durability);
      await fill(environment, i * VALUES);
      expect(countValues(environment)).toBe((i + 1) * VALUES);
      await environment.close();
    }
  });

  it('is known by its data file alone, as a backup is put back', async () => {
    const dir = newPath();
    mkdirSync(dir);
    copyFileSync(join(await createStore(), 'data.mdb'), join(dir, 'data.mdb'));
    const environment = await openEnvironment(dir, 'relaxed');
    expect(countValues(environment)).toBe(VALUES);
    await environment.close();
    truncateSync(join(dir, 'data.mdb'), 0);
    expect(await faultOf(dir)).toMatchObject({ code: 'STORE_DAMAGED' });
  });

  it('opens with other files beside it', async () => {
    const dir = await createStore();
    writeFileSync(join(dir, 'notes.txt'), 'keep');
    const environment = await openEnvironment(dir, 'relaxed');
    expect(countValues(environment)).toBe(VALUES);
    await environment.close();
  });

  it('of a later volley is refused', async () => {
    const dir = newPath();
    const environment = await openEnvironment(dir, 'relaxed');
    await environment.root.openDB<Buffer, Buffer>('meta', BINARY).put(Buffer.from('format'), Buffer.from('volley 2'));
    await environment.close();
    const { code, message } = await faultOf(dir);
    expect(code).toBe('STORE_VERSION');
    expect(message).toContain('"volley 2"');
  });

  it('opens with a missing, empty, short or garbage table of readers', async () => {
    const dir = await createStore();
    const tables = [undefined, Buffer.alloc(0), randomBytes(100), randomBytes(8_272), randomBytes(100_000)];
    for (const table of tables) {
      rmSync(join(dir, 'lock.mdb'));
      if (table !== undefined) writeFileSync(join(dir, 'lock.mdb'), table);
      const environment = await openEnvironment(dir, 'relaxed');
      expect(countValues(environment)).toBe(VALUES);
      await environment.close();
    }
  });

  it('has a table of readers with no hole in it, which a full disk could not fill', async () => {
    const dir = await createStore();
    truncateSync(join(dir, 'lock.mdb'), 0);
    truncateSync(join(dir, 'lock.mdb'), 16_384);
    await (await openEnvironment(dir, 'relaxed')).close();
    const { size, blocks } = statSync(join(dir, 'lock.mdb'));
    expect(blocks * 512).toBeGreaterThanOrEqual(size);
  });
});

describe('a second server', () => {
  it('in the same process is refused until the first closes', async () => {
    const dir = newPath();
    const first = await openEnvironment(dir, 'relaxed');
    expect(await faultOf(dir)).toMatchObject({ code: 'STORE_LOCKED' });
    await fill(first);
    expect(countValues(first)).toBe(VALUES);
    await first.close();
    const second = await openEnvironment(dir, 'relaxed');
    expect(countValues(second)).toBe(VALUES);
    await second.close();
  });

  it('is refused while the first process lives, and has the store at once when that was killed', async () => {
    const dir = await createStore();
    const holder = await startHolder(dir);
    expect(await faultOf(dir)).toMatchObject({ code: 'STORE_LOCKED' });
    await holder.kill();
    const environment = await openEnvironment(dir, 'relaxed');
    expect(countValues(environment)).toBe(VALUES);
    expect(environment.root.openDB<Buffer, Buffer>('batches', BINARY).get(Buffer.from('held'))).toBeDefined();
    expect(environment.root.readerList()).not.toContain(`${holder.pid}`);
    await environment.close();
  });

  it.each([1, 2, 3])('that starts in the same moment is refused as locked or has it alone (%i)', async () => {
    const dir = newPath();
    const opened = await Promise.allSettled([1, 2, 3].map(() => openEnvironment(dir, 'relaxed')));
    const held = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    expect(held).toHaveLength(1);
    for (const result of opened) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'STORE_LOCKED' });
    }
    await held[0]?.close();
  });
});
