import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Durability } from '../settings/settings.ts';
import { type LmdbEnvironment, openEnvironment } from './lmdb-environment.ts';

export const BINARY = { encoding: 'binary', keyEncoding: 'binary' } as const;
/** How many values a filled store has. */
export const VALUES = 200;

/** Everything that a test makes lies in it. */
export const base = mkdtempSync(join(tmpdir(), 'volley-environment-'));
let made = 0;

export function removeAll(): void {
  rmSync(base, { recursive: true, force: true });
}

/** A path where nothing is yet. */
export function newPath(): string {
  made += 1;
  return join(base, `store-${made}`);
}

function valueAt(i: number): Buffer {
  return Buffer.alloc(i % 3 === 0 ? 20_000 : 300, i);
}

/** Puts VALUES values into the table `batches`, from number `from` on. */
export async function fill({ root }: LmdbEnvironment, from = 0): Promise<void> {
  const db = root.openDB<Buffer, Buffer>('batches', BINARY);
  for (let i = from; i < from + VALUES; i += 1) db.put(Buffer.from(`k${i}`), valueAt(i));
  await db.flushed;
}

/** How many of the values are there and right. */
export function countValues({ root }: LmdbEnvironment): number {
  const db = root.openDB<Buffer, Buffer>('batches', BINARY);
  let count = 0;
  while (db.get(Buffer.from(`k${count}`))?.equals(valueAt(count))) count += 1;
  return count;
}

/** A store with values in it, closed. */
export async function createStore(durability: Durability = 'relaxed'): Promise<string> {
  const dir = newPath();
  const environment = await openEnvironment(dir, durability);
  await fill(environment);
  await environment.close();
  return dir;
}

/** What is in a directory: names, bytes and times of change. */
export function look(dir: string): unknown {
  return readdirSync(dir).map((name) => {
    const { mtimeMs, size } = statSync(join(dir, name));
    return { name, mtimeMs, size, bytes: readFileSync(join(dir, name)).toString('base64') };
  });
}

/** The fault of opening `dir`: its code, and its message, which is one line that names the directory. */
export async function faultOf(
  dir: string,
  durability: Durability = 'relaxed',
): Promise<{ code: string; message: string }> {
  const opened = openEnvironment(dir, durability);
  const error = await opened.then(
    async (environment) => {
      await environment.close();
      return undefined;
    },
    (fault: unknown) => fault,
  );
  expect(error).toMatchObject({ name: 'VolleyError', code: expect.stringMatching(/^STORE_/) });
  const { code, message } = error as { code: string; message: string };
  expect(message).toContain(dir);
  expect(message).not.toContain('\n');
  return { code, message };
}
