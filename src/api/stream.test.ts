import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import Fastify, { type FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { FakeClock } from '../testing/clock.ts';
import { LongAnswers, ReadingPace } from './stream.ts';

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

/** What the system keeps for a connection at most, and after which part of it is free it takes more. */
const SYSTEM_BYTES = 4_194_304;
const STRIDE = SYSTEM_BYTES / 3;

const LIMITS = { leastPace: 16_384, mostBehind: SYSTEM_BYTES };
const LOOK_MS = 3_000;
const HOUR_MS = 3_600_000;

/** When a client that takes `taken(ms)` bytes in `ms` is found too slow in three hours; null for never. */
function watch(taken: (ms: number) => number, isWaiting = (_ms: number): boolean => true): number | null {
  const pace = new ReadingPace(LIMITS, taken(0), 0);
  for (let now = LOOK_MS; now <= 3 * HOUR_MS; now += LOOK_MS) {
    if (pace.look(taken(now), isWaiting(now), now)) return now;
  }
  return null;
}

/** A steady reader whose socket takes its bytes in strides, of which the first has begun `part` of one before. */
function steady(bytesASecond: number, stride: number, part = 0): (ms: number) => number {
  return (ms) => SYSTEM_BYTES + Math.floor((ms * bytesASecond) / 1_000 / stride + part) * stride;
}

describe('the pace of a client', () => {
  describe.each([1_000, STRIDE, SYSTEM_BYTES])('whose socket takes strides of %i bytes', (stride) => {
    it.each([16_384, 17_000, 20_000, 30_000, 40_000, 46_000, 64_000])('is enough at %i bytes a second', (bytes) => {
      for (let part = 0; part < 1; part += 0.1) expect(watch(steady(bytes, stride, part))).toBeNull();
    });

    it.each([0, 4_000, 8_000, 12_000, 15_000])('is too slow at %i bytes a second, after a while', (bytes) => {
      const most = ((SYSTEM_BYTES + stride) / (16_384 - bytes)) * 1_000 + LOOK_MS;
      for (let part = 0; part < 1; part += 0.1) {
        const found = watch(steady(bytes, stride, part)) ?? Number.POSITIVE_INFINITY;
        expect(found).toBeGreaterThan(240_000);
        expect(found).toBeLessThanOrEqual(most);
      }
    });
  });

  it('is enough where it stands still for four minutes and then goes on', () => {
    const moving = (ms: number): number => Math.floor(ms / 300_000) * 60_000 + Math.min(60_000, ms % 300_000);
    expect(watch((ms) => moving(ms) * 100)).toBeNull();
  });

  it('is that of one who stands still after 256 s, however fast before', () => {
    expect(watch((ms) => Math.min(ms, HOUR_MS) * 1_000)).toBe(HOUR_MS + 258_000);
  });

  it('is that of one who takes a byte now and then, however fast before', () => {
    expect(watch((ms) => Math.min(ms, HOUR_MS) * 1_000 + ms / 3_000)).toBe(HOUR_MS + 258_000);
  });

  it('is not its own while nothing waits for it', () => {
    const never = (): boolean => false;
    expect(watch(() => 100, never)).toBeNull();
    const isWaiting = (ms: number): boolean => ms > 99_000;
    expect(watch((ms) => ms / 3_000, isWaiting)).toBe(99_000 + 258_000);
  });
});
