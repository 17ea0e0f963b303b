import { spawn } from 'node:child_process';
import { afterEach, describe, expect, it } from 'vitest';
import { frame, handshake, OPCODE, RawClient } from '../src/testing/raw-client.ts';
import { type ServerProcess, startProcess } from '../src/testing/server-process.ts';
import { ViewerClient } from '../src/testing/viewer-client.ts';

/** `VOLLEY_RUNS=20 npm run test:long` runs it as often. */
const RUNS = Number(process.env.VOLLEY_RUNS ?? 1);
const BUSY_LOOPS = 4;
const ATTACK_MS = 12_000;

const closing: (() => void)[] = [];

afterEach(() => {
  for (const close of closing.splice(0)) close();
});

function startBusyLoop(): void {
  const loop = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });
  closing.push(() => loop.kill('SIGKILL'));
}

async function connect(server: ServerProcess, path: string): Promise<RawClient> {
  const client = new RawClient(server.viewerUrl);
  closing.push(() => client.socket.destroy());
  client.send(handshake(path));
  await client.connected;
  return client;
}

/** Sends messages of one byte as fast as the system takes them, and comes back when it is closed. */
async function floodTinyMessages(server: ServerProcess, until: number): Promise<void> {
  const block = Buffer.concat(new Array<Buffer>(60_000).fill(frame(OPCODE.text, 'x')));
  while (performance.now() < until) {
    const client = await connect(server, '/rooms/flood');
    const pump = (): void => {
      while (client.socket.writable && client.socket.write(block));
    };
    client.socket.on('drain', pump);
    pump();
    await Promise.race([client.closed, new Promise((resolve) => setTimeout(resolve, until - performance.now()))]);
  }
}

/** Asks for a large batch, reads nothing, and answers as if it did. */
async function holdBackfill(server: ServerProcess): Promise<void> {
  const client = await connect(server, '/rooms/large?history=1');
  client.socket.pause();
  const pongs = setInterval(() => client.send(frame(OPCODE.pong, '')), 1_000);
  closing.push(() => clearInterval(pongs));
}

describe('a shard that works on a busy machine', () => {
  it.each(Array.from({ length: RUNS }, (_, run) => run + 1))('is never ended: run %i', async () => {
    const server = await startProcess(['--workers', '1', '--slow-close', '2000']);
    closing.push(() => server.child.kill('SIGKILL'));
    const large = new Array(200).fill({ text: '😀'.repeat(200), extra: '\u0001'.repeat(512) });
    for (let i = 0; i < 5; i += 1) await server.post('large', large);
    const viewers = Array.from({ length: 1_000 }, () => new ViewerClient(server.viewerUrl, 'crowd'));
    closing.push(() => {
      for (const { socket } of viewers) socket.terminate();
    });
    await Promise.all(viewers.map((viewer) => viewer.message(({ type }) => type === 'welcome', 60_000)));
    for (const { socket } of viewers.slice(0, 10)) socket.pause();
    for (let i = 0; i < BUSY_LOOPS; i += 1) startBusyLoop();

    const until = performance.now() + ATTACK_MS;
    const floods = Array.from({ length: 24 }, () => floodTinyMessages(server, until));
    const holding = Array.from({ length: 300 }, () => holdBackfill(server));
    const pushes = setInterval(() => void server.post('crowd', large).catch(() => undefined), 500);
    closing.push(() => clearInterval(pushes));
    await Promise.all([...floods, ...holding]);

    expect(await server.metric('volley_shard_restarts_total')).toBe(0);
    expect(server.child.exitCode ?? server.child.signalCode).toBeNull();
    expect(server.lines.filter(({ level }) => Number(level) > 30)).toEqual([]);
  });
});
