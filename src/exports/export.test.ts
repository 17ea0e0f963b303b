import { readdirSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Comment } from '../comment.ts';
import { type ServerProcess, startProcess } from '../testing/server-process.ts';

/** 30 MB as ndjson: more than any socket takes in. */
const POSTS = 40;
const POSTED = 1_000;
const TEXT = '神'.repeat(196);

let server: ServerProcess;
let url: string;

beforeAll(async () => {
  server = await startProcess(['--interval', '10', '--workers', '1', '--memory-comments', '1000000']);
  for (let post = 0; post < POSTS; post += 1) {
    const comments = Array.from({ length: POSTED }, (_, i) => ({ text: `${post * POSTED + i}${TEXT}`.slice(0, 200) }));
    expect((await server.post('lobby', comments, '?wait=stored')).status).toBe(201);
  }
  url = `${server.apiUrl}/rooms/lobby/comments?format=ndjson`;
});

afterAll(() => server.stop('SIGKILL'));

/** A client that has had the first bytes and reads no more for now. */
async function startReading(url: string): Promise<IncomingMessage> {
  const sent = request(url, { agent: false });
  sent.end();
  const response = await new Promise<IncomingMessage>((resolve) => sent.once('response', resolve));
  await new Promise<void>((resolve) => response.once('readable', resolve));
  return response;
}

function numbersIn(ndjson: string): number[] {
  const lines = ndjson.split('\n').slice(0, -1);
  return lines.map((line) => Number.parseInt((JSON.parse(line) as Comment).text, 10));
}

/** Open files and sockets of a process. */
function countOpen(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

const ALL = Array.from({ length: POSTS * POSTED }, (_, i) => i);

describe('a server that exports', () => {
  it('serves others while a client does not read, and gives that one everything once it does', async () => {
    const paused = await startReading(url);
    const other = await fetch(url, { headers: { connection: 'close' } });
    expect(numbersIn(await other.text())).toEqual(ALL);
    const chunks: Buffer[] = [];
    for await (const chunk of paused) chunks.push(chunk as Buffer);
    expect(numbersIn(Buffer.concat(chunks).toString())).toEqual(ALL);
  });

  it('keeps nothing of a client that goes away', async () => {
    await fetch(`${server.apiUrl}/healthz`, { headers: { connection: 'close' } });
    const before = countOpen(server.pid);
    for (let i = 0; i < 20; i += 1) (await startReading(url)).destroy();
    const end = Date.now() + 15_000;
    while (countOpen(server.pid) > before) {
      if (Date.now() > end) throw new Error(`${countOpen(server.pid)} files open, ${before} before`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(server.lines.filter(({ level }) => Number(level) > 30)).toEqual([]);
  });

  it('ends in order though a client does not read', async () => {
    const paused = await startReading(url);
    expect(await server.stop('SIGTERM')).toBe(0);
    await expect(paused.resume().toArray()).rejects.toMatchObject({ code: 'ECONNRESET' });
  });
});
