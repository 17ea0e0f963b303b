import { Worker } from 'node:worker_threads';
import { describe, expect, it, vi } from 'vitest';
import { FakeClock } from '../testing/clock.ts';
import { threadId } from '../thread-stats.ts';
import { StallWatch, ThreadFiles } from './stall-watch.ts';

const LIMIT = 5_000;
const STEP = 50;

/** What a thread does as time passes, or `gone` where the kernel does not tell. */
type Doing = 'works' | 'loops' | 'starved' | 'half starved' | 'blocked' | 'stopped' | 'gone';

/** The share of time that a thread runs and waits, its state, and whether its shard gets on. */
const DOINGS: Record<Doing, { runs: number; waits: number; state: string; progress: boolean }> = {
  works: { runs: 0.1, waits: 0, state: 'S', progress: true },
  loops: { runs: 1, waits: 0, state: 'R', progress: false },
  starved: { runs: 0, waits: 0, state: 'R', progress: false },
  'half starved': { runs: 0.3, waits: 0.7, state: 'R', progress: false },
  blocked: { runs: 0, waits: 0, state: 'S', progress: false },
  stopped: { runs: 0, waits: 0, state: 'T', progress: false },
  gone: { runs: 0, waits: 0, state: '', progress: false },
};

/** A watch over shards of which a test says what they do, and what it told. */
function createWatch(shards = 2) {
  const clock = new FakeClock();
  const rows = Array.from({ length: shards }, () => ({ progress: 0, thread: 0, ran: 0, waited: 0, state: 'S' }));
  const open = new Set<number>();
  const stalls: { shard: number; ms: number; at: number }[] = [];
  const start = clock.now();
  const watch = new StallWatch({
    clock,
    shards,
    limit: LIMIT,
    progress: (shard) => rows[shard]?.progress ?? 0,
    thread: (shard) => rows[shard]?.thread ?? 0,
    onStall: (shard, ms) => stalls.push({ shard, ms, at: clock.now() - start }),
    openFiles: (thread) => {
      const row = rows[thread - 100];
      if (row === undefined || row.state === '') return null;
      open.add(thread);
      return {
        times: () => (row.state === '' ? null : { ran: row.ran, waited: row.waited }),
        state: () => (row.state === '' ? null : row.state),
        close: () => void open.delete(thread),
      };
    },
  });
  /** Time passes, and shards do what is said of them; the others do nothing and have no thread. */
  const pass = async (ms: number, ...doings: (Doing | null)[]): Promise<void> => {
    for (let passed = 0; passed < ms; passed += STEP) {
      for (const [shard, doing] of doings.entries()) {
        const row = rows[shard];
        if (row === undefined || doing === null) continue;
        const { runs, waits, state, progress } = DOINGS[doing];
        row.thread = 100 + shard;
        row.state = state;
        row.ran += runs * STEP;
        row.waited += waits * STEP;
        if (progress && passed % 200 === 0) row.progress += 1;
      }
      await clock.advance(STEP);
    }
  };
  return { clock, rows, open, stalls, watch, pass };
}

/** A watch over one shard that has worked for a second. */
async function createWorking() {
  const rig = createWatch(1);
  rig.watch.watch(0, true);
  await rig.pass(1_000, 'works');
  return rig;
}

describe('a shard', () => {
  it('that gets on is left alone', async () => {
    const { watch, stalls, pass } = createWatch();
    watch.watch(0, true);
    watch.watch(1, true);
    await pass(120_000, 'works', 'works');
    expect(stalls).toEqual([]);
  });

  it.each(['loops', 'blocked'] as const)('that %s is told of once, within a second after the limit', async (doing) => {
    const { watch, stalls, pass } = createWatch();
    watch.watch(0, true);
    watch.watch(1, true);
    await pass(10_000, 'works', 'works');
    await pass(60_000, doing, 'works');
    expect(stalls).toHaveLength(1);
    expect(stalls[0]).toMatchObject({ shard: 0 });
    expect(stalls[0]?.ms).toBeGreaterThanOrEqual(LIMIT);
    expect(stalls[0]?.at).toBeGreaterThanOrEqual(10_000 + LIMIT - 250);
    expect(stalls[0]?.at).toBeLessThanOrEqual(10_000 + LIMIT + 500);
  });

  it.each(['starved', 'stopped'] as const)('that is %s is never told of', async (doing) => {
    const { stalls, pass } = await createWorking();
    await pass(600_000, doing);
    expect(stalls).toEqual([]);
  });

  it('that loops on a busy machine is told of when it has run for the limit', async () => {
    const { stalls, pass } = await createWorking();
    await pass(LIMIT / 0.3 - 1_000, 'half starved');
    expect(stalls).toEqual([]);
    await pass(2_000, 'half starved');
    expect(stalls).toHaveLength(1);
  });

  it('that gets on with anything in time begins anew', async () => {
    const { stalls, pass } = await createWorking();
    for (let i = 0; i < 5; i += 1) {
      await pass(4_500, i % 2 === 0 ? 'loops' : 'blocked');
      await pass(300, 'works');
    }
    expect(stalls).toEqual([]);
    await pass(6_000, 'blocked');
    expect(stalls.map(({ shard }) => shard)).toEqual([0]);
  });

  it('of which the kernel tells nothing has a minute', async () => {
    const { stalls, pass } = await createWorking();
    await pass(59_000, 'gone');
    expect(stalls).toEqual([]);
    await pass(2_000, 'gone');
    expect(stalls).toHaveLength(1);
  });

  it('of which the kernel tells again, and which gets on, has no more than the limit', async () => {
    const { stalls, pass } = await createWorking();
    await pass(30_000, 'gone');
    await pass(1_000, 'works');
    await pass(LIMIT + 500, 'blocked');
    expect(stalls).toHaveLength(1);
  });

  it('is not watched before it is run, nor after it has ended', async () => {
    const { watch, stalls, pass } = createWatch();
    await pass(20_000, null, 'blocked');
    watch.watch(1, true);
    await pass(2_000, null, 'works');
    watch.watch(1, false);
    await pass(20_000, null, 'blocked');
    expect(stalls).toEqual([]);
  });

  it('that is run again on its thread has its whole time and ten seconds to start', async () => {
    const { watch, stalls, pass } = await createWorking();
    await pass(4_000, 'blocked');
    watch.watch(0, false);
    watch.watch(0, true);
    await pass(14_500, 'blocked');
    expect(stalls).toEqual([]);
    await pass(1_000, 'blocked');
    expect(stalls).toHaveLength(1);
  });
});

describe('the files of a thread', () => {
  it('are opened once and kept, also while the shard is run again on it', async () => {
    const { watch, open, rows, pass, stalls } = createWatch();
    watch.watch(0, true);
    watch.watch(1, true);
    await pass(1_000, 'works', 'works');
    expect([...open]).toEqual([100, 101]);
    // No more files can be opened.
    for (const row of rows) row.state = '';
    watch.watch(0, false);
    watch.watch(0, true);
    await pass(1_000, 'works', 'works');
    await pass(LIMIT + 500, 'blocked', 'works');
    expect(stalls).toHaveLength(1);
    expect([...open]).toEqual([100, 101]);
    watch.stop();
    expect([...open]).toEqual([]);
  });
});

describe('time', () => {
  it('in which main itself stood still is not held against the shards', async () => {
    const { clock, stalls, pass } = await createWorking();
    for (let i = 0; i < 5; i += 1) {
      clock.jump(60_000);
      await clock.advance(0);
    }
    expect(stalls).toEqual([]);
    await pass(LIMIT, 'blocked');
    expect(stalls).toHaveLength(1);
  });
});

describe('a watch that is stopped', () => {
  it('tells nothing and leaves no timer', async () => {
    const { clock, watch, stalls, pass } = await createWorking();
    watch.stop();
    expect(clock.timers).toBe(0);
    await pass(60_000, 'blocked');
    expect(stalls).toEqual([]);
  });
});

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
