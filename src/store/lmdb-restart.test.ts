/** A server that is killed just after a recall: its viewers come back to the next one. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { startProcess } from '../server-process.fixture.ts';
import { ViewerClient } from '../viewer-client.fixture.ts';

it('a viewer that comes back after a restart hears what was recalled before it', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'volley-restart-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const args = ['--store', `lmdb:${dir}`, '--interval', '50', '--workers', '1'];
  const first = await startProcess(args);
  const { body } = await first.post('a', [{ text: 'fine' }, { text: 'rude' }], '?wait=stored');
  expect(body.ids).toEqual(['1.0', '1.1']);
  expect((await fetch(`${first.apiUrl}/rooms/a/comments/1.1`, { method: 'DELETE' })).status).toBe(204);
  expect(await first.stop('SIGKILL')).toBe('SIGKILL');

  const second = await startProcess(args);
  const back = new ViewerClient(second.viewerUrl, 'a', { query: '?since=1' });
  expect(await back.message(({ type }) => type === 'recall')).toEqual({ type: 'recall', ids: ['1.1'] });
  const fresh = new ViewerClient(second.viewerUrl, 'a', { query: '?history=9' });
  await fresh.until(() => fresh.comments.length === 1);
  for (const viewer of [back, fresh]) await viewer.close();
  expect(await second.stop()).toBe(0);
});
