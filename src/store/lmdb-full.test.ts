/** A disk that is full, and has space again. A small file system is mounted for it, which only root may. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ServerProcess, startProcess } from '../server-process.fixture.ts';
import { ViewerClient } from '../viewer-client.fixture.ts';
import { readRoom } from './kill-rounds.fixture.ts';
import { Tmpfs } from './tmpfs.fixture.ts';

const MEGABYTES = 12;

/** Space that is taken by something else, and given back later. */
const BALLAST = 6 * 1_048_576;

const tmpfs = Tmpfs.mount(MEGABYTES);
if (tmpfs === null) process.stderr.write('left out, since nothing can be mounted here: the store on a full disk\n');

describe.skipIf(tmpfs === null)('on a full disk', () => {
  const mounted = tmpfs?.dir ?? '';
  const ballast = join(mounted, 'ballast');
  const args = ['--store', `lmdb:${join(mounted, 'data')}`, '--interval', '20', '--workers', '1'];
  let server: ServerProcess;

  beforeAll(async () => {
    writeFileSync(ballast, Buffer.alloc(BALLAST, 1));
    server = await startProcess(args);
  });

  afterAll(async () => {
    expect(await server.stop()).toBe(0);
    tmpfs?.unmount();
  });

  it('comments are refused STORE_FULL, what is stored is pushed and read, and space that comes back is used', async () => {
    const viewer = new ViewerClient(server.viewerUrl, 'a');
    await viewer.welcome();
    const stored: string[] = [];
    const post = async (count: number): Promise<number> => {
      const comments = Array.from({ length: count }, (_, i) => ({ text: `${stored.length + i} ${'弹'.repeat(150)}` }));
      const { status, body } = await server.post('a', comments, '?wait=stored');
      if (status === 201) stored.push(...comments.map(({ text }) => text));
      else expect(body).toMatchObject({ code: 'STORE_FULL' });
      return status;
    };
    let status = 201;
    for (let i = 0; i < 500 && status === 201; i += 1) status = await post(100);
    expect(status).toBe(507);
    expect(stored.length).toBeGreaterThan(100);
    await viewer.until(() => viewer.comments.length === stored.length);
    expect((await readRoom(server, 'a')).map(({ text }) => text)).toEqual(stored);
    expect(await post(100)).toBe(507);
    expect(await server.metric('volley_refused_total', 'code="STORE_FULL"')).toBeGreaterThanOrEqual(200);

    rmSync(ballast);
    expect(await post(100)).toBe(201);
    expect(await post(100)).toBe(201);
    await viewer.until(() => viewer.comments.length === stored.length);
    expect(viewer.comments.map(({ text }) => text)).toEqual(stored);
    expect(viewer.faults).toEqual([]);
    await viewer.close();

    expect(await server.stop()).toBe(0);
    server = await startProcess(args);
    expect((await readRoom(server, 'a')).map(({ text }) => text)).toEqual(stored);
  });
});
