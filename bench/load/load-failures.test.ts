import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { startProcess } from '../../src/server-process.fixture.ts';
import { BenchError } from '../options.ts';
import { startLoad } from './load.ts';
import { makePlan } from './load-plan.fixture.ts';
import { mostConnections } from './open-files.ts';
import type { LoadPlan } from './plan.ts';
import { ScriptedServer } from './scripted-server.fixture.ts';

/** A load that cannot be: one clear sentence each, and nothing left open. */

const servers: Server[] = [];
const sockets = new Set<Socket>();

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
});

/** A TCP server; gives its address. */
async function listen(onConnection: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
    onConnection(socket);
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function failureOf(plan: Partial<LoadPlan>, answerWithin = 10_000): Promise<string> {
  const error = await startLoad(makePlan(plan), undefined, { answerWithin }).then(
    async (load) => {
      await load.stop();
      throw new Error('the load came up');
    },
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(BenchError);
  return (error as BenchError).message;
}

describe('no server', () => {
  it('is said so', async () => {
    const url = await listen(() => undefined);
    await new Promise((resolve) => servers.pop()?.close(resolve));
    expect(await failureOf({ url })).toBe(`nothing listens at ${url}`);
  });

  it.each([
    ['wss://127.0.0.1:1', /is not a ws:\/\/ address/],
    ['127.0.0.1:9000', /is not a ws:\/\/ address/],
    ['ws://no-such-host.invalid:9000', /the host no-such-host\.invalid .* cannot be found/],
  ])('can be at %s', async (url, sentence) => {
    expect(await failureOf({ url })).toMatch(sentence);
  });
});

describe('a server that', () => {
  it('never answers is given up on', async () => {
    const url = await listen((socket) => socket.resume());
    expect(await failureOf({ url, threads: 2 }, 300)).toBe(
      `${url} did not answer the handshake for /rooms/r within 0.3 s`,
    );
  });

  it('answers all but one is given up on, and it is said how many are up', async () => {
    const answer = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n';
    let answered = 0;
    const url = await listen((socket) => {
      socket.once('data', () => {
        answered += 1;
        if (answered < 10) socket.write(answer);
      });
    });
    const sentence = `${url} did not answer the handshake for /rooms/r within 0.3 s; 9 of 10 connections were up`;
    expect(await failureOf({ url, protocol: 'opaque' }, 300)).toBe(sentence);
    await vi.waitFor(() => expect(sockets.size).toBe(0), 5_000);
  });

  it('closes while connections are set up is told with how it did', async () => {
    const url = await listen((socket) => socket.end());
    expect(await failureOf({ url })).toMatch(/closed a connection while it was being set up/);
  });

  it('is something else than a WebSocket server is told with its answer', async () => {
    const url = await listen((socket) => socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\noops'));
    expect(await failureOf({ url })).toBe(`${url} answered HTTP 404 Not Found: oops, asked for /rooms/r`);
  });

  it('closes one that is up while others are not is told', async () => {
    const server = await ScriptedServer.start();
    try {
      const stopping = setInterval(() => server.viewers[0]?.close(1012), 1);
      const sentence = await failureOf({ url: server.url, connections: 2_000 });
      clearInterval(stopping);
      expect(sentence).toMatch(/closed a connection \(code 1012\) while others were being set up; \d+ of 2000/);
    } finally {
      await server.stop();
    }
  });
});

describe('a plan', () => {
  it('for more connections than open files is refused before any is opened', async () => {
    let connections = 0;
    const url = await listen(() => {
      connections += 1;
    });
    expect(await failureOf({ url, connections: mostConnections() + 1_000 })).toMatch(
      /open files, but the load generator may have/,
    );
    expect(connections).toBe(0);
  });
});

describe('a server', () => {
  it('that refuses the path or the subprotocol is told with its reason, one that is gone in mid-run once, with what there is up to then', async () => {
    const server = await startProcess(['--workers', '1']);
    const url = server.viewerUrl;
    expect(await failureOf({ url, paths: ['/rooms/r?since=x'] })).toMatch(/HTTP 400 Bad Request: .*SINCE_INVALID/);
    expect(await failureOf({ url, protocol: 'opaque', subprotocol: 'other' })).toMatch(/UNKNOWN_SUBPROTOCOL/);
    const load = await startLoad(makePlan({ url: server.viewerUrl, connections: 30, threads: 2 }));
    try {
      await load.begin();
      await server.stop('SIGKILL');
      const why = await load.gone;
      const figures = await load.end();
      expect([...figures.closed]).toEqual([[1006, 30]]);
      expect(why.message).toMatch(/^ws:.* is gone: it closed \d+ of 30 connections$/);
      expect(why).toBeInstanceOf(BenchError);
    } finally {
      await load.stop();
    }
  });

  it('that is gone is told to who asks later, and a load on it cannot begin', async () => {
    const server = await ScriptedServer.start();
    const load = await startLoad(makePlan({ url: server.url }));
    try {
      await server.stop();
      const why = await load.gone;
      await expect(load.begin()).rejects.toBe(why);
    } finally {
      await load.stop();
    }
  });
});

describe('a load thread that crashes', () => {
  it('is told in a sentence at the end', async () => {
    const server = await ScriptedServer.start();
    const text = 'x'.repeat(70_000);
    const comments = [{ text, mode: 'scroll', color: 0, size: 25 }];
    const sending = { kind: 'paced', rate: 50 } as const;
    const load = await startLoad(makePlan({ url: server.url, senders: 1, sending, comments }));
    try {
      await load.begin();
      const why = await load.gone;
      expect(why.message).toMatch(/^a load thread has failed: a message of \d+ bytes is longer/);
      await expect(load.end()).rejects.toBe(why);
    } finally {
      await load.stop();
      await server.stop();
    }
  });
});

describe('a load that was stopped', () => {
  it('closes its connections, can be stopped again and gives no figures', async () => {
    const server = await ScriptedServer.start();
    const load = await startLoad(makePlan({ url: server.url }));
    await expect(load.end()).rejects.toThrow(/has not begun/);
    await load.begin();
    await expect(load.begin()).rejects.toThrow(/cannot begin/);
    await load.stop();
    await load.stop();
    await expect(load.end()).rejects.toThrow(/stopped/);
    await vi.waitFor(() => expect(server.viewers.every((viewer) => viewer.readyState === viewer.CLOSED)).toBe(true));
    await server.stop();
  });
});
