import { randomBytes } from 'node:crypto';
import {
  closeSync,
  cpSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Durability } from '../settings/settings.ts';
import { openEnvironment } from './lmdb-environment.ts';

const BINARY = { encoding: 'binary', keyEncoding: 'binary' } as const;
const PAGE = 4_096;
const VALUES = 300;

const base = mkdtempSync(join(tmpdir(), 'volley-damage-'));
/** A store whose last pages are in use. */
const full = join(base, 'full');
/** A store whose last pages are free, and were free from the start of the transaction that made them. */
const loose = join(base, 'loose');
/** A store of which most of the file is one large value. */
const large = join(base, 'large');
let made = 0;

function valueAt(i: number): Buffer {
  return Buffer.alloc(i % 3 === 0 ? 20_000 : 300, i);
}

beforeAll(async () => {
  for (const dir of [full, loose, large]) {
    const { root, close } = await openEnvironment(dir, 'relaxed');
    const db = root.openDB<Buffer, Buffer>('batches', BINARY);
    for (let i = 0; i < VALUES; i += 1) db.put(Buffer.from(`k${i}`), valueAt(i));
    await db.flushed;
    if (dir !== full) {
      await db.put(Buffer.from('large'), Buffer.alloc(4_000_000));
      if (dir === loose) await db.remove(Buffer.from('large'));
      for (let i = 0; i < 5; i += 1) await db.put(Buffer.from('small'), Buffer.from([i]));
    }
    await close();
  }
});

afterAll(() => rmSync(base, { recursive: true, force: true }));

function copyOf(store: string): { dir: string; data: string; pages: number } {
  made += 1;
  const dir = join(base, `copy-${made}`);
  cpSync(store, dir, { recursive: true });
  const data = join(dir, 'data.mdb');
  return { dir, data, pages: statSync(data).size / PAGE };
}

/** Opens the store and reads and writes all of it; gives the code of the fault, or how many values are right. */
async function openAndRead(dir: string, durability: Durability = 'relaxed'): Promise<string | number> {
  try {
    const { root, close } = await openEnvironment(dir, durability);
    const db = root.openDB<Buffer, Buffer>('batches', BINARY);
    let right = 0;
    for (let i = 0; i < VALUES; i += 1) if (db.get(Buffer.from(`k${i}`))?.equals(valueAt(i))) right += 1;
    for (let i = 0; i < 200; i += 1) await db.put(Buffer.from(`more${i}`), Buffer.alloc(30_000));
    await close();
    return right;
  } catch (error) {
    expect(error).toMatchObject({ name: 'VolleyError', message: expect.stringContaining(dir) });
    return (error as { code: string }).code;
  }
}

describe('a data file that was truncated is refused and never ends the process', () => {
  it.each([0, 1, 100, 2_048, PAGE, PAGE + 100, 2 * PAGE, 3 * PAGE])('to %i bytes', async (size) => {
    for (const durability of ['relaxed', 'sync'] as const) {
      const { dir, data } = copyOf(full);
      truncateSync(data, size);
      expect(await openAndRead(dir, durability)).toBe('STORE_DAMAGED');
      expect(statSync(data).size).toBe(size);
    }
  });

  it('at any page in it', async () => {
    const { dir, data, pages } = copyOf(full);
    for (const left of [pages - 1, pages - 2, Math.floor(pages / 2), Math.floor(pages / 3), 20]) {
      truncateSync(data, left * PAGE);
      expect(await openAndRead(dir)).toBe('STORE_DAMAGED');
    }
  });

  it('in the middle of a large value', async () => {
    for (let less = 900; less > 100; less -= 50) {
      const { dir, data, pages } = copyOf(large);
      truncateSync(data, (pages - less) * PAGE);
      expect(await openAndRead(dir)).toBe('STORE_DAMAGED');
    }
  });

  it('in the middle of its last page', async () => {
    const { dir, data, pages } = copyOf(full);
    truncateSync(data, pages * PAGE - 1);
    expect(await openAndRead(dir)).toBe('STORE_DAMAGED');
  });

  it('at any page of one that is mostly free, or opens with all that was in it', async () => {
    const { dir, data, pages } = copyOf(loose);
    const results: (string | number)[] = [];
    for (let left = pages - 1; left > pages / 4; left = Math.floor(left * 0.9)) {
      truncateSync(data, left * PAGE);
      const copy = copyOf(dir);
      results.push(await openAndRead(copy.dir));
    }
    expect(new Set(results)).toEqual(new Set([VALUES, 'STORE_DAMAGED']));
  });
});

it('a data file that ends before its last page, where that was never needed, opens with all that is in it', async () => {
  const { dir, data, pages } = copyOf(loose);
  truncateSync(data, (pages - 200) * PAGE);
  expect(await openAndRead(dir)).toBe(VALUES);
  expect(await openAndRead(dir)).toBe(VALUES);
});

/**
 * Makes of a closed store what a power cut may leave of one whose last transaction was not flushed: meta pages of
 * another boot, and of the last transaction no page on the disk. Layout as in lmdb-meta-page.ts.
 */
function cutPower(data: string): void {
  const bytes = readFileSync(data);
  const [newest, before] = [0, PAGE].sort((a, b) =>
    Number(bytes.readBigUInt64LE(b + 24 + 128) - bytes.readBigUInt64LE(a + 24 + 128)),
  ) as [number, number];
  bytes.copy(bytes, PAGE / 2 + 24 + 16, before + 24 + 16, before + 24 + 144);
  bytes.writeUInt16LE(bytes.readUInt16LE(PAGE / 2 + 24 + 28) & ~0x1000, PAGE / 2 + 24 + 28);
  expect(bytes.readUInt16LE(newest + 24 + 28) & 0x1000).toBe(0x1000);
  for (const meta of [0, PAGE / 2, PAGE]) bytes.writeBigInt64LE(1n, meta + 24 + 136);
  const root = Number(bytes.readBigUInt64LE(newest + 24 + 112));
  bytes.fill(0xff, root * PAGE, (root + 1) * PAGE);
  writeFileSync(data, bytes);
}

describe.each(['relaxed', 'sync'] as const)('after a power cut, opened %s', (durability) => {
  it('a store has what was flushed, and goes on from there', async () => {
    const { dir, data } = copyOf(full);
    const first = await openEnvironment(dir, 'relaxed');
    const written = first.root.openDB<Buffer, Buffer>('batches', BINARY);
    for (const value of ['flushed', 'lost']) {
      await written.put(Buffer.from('last'), Buffer.from(value));
      await written.flushed;
    }
    await first.close();
    cutPower(data);
    for (const value of ['flushed', 'newer', 'newer']) {
      const { root, close } = await openEnvironment(dir, durability);
      const db = root.openDB<Buffer, Buffer>('batches', BINARY);
      expect(db.get(Buffer.from('last'))?.toString()).toBe(value);
      await db.put(Buffer.from('last'), Buffer.from('newer'));
      await close();
    }
    expect(await openAndRead(dir, durability)).toBe(VALUES);
  });
});

describe('a data file of something else is refused', () => {
  it.each([
    ['random bytes', () => randomBytes(50 * PAGE)],
    ['zeros', () => Buffer.alloc(50 * PAGE)],
    ['text', () => Buffer.from('not a database')],
  ])('%s', async (_, create) => {
    const { dir, data } = copyOf(full);
    writeFileSync(data, create());
    expect(await openAndRead(dir)).toBe('STORE_DAMAGED');
  });

  it('whose first page or second page is overwritten', async () => {
    for (const page of [0, 1]) {
      const { dir, data } = copyOf(full);
      const fd = openSync(data, 'r+');
      writeSync(fd, randomBytes(PAGE), 0, PAGE, page * PAGE);
      closeSync(fd);
      expect(await openAndRead(dir)).toBe('STORE_DAMAGED');
    }
  });

  it('that is missing, though a store was completed there', async () => {
    const { dir, data } = copyOf(full);
    rmSync(data);
    expect(await openAndRead(dir)).toBe('STORE_DAMAGED');
  });
});
