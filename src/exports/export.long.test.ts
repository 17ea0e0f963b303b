import { spawn } from 'node:child_process';
import { createReadStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../clock.ts';
import type { Comment } from '../comment.ts';
import { encodeBatch } from '../frames/batch.ts';
import { append, SeenEvents } from '../store/store-contract.fixture.ts';
import { LevelStore } from '../store/store-level.ts';
import { draftOf } from '../testing/rooms.ts';
import { type ServerProcess, startProcess } from '../testing/server-process.ts';
import { ViewerClient } from '../testing/viewer-client.ts';
import { AT } from './comments.fixture.ts';

const COMMENTS = 1_000_000;
const BATCH = 1_000;
const MIB = 1_048_576;

const dir = mkdtempSync(join(tmpdir(), 'volley-export-'));
let server: ServerProcess;

/** A room of 1,000,000 comments, 20 a second, their texts numbered. */
async function fillStore(): Promise<void> {
  const store = new LevelStore({
    dir: join(dir, 'data'),
    durability: 'relaxed',
    retainAge: 0,
    retainBytes: 0,
    clock: systemClock,
    onFault: (error) => {
      throw error;
    },
    onNotice: () => undefined,
  });
  await store.start(new SeenEvents());
  // Before the first appends: each would follow by itself, and their answers come in any order.
  await store.follow('lobby');
  for (let first = 0; first < COMMENTS; first += 20 * BATCH) {
    const batches = Array.from({ length: 20 }, (_, i) => first + i * BATCH);
    await Promise.all(
      batches.map((start) => {
        const numbers = Array.from({ length: BATCH }, (_, i) => start + i);
        const drafts = numbers.map((n) => ({ ...draftOf(`${n} 神之感动`), user: `u${n % 5_000}`, at: AT + n * 50 }));
        return append(store, 'lobby', encodeBatch(drafts));
      }),
    );
  }
  await store.close();
}

beforeAll(async () => {
  await fillStore();
  server = await startProcess(['--store', `level:${join(dir, 'data')}`, '--retain-age', '0', '--interval', '10']);
}, 300_000);

afterAll(async () => {
  await server?.stop();
  rmSync(dir, { recursive: true });
});

/**
 * What the server has for itself, in bytes: without pages of files, which are the kernel's cache of the database and go
 * when somebody else needs the memory; and with them.
 */
function readMemory(): { own: number; all: number } {
  const status = readFileSync(`/proc/${server.pid}/status`, 'latin1');
  const bytes = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) * 1_024;
  return { own: bytes('RssAnon') + bytes('RssShmem'), all: bytes('VmRSS') };
}

/** Saves an export to a file, in a process of its own so that this one's loop is free to measure. */
function startDownload(format: string, file: string): Promise<number | null> {
  const script =
    "require('node:http').get(process.argv[1], (r) => r.pipe(require('node:fs').createWriteStream(process.argv[2])))";
  const url = `${server.apiUrl}/rooms/lobby/comments?format=${format}`;
  const child = spawn(process.execPath, ['-e', script, url, file], { stdio: 'inherit' });
  return new Promise((resolve) => child.once('close', resolve));
}

/** Pushes to a viewer of another room, one after the other while `goesOn`; how many ms after `at` each one came. */
async function measurePushes(goesOn: () => boolean): Promise<number[]> {
  const viewer = new ViewerClient(server.viewerUrl, 'live');
  await viewer.welcome();
  const late: number[] = [];
  viewer.socket.on('message', (data: Buffer) => {
    const message = JSON.parse(data.toString()) as { type: string; at: number };
    if (message.type === 'batch') late.push(Date.now() - message.at);
  });
  while (goesOn()) expect((await server.post('live', { text: 'now' }, '?wait=stored')).status).toBe(201);
  await viewer.close();
  expect(late.length).toBeGreaterThan(10);
  return late.sort((one, other) => one - other);
}

function describeLateness(late: readonly number[]): string {
  const p99 = late[Math.floor(late.length * 0.99)];
  return `${late.length} pushes, p99 ${p99} ms, latest ${late.at(-1)} ms after at`;
}

interface Measured {
  readonly file: string;
  /** What memory rose by, in MiB. */
  readonly own: number;
  readonly all: number;
  readonly late: readonly number[];
}

/** Downloads an export while a viewer watches another room, and tells what that cost the server and the viewer. */
async function measureExport(format: string): Promise<Measured> {
  const file = join(dir, `lobby.${format}`);
  const idle = readMemory();
  const most = { ...idle };
  let code: number | null | undefined;
  startDownload(format, file).then((ended) => {
    code = ended;
  });
  const late = await measurePushes(() => {
    const { own, all } = readMemory();
    most.own = Math.max(most.own, own);
    most.all = Math.max(most.all, all);
    return code === undefined;
  });
  expect(code).toBe(0);
  return { file, own: (most.own - idle.own) / MIB, all: (most.all - idle.all) / MIB, late };
}

async function* linesOf(file: string): AsyncGenerator<string> {
  yield* createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY });
}

/** The numbers of the comments in a file, checked to be all and in order. */
async function checkNumbers(file: string, numberOf: (line: string) => number | null): Promise<void> {
  let next = 0;
  for await (const line of linesOf(file)) {
    const number = numberOf(line);
    if (number === null) continue;
    if (number !== next) throw new Error(`comment ${number} where ${next} should be: ${line}`);
    next += 1;
  }
  expect(next).toBe(COMMENTS);
}

function matchNumber(line: string, pattern: RegExp): number | null {
  const found = pattern.exec(line)?.[1];
  return found === undefined ? null : Number(found);
}

describe('the export of 1,000,000 comments', () => {
  // So that what is measured is an export, and neither V8's first growth nor the compaction of what was just written.
  beforeAll(async () => {
    expect(await startDownload('ndjson', join(dir, 'first.ndjson'))).toBe(0);
  });

  it.each([
    ['ndjson', (line: string) => Number.parseInt((JSON.parse(line) as Comment).text, 10)],
    ['xml', (line: string) => matchNumber(line, /^<d p=.*>(\d+) 神之感动<\/d>$/)],
    ['ass', (line: string) => matchNumber(line, /^Dialogue: .*\}(\d+) 神之感动$/)],
  ] as const)('as %s has every comment once and in order, in bounded memory', async (format, numberOf) => {
    let quiet = 200;
    const before = await measurePushes(() => {
      quiet -= 1;
      return quiet > 0;
    });
    const { file, own, all, late } = await measureExport(format);
    process.stdout.write(
      `${format}: + ${own.toFixed(1)} MiB of its own, + ${all.toFixed(1)} MiB with pages of the database; ` +
        `${describeLateness(late)}; without an export: ${describeLateness(before)}\n`,
    );
    expect(own).toBeLessThan(50);
    await checkNumbers(file, numberOf);
  });
});
