import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import Fastify, { type FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { FakeClock } from '../clock.fixture.ts';
import { LongAnswers } from './stream.ts';

/** More than any socket takes in, in pieces of 100 KB. */
const PIECES = 400;
const PIECE = `${'x'.repeat(99_999)}\n`;

/** An API that answers `/long` with what is set as `chunks`, two at a time. */
class Rig {
  readonly app: FastifyInstance = Fastify();
  readonly clock = new FakeClock();
  readonly logged: string[] = [];
  /** Pieces made, and answers whose making has ended. */
  made = 0;
  ended = 0;
  chunks: () => AsyncGenerator<string, undefined> = () => this.#makeMany();
  /** The server's side of the newest connection. */
  socket: Socket | undefined;
  port = 0;

  async listen(leastPace = 16_384): Promise<this> {
    const logger = pino({}, { write: (line: string) => this.logged.push(line) });
    const answers = new LongAnswers(this.app, logger, { most: 2, leastPace, clock: this.clock });
    this.app.get('/long', (_request, reply) => answers.send(reply, 'text/plain; charset=utf-8', this.chunks()));
    this.app.server.on('connection', (socket: Socket) => {
      this.socket = socket;
    });
    this.port = Number(new URL(await this.app.listen({ port: 0, host: '127.0.0.1' })).port);
    return this;
  }

  async *#makeMany(): AsyncGenerator<string, undefined> {
    try {
      for (let i = 0; i < PIECES; i += 1) {
        this.made += 1;
        yield PIECE;
      }
    } finally {
      this.ended += 1;
    }
  }

  get(method = 'GET'): Promise<IncomingMessage> {
    const sent = request({ port: this.port, path: '/long', method, agent: false });
    sent.end();
    return new Promise((resolve, reject) => sent.once('response', resolve).once('error', reject));
  }

  async status(): Promise<number | undefined> {
    const response = await this.get();
    response.destroy();
    return response.statusCode;
  }

  /** Asks on a connection that is never read, and waits until its socket takes no more. */
  async startStalled(requests = 1): Promise<{ client: Socket; server: Socket }> {
    const client = connect(this.port, '127.0.0.1').pause();
    client.on('error', () => undefined);
    const connected = once(this.app.server, 'connection') as Promise<[Socket]>;
    client.write('GET /long HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(requests));
    const [server] = await connected;
    await until(() => server.writableNeedDrain);
    let seen = -1;
    await until(() => {
      const isStill = seen === this.made;
      seen = this.made;
      return isStill;
    });
    return { client, server };
  }
}

/** Reads until the server's socket has taken `bytes` more; a few pieces make no room that the system would tell of. */
async function takeBytes({ client, server }: { client: Socket; server: Socket }, bytes: number): Promise<void> {
  const taken = (): number => server.bytesWritten - server.writableLength;
  for (const end = taken() + bytes; taken() < end; ) {
    client.read();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

async function until(holds: () => boolean): Promise<void> {
  const end = Date.now() + 15_000;
  while (!holds()) {
    if (Date.now() > end) throw new Error('that did not happen within 15 s');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

let rig: Rig;

afterEach(() => rig.app.close());

describe('a long answer', () => {
  it('is refused where there are too many, and given again once one of them ends', async () => {
    rig = await new Rig().listen();
    const first = await rig.get();
    await rig.get();
    const refused = await rig.get();
    expect([refused.statusCode, refused.headers['retry-after']]).toEqual([503, '1']);
    const body = Buffer.concat(await refused.toArray()).toString();
    expect(JSON.parse(body)).toMatchObject({ code: 'BUSY', retryAfterMs: 1_000 });
    expect(Buffer.concat(await first.toArray()).toString()).toBe(PIECE.repeat(PIECES));
    await until(() => rig.ended === 1);
    expect(await rig.status()).toBe(200);
  });

  it('counts from before its first piece is made, and no more once that has failed', async () => {
    rig = await new Rig().listen();
    const waiting: (() => void)[] = [];
    rig.chunks = async function* () {
      await new Promise<void>((_resolve, reject) => waiting.push(() => reject(new Error('no first piece'))));
      return undefined;
    };
    const failing = [rig.get(), rig.get()];
    await until(() => waiting.length === 2);
    expect(await rig.status()).toBe(503);
    for (const fail of waiting.splice(0)) fail();
    for (const answer of failing) expect((await answer).statusCode).toBe(500);
    const next = rig.get();
    await until(() => waiting.length === 1);
    waiting[0]?.();
    expect((await next).statusCode).toBe(500);
  });

  it('is cut off, and its making ended, once its socket has taken nothing for 256 s', async () => {
    rig = await new Rig().listen();
    const { client, server } = await rig.startStalled();
    // The first look finds what went at the beginning; the last is the first one after 256 s.
    await rig.clock.advance(3_000);
    await rig.clock.advance(257_999);
    expect([server.destroyed, rig.ended]).toEqual([false, 0]);
    await rig.clock.advance(1);
    await until(() => server.destroyed && rig.ended === 1);
    expect(rig.made).toBeLessThan(PIECES / 2);
    expect(rig.logged.map((line) => JSON.parse(line).msg)).toEqual(['an answer that was read too slowly was cut off']);
    await until(() => rig.clock.timers === 0);
    expect(await rig.status()).toBe(200);
    client.destroy();
  });

  it('is cut off where a client takes some of it again and again, but less than it must', async () => {
    rig = await new Rig().listen(1_000_000);
    const { client, server } = await rig.startStalled();
    await rig.clock.advance(3_000);
    let strides = 0;
    for (; !server.destroyed && strides < 10; strides += 1) {
      await takeBytes({ client, server }, 1);
      await rig.clock.advance(3_000);
    }
    expect(strides).toBeGreaterThan(1);
    await until(() => server.destroyed && rig.ended === 1);
    expect(rig.logged.map((line) => JSON.parse(line).msg)).toEqual(['an answer that was read too slowly was cut off']);
    expect(await rig.status()).toBe(200);
    client.destroy();
  });

  it('is given whole to a client that reads 20 KB/s, which its socket takes in strides', async () => {
    rig = await new Rig().listen();
    const { client, server } = await rig.startStalled();
    for (let i = 0; i < 5; i += 1) {
      const before = server.bytesWritten - server.writableLength;
      await takeBytes({ client, server }, 700_000);
      const stride = server.bytesWritten - server.writableLength - before;
      await rig.clock.advance(stride / 20);
      expect(server.destroyed).toBe(false);
    }
    expect(rig.logged).toEqual([]);
    let bytes = 0;
    for await (const chunk of client) {
      bytes += (chunk as Buffer).length;
      if ((chunk as Buffer).toString('latin1').endsWith('0\r\n\r\n')) break;
    }
    expect(bytes).toBeGreaterThan(1_000_000);
    await until(() => rig.ended === 1);
    expect(rig.made).toBe(PIECES);
  });

  it('is not cut off while it is the server that is slow', async () => {
    rig = await new Rig().listen();
    let goOn = (): void => undefined;
    rig.chunks = async function* () {
      yield 'one ';
      await new Promise<void>((resolve) => {
        goOn = resolve;
      });
      yield 'two';
      return undefined;
    };
    const response = await rig.get();
    await once(response, 'readable');
    await rig.clock.advance(300_000);
    goOn();
    expect(Buffer.concat(await response.toArray()).toString()).toBe('one two');
  });

  it('that waits behind others on a connection goes when that does', async () => {
    rig = await new Rig().listen();
    const { client, server } = await rig.startStalled(2);
    expect(await rig.status()).toBe(503);
    client.destroy();
    await until(() => server.destroyed);
    await rig.clock.advance(3_000);
    await until(() => rig.ended === 2);
    expect(await rig.status()).toBe(200);
    expect(rig.logged).toEqual([]);
  });

  it('costs little while nobody reads it', async () => {
    rig = await new Rig().listen();
    const { client, server } = await rig.startStalled();
    expect(server.writableLength).toBeLessThanOrEqual(128 * 1_024);
    // What the systems' buffers took, one piece that is being cut and one that is to come.
    expect(rig.made * PIECE.length - (server.bytesWritten - server.writableLength)).toBeLessThan(400_000);
    client.destroy();
  });

  it('is whole whatever its pieces are cut into', async () => {
    rig = await new Rig().listen();
    const text = `a${'神😀'.repeat(30_000)}`;
    rig.chunks = async function* () {
      yield text;
      yield '神';
      return undefined;
    };
    expect(Buffer.concat(await (await rig.get()).toArray()).toString()).toBe(`${text}神`);
  });

  it('is not made for HEAD, and takes nobody’s place', async () => {
    rig = await new Rig().listen();
    for (let i = 0; i < 3; i += 1) {
      const { statusCode, headers } = await rig.get('HEAD');
      expect([statusCode, headers['content-type']]).toEqual([200, 'text/plain; charset=utf-8']);
    }
    expect(rig.made).toBe(0);
  });
});
