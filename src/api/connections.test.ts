import { once } from 'node:events';
import type { Server, ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import Fastify, { type FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { createMainCounters } from '../counters.ts';
import { FakeClock } from '../testing/clock.ts';
import { ApiConnections, shareBytes } from './connections.ts';
import { createApiServer } from './server.ts';

/** More than any socket takes in. */
const LARGE = Buffer.alloc(16_000_000, 'x');

/** An API with bounds, whose handler answers `/large` and `/shared` with much, and `/held` when a test says so. */
class Rig {
  readonly clock = new FakeClock();
  readonly counters = createMainCounters();
  readonly logged: string[] = [];
  readonly held: ServerResponse[] = [];
  readonly app: FastifyInstance;
  readonly clients: Client[] = [];
  port = 0;

  constructor(bounds: { most?: number; mostUnsent?: number } = {}) {
    const { most = 1_000, mostUnsent = 100_000_000 } = bounds;
    const logger = pino({}, { write: (line: string) => this.logged.push(line) });
    const { clock, counters } = this;
    const connections = new ApiConnections({ counters, logger, clock, most: () => most, mostUnsent });
    const options = { connections, counters, logger, cors: () => ({}) };
    this.app = Fastify({ serverFactory: (handle) => createApiServer(handle, options) });
    this.app.addHook('onRequest', async (_request, reply) => {
      if (!connections.hasRoom()) return reply.code(503).send('full');
    });
    this.app.addHook('onSend', (request, _reply, payload, done) => {
      connections.answering(request.raw.socket, payload);
      done();
    });
    const shared = shareBytes(Buffer.from(LARGE));
    this.app.get('/large', () => LARGE);
    this.app.get('/shared', () => shared);
    this.app.get('/small', () => 'small');
    this.app.get('/held', (_request, reply) => {
      reply.hijack();
      this.held.push(reply.raw);
    });
    this.app.post('/posted', () => 'posted');
  }

  async listen(): Promise<this> {
    await this.app.listen({ port: 0, host: '127.0.0.1' });
    this.port = (this.server.address() as AddressInfo).port;
    return this;
  }

  get server(): Server {
    return this.app.server;
  }

  /** A connection that the server has seen. */
  async client(): Promise<Client> {
    const accepted = once(this.server, 'connection') as Promise<[Socket]>;
    const client = new Client(this.port);
    this.clients.push(client);
    client.server = (await accepted)[0];
    return client;
  }

  /** A connection that does not read the answer to `path`. */
  async stalled(path: string): Promise<Client> {
    const client = await this.client();
    client.socket.pause();
    client.ask(path);
    await until(() => client.server?.writableNeedDrain === true);
    return client;
  }
}

class Client {
  readonly socket: Socket;
  /** The server's end. */
  server: Socket | undefined;
  heard = '';
  isClosed = false;

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('error', () => undefined);
    this.socket.on('data', (bytes: Buffer) => {
      this.heard += bytes.toString('latin1');
    });
    this.socket.once('close', () => {
      this.isClosed = true;
    });
  }

  ask(path: string): void {
    this.socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
  }
}

async function until(holds: () => boolean): Promise<void> {
  const end = Date.now() + 15_000;
  while (!holds()) {
    if (Date.now() > end) throw new Error('that did not happen within 15 s');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

let rig: Rig;

afterEach(async () => {
  for (const { socket } of rig.clients) socket.destroy();
  rig.server.closeAllConnections();
  await rig.app.close();
});

describe('the bound on connections', () => {
  it('has the one go that has waited longest, and the new one is served', async () => {
    rig = await new Rig({ most: 3 }).listen();
    const [first, second, third] = [await rig.client(), await rig.client(), await rig.client()];
    first.ask('/small');
    await until(() => first.heard.endsWith('small'));
    const fourth = await rig.client();
    await until(() => second.isClosed);
    fourth.ask('/small');
    await until(() => fourth.heard.endsWith('small'));
    expect([first.isClosed, third.isClosed, fourth.isClosed]).toEqual([false, false, false]);
    expect([rig.counters.apiConnections, rig.counters.cutConnections]).toEqual([3, 1]);
  });

  it('has those go that do not get on with their request, and never one that waits for the server', async () => {
    rig = await new Rig({ most: 2 }).listen();
    const [served, dribbling] = [await rig.client(), await rig.client()];
    served.ask('/held');
    await until(() => rig.held.length === 1);
    const handled = once(rig.server, 'request');
    dribbling.socket.write(
      'POST /posted HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\nx',
    );
    await handled;
    const refused = await rig.client();
    await until(() => refused.isClosed);
    expect(refused.heard).toMatch(/^HTTP\/1\.1 503 .*Retry-After: 1\r\n.*"code":"BUSY"/s);
    await rig.clock.advance(2_000);
    const taken = await rig.client();
    await until(() => dribbling.isClosed);
    expect([served.isClosed, taken.isClosed, rig.counters.refused.get('BUSY')]).toEqual([false, false, 1]);
    rig.held[0]?.end('held');
    await until(() => served.heard.endsWith('held'));
  });

  it('has one go whose answer is not read', async () => {
    rig = await new Rig({ most: 1 }).listen();
    const stalled = await rig.stalled('/large');
    const refused = await rig.client();
    await until(() => refused.isClosed);
    expect(stalled.server?.destroyed).toBe(false);
    await rig.clock.advance(2_000);
    const taken = await rig.client();
    await until(() => stalled.server?.destroyed === true);
    taken.ask('/small');
    await until(() => taken.heard.endsWith('small'));
  });
});

describe('an answer', () => {
  it('that nobody reads is cut off when its time is over: 30 s, and a second for each 16 KB', async () => {
    rig = await new Rig().listen();
    const stalled = await rig.stalled('/large');
    expect(rig.counters.apiUnsentBytes).toBe(LARGE.length);
    const time = 30_000 + (LARGE.length / 16_384) * 1_000;
    await rig.clock.advance(time - 1_000);
    expect(stalled.server?.destroyed).toBe(false);
    await rig.clock.advance(2_001);
    expect([stalled.server?.destroyed, rig.counters.cutSlowAnswer]).toEqual([true, 1]);
    expect(rig.counters.apiUnsentBytes).toBe(0);
    expect(rig.logged.map((line) => JSON.parse(line))).toMatchObject([
      { url: '/large', msg: 'an answer that was read too slowly was cut off' },
    ]);
    expect(rig.clock.timers).toBe(0);
  });

  it('that is read in time is not cut off, and holds nothing after that', async () => {
    rig = await new Rig().listen();
    const stalled = await rig.stalled('/large');
    await rig.clock.advance(900_000);
    stalled.socket.resume();
    await until(() => rig.counters.apiUnsentBytes === 0);
    await rig.clock.advance(900_000);
    expect(stalled.isClosed).toBe(false);
    stalled.ask('/small');
    await until(() => stalled.heard.endsWith('small'));
  });

  it('is refused while those that nobody reads take as much as they may, and then the oldest of them goes', async () => {
    rig = await new Rig({ mostUnsent: 2 * LARGE.length }).listen();
    const [oldest, other] = [await rig.stalled('/large'), await rig.stalled('/large')];
    const asking = await rig.client();
    asking.ask('/small');
    await until(() => asking.heard.endsWith('full'));
    await rig.clock.advance(2_000);
    asking.ask('/small');
    await until(() => asking.heard.endsWith('small'));
    expect([oldest.server?.destroyed, other.server?.destroyed]).toEqual([true, false]);
    expect([rig.counters.cutUnsent, rig.counters.apiUnsentBytes]).toEqual([1, LARGE.length]);
  });

  it('of bytes that are kept anyway counts for nothing', async () => {
    rig = await new Rig({ mostUnsent: 1_000 }).listen();
    const stalled = await rig.stalled('/shared');
    expect(rig.counters.apiUnsentBytes).toBe(0);
    const asking = await rig.client();
    asking.ask('/small');
    await until(() => asking.heard.endsWith('small'));
    await rig.clock.advance(30_000 + (LARGE.length / 16_384) * 1_000 + 1_001);
    expect(stalled.server?.destroyed).toBe(true);
  });
});
