/** Starts of real servers that the directory of the store forbids: exit code 1, one sentence, nothing left behind. */
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { open } from 'lmdb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compiledFile } from '../compiled-file.ts';
import { type ServerProcess, startProcess } from '../server-process.fixture.ts';
import { base, look, removeAll } from './lmdb-directory.fixture.ts';

const NOBODY = 65_534;

/** A store with comments in it, whose server was stopped. */
const stored = join(base, 'stored');

function argsFor(dir: string): string[] {
  return ['--store', `lmdb:${dir}`, '--interval', '20', '--workers', '1'];
}

async function post(server: ServerProcess, comments: number): Promise<void> {
  for (let i = 0; i < comments; i += 10) {
    const batch = Array.from({ length: 10 }, (_, j) => ({ text: `${i + j} ${'弹'.repeat(150)}` }));
    expect((await server.post('a', batch, '?wait=stored')).status).toBe(201);
  }
}

/** Two ports that are free now. */
async function freePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()];
  const ports = await Promise.all(servers.map((server) => listen(server, 0)));
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return [ports[0] ?? 0, ports[1] ?? 0];
}

function listen(server: ReturnType<typeof createServer>, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const address = server.address();
      resolve(address !== null && typeof address === 'object' ? address.port : 0);
    });
  });
}

/** Starts a server on `dir` that must not start; gives its one sentence. Its ports are free afterwards. */
async function refusalOf(dir: string, user: { uid?: number; gid?: number } = {}): Promise<string> {
  const [port, apiPort] = await freePorts();
  const args = [compiledFile('src/main.js'), ...argsFor(dir), '--port', `${port}`, '--api-port', `${apiPort}`];
  const child = spawn(process.execPath, args, { ...user, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let errors = '';
  child.stdout.on('data', (part: Buffer) => {
    output += part.toString();
    if (output.includes('"ready"')) child.kill('SIGKILL');
  });
  child.stderr.on('data', (part: Buffer) => {
    errors += part.toString();
  });
  const ended = await new Promise((resolve) => child.once('close', (code, signal) => resolve(signal ?? code)));
  expect({ ended, ready: output.includes('"ready"') }).toEqual({ ended: 1, ready: false });
  expect(errors).toMatch(/^volley: [^\n]+\n$/);
  expect(errors).toContain(dir);
  // Its process group is empty: it left no child behind.
  expect(() => process.kill(-(child.pid ?? 0), 0)).toThrow('ESRCH');
  for (const each of [port, apiPort]) {
    const server = createServer();
    expect(await listen(server, each)).toBe(each);
    await new Promise((resolve) => server.close(resolve));
  }
  return errors;
}

beforeAll(async () => {
  const server = await startProcess(argsFor(stored));
  await post(server, 200);
  expect(await server.stop()).toBe(0);
});

afterAll(removeAll);

describe('a server does not start', () => {
  it('on the directory of one that runs, and does once that was killed', async () => {
    const dir = join(base, 'shared');
    const first = await startProcess(argsFor(dir));
    await post(first, 20);
    expect(await refusalOf(dir)).toMatch(/another server runs on the store/);
    await post(first, 20);
    expect(await first.stop('SIGKILL')).toBe('SIGKILL');
    const second = await startProcess(argsFor(dir));
    const response = await fetch(`${second.apiUrl}/rooms/a/comments?limit=1000`);
    expect(((await response.json()) as { comments: unknown[] }).comments).toHaveLength(40);
    expect(await second.stop()).toBe(0);
  });

  it('in a directory that holds other files, which stay as they are', async () => {
    const dir = join(base, 'photos');
    mkdirSync(dir);
    writeFileSync(join(dir, 'family.jpg'), 'x');
    const before = look(dir);
    expect(await refusalOf(dir)).toMatch(/not a store of volley.*family\.jpg/);
    expect(look(dir)).toEqual(before);
  });

  it("in the directory of another program's LMDB database, which stays as it is", async () => {
    const dir = join(base, 'foreign');
    const root = open({ path: dir, noSubdir: false });
    await root.put('a', 'mine');
    await root.close();
    const before = look(dir);
    expect(await refusalOf(dir)).toMatch(/not a store of volley.*another program/);
    expect(look(dir)).toEqual(before);
  });

  it('where a file stands in the place of the directory or of a parent', async () => {
    const file = join(base, 'file');
    writeFileSync(file, 'x');
    expect(await refusalOf(file)).toMatch(/is not a directory/);
    expect(await refusalOf(join(file, 'data'))).toMatch(/is not a directory/);
  });

  it.each([0, 100, 4_096, 20_480, 65_536])('on a data file that was truncated to %i bytes', async (size) => {
    const dir = join(base, `truncated-${size}`);
    mkdirSync(dir);
    for (const name of readdirSync(stored)) writeFileSync(join(dir, name), readFileSync(join(stored, name)));
    truncateSync(join(dir, 'data.mdb'), size);
    expect(await refusalOf(dir)).toMatch(/is damaged: data\.mdb/);
  });
});

describe.skipIf(process.getuid?.() !== 0)(
  'a server of a user without permission (left out unless root runs it)',
  () => {
    it('does not start on a store of another user, nor where it may make no directory', async () => {
      const user = { uid: NOBODY, gid: NOBODY };
      chmodSync(base, 0o755);
      chmodSync(stored, 0o755);
      expect(await refusalOf(stored, user)).toMatch(/this user may not read and write it/);
      expect(await refusalOf(join(base, 'mine'), user)).toMatch(/this user may not read and write it/);
      chmodSync(stored, 0o700);
      expect(await refusalOf(stored, user)).toMatch(/this user may not read and write it/);
    });
  },
);
