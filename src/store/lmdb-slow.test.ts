/** A store that stands still for seconds: another process holds the database's write lock. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compiledFile } from '../compiled-file.ts';
import { type ServerProcess, startProcess } from '../server-process.fixture.ts';
import { ViewerClient } from '../viewer-client.fixture.ts';
import { readRoom } from './kill-rounds.fixture.ts';

const HELD_MS = 3_000;
const MOST_PENDING = 10;

let dir: string;
let server: ServerProcess;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'volley-slow-'));
  server = await startProcess([
    ...['--store', `lmdb:${dir}`, '--interval', '50', '--workers', '1'],
    ...['--max-pending', String(MOST_PENDING), '--heartbeat', '1000'],
  ]);
});

afterAll(async () => {
  expect(await server.stop()).toBe(0);
  rmSync(dir, { recursive: true, force: true });
});

/** Holds the write lock; resolves once it is held. `released` resolves when it no longer is. */
async function holdLock(): Promise<{ released: Promise<unknown> }> {
  const holder = spawn(process.execPath, [compiledFile('src/store/lock-holder.fixture.js'), dir, String(HELD_MS)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const released = once(holder, 'close');
  await once(holder.stdout, 'data');
  return { released };
}

describe('while the store stands still', () => {
  it('comments wait, more than may are refused, viewers hear that the link lives, and all goes on afterwards', async () => {
    const viewer = new ViewerClient(server.viewerUrl, 'a');
    await viewer.welcome();
    expect((await server.post('a', { text: 'before' }, '?wait=stored')).status).toBe(201);
    await viewer.until(() => viewer.comments.length === 1);

    const { released } = await holdLock();
    const flying = server.post('a', { text: 'in flight' }, '?wait=stored');
    await expect.poll(() => server.metric('volley_batches_total')).toBe(2);
    const texts = Array.from({ length: MOST_PENDING }, (_, i) => `pending ${i}`);
    const waiting = server.post(
      'a',
      texts.map((text) => ({ text })),
      '?wait=stored',
    );
    await expect.poll(() => server.metric('volley_pending_comments')).toBe(MOST_PENDING);
    const refused = await server.post('a', { text: 'one too many' });
    expect(refused).toMatchObject({ status: 429, body: { code: 'ROOM_BUSY', retryAfterMs: 50 } });
    await viewer.message(({ type }) => type === 'presence');
    expect(viewer.comments).toHaveLength(1);
    // What is read does not wait for what is written.
    expect((await readRoom(server, 'a')).map(({ text }) => text)).toEqual(['before']);

    await released;
    expect((await flying).body.ids).toEqual(['2.0']);
    expect((await waiting).body.ids).toEqual(texts.map((_, i) => `3.${i}`));
    await viewer.until(() => viewer.comments.length === 2 + MOST_PENDING);
    expect((await server.post('a', { text: 'after' }, '?wait=stored')).status).toBe(201);
    await viewer.until(() => viewer.comments.length === 3 + MOST_PENDING);
    const all = ['before', 'in flight', ...texts, 'after'];
    expect(viewer.comments.map(({ text }) => text)).toEqual(all);
    expect(viewer.faults).toEqual([]);
    expect((await readRoom(server, 'a')).map(({ text }) => text)).toEqual(all);
    await viewer.close();
  });
});
