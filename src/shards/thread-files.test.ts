import { Worker } from 'node:worker_threads';
import { describe, expect, it, vi } from 'vitest';
import { threadId } from '../thread-stats.ts';
import { ThreadFiles } from './thread-files.ts';

/** A thread that runs `code` when it is told `go`; gives the thread and the kernel's id of it. */
async function startThread(code: string): Promise<{ worker: Worker; id: number }> {
  const worker = new Worker(
    `const { parentPort } = require('node:worker_threads');
     parentPort.once('message', () => { ${code} });
     parentPort.postMessage(require('node:fs').readlinkSync('/proc/thread-self'));`,
    { eval: true },
  );
  const link = await new Promise<string>((resolve) => worker.once('message', resolve));
  return { worker, id: Number(link.split('/').at(-1)) };
}

function open(id: number): ThreadFiles {
  const files = ThreadFiles.open(id);
  if (files === null) throw new Error(`thread ${id} has no files`);
  return files;
}

describe.runIf(process.platform === 'linux')('the files of a thread', () => {
  it('tell that it runs', async () => {
    const { worker, id } = await startThread('for (;;);');
    const files = open(id);
    const before = files.times()?.ran ?? Number.NaN;
    worker.postMessage('go');
    await vi.waitFor(() => expect((files.times()?.ran ?? 0) - before).toBeGreaterThan(100), 10_000);
    await vi.waitFor(() => expect(files.state()).toBe('R'), 10_000);
    await worker.terminate();
    files.close();
  });

  it('tell that it sleeps in a call, and then the time that it runs stands still', async () => {
    const { worker, id } = await startThread('Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);');
    const files = open(id);
    worker.postMessage('go');
    await vi.waitFor(() => expect(files.state()).toBe('S'), 10_000);
    let last = files.times()?.ran;
    await vi.waitFor(() => {
      const ran = files.times()?.ran;
      const stood = ran === last;
      last = ran;
      expect(stood).toBe(true);
    }, 10_000);
    await worker.terminate();
    files.close();
  });

  it('cannot be read once it has ended', async () => {
    const { worker, id } = await startThread('');
    const files = open(id);
    expect(files.times()).not.toBeNull();
    await worker.terminate();
    await vi.waitFor(() => expect([files.times(), files.state()]).toEqual([null, null]), 10_000);
    files.close();
    expect(ThreadFiles.open(id)).toBeNull();
  });

  it('are found by the id that the thread itself knows', () => {
    const files = open(threadId());
    expect(files.state()).toBe('R');
    files.close();
  });
});
