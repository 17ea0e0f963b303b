/** What only a real connection can show: bytes that are no HTTP, and clients that do not behave. */
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeStore } from '../store/store-fake.fixture.ts';
import { createApi, type HttpRig } from './http-api.fixture.ts';

let api: HttpRig<FakeStore>;
let port: number;

beforeEach(async () => {
  api = await createApi(new FakeStore(), { maxBody: 1_000 });
  await api.app.listen({ port: 0, host: '127.0.0.1' });
  ({ port } = api.app.server.address() as AddressInfo);
});

afterEach(async () => {
  api.app.server.closeAllConnections();
  await api.app.close();
});

/** A bare connection that keeps its half open for as long as the test does. */
class Wire {
  readonly socket: Socket;
  /** Resolves when the server has sent its end. */
  readonly ended: Promise<void>;
  #text = '';
  #waiting: (() => void)[] = [];

  constructor() {
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    this.socket.on('error', () => undefined);
    this.socket.on('data', (bytes) => {
      this.#text += bytes.toString();
      for (const look of this.#waiting) look();
    });
    this.ended = new Promise((resolve) => {
      this.socket.once('end', resolve);
      this.socket.once('close', () => resolve());
    });
  }

  /** Sends, and gives everything that the server says until it ends the connection. */
  async say(bytes: string): Promise<string> {
    this.socket.write(bytes);
    await this.ended;
    return this.#text;
  }

  /** Resolves when the server has said `text`. */
  async hears(text: string): Promise<void> {
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (this.#text.includes(text)) resolve();
      };
      this.#waiting.push(look);
      look();
    });
  }
}

function expectBadRequest(answer: string): void {
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  expect(head).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
  expect(head).toContain('Content-Type: application/problem+json');
  expect(head).toContain('Connection: close');
  expect(head).toContain(`Content-Length: ${body.length}`);
  expect(JSON.parse(body)).toMatchObject({ status: 400, code: 'BAD_REQUEST', title: 'Bad Request' });
}

const GOOD = 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n';

describe('a client', () => {
  it.each([
    ['garbage', 'garbage\r\n\r\n'],
    ['binary garbage', '\u0000\u0001\u0002\u0016\u0003\u0001'.repeat(20)],
    ['an unknown method', 'BREW /rooms HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['a header without a name', 'GET / HTTP/1.1\r\n: x\r\n\r\n'],
    ['a length that is no number', 'POST /rooms/a/comments HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n'],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'],
    ['a length and chunks', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['headers over 16 KB', `GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`],
    ['a path over 16 KB', `GET /rooms/${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`],
  ])('that sends %s gets a problem document and is closed', async (_, bytes) => {
    const wire = new Wire();
    expectBadRequest(await wire.say(bytes));
    wire.socket.destroy();
  });

  it('that keeps its half open after garbage does not keep the connection', { timeout: 5_000 }, async () => {
    const closed = new Promise<void>((resolve) => {
      api.app.server.once('connection', (socket: Socket) => socket.once('close', () => resolve()));
    });
    const wire = new Wire();
    await wire.say('garbage\r\n\r\n');
    await closed;
    wire.socket.destroy();
  });

  it('that sends garbage after a good request has its answer first', async () => {
    const wire = new Wire();
    wire.socket.write(GOOD);
    await wire.hears('{"status":"ok"}');
    const answer = await wire.say('garbage\r\n\r\n');
    expectBadRequest(answer.slice(answer.indexOf('{"status":"ok"}') + '{"status":"ok"}'.length));
    wire.socket.destroy();
  });

  it('that sends more in chunks than the bound is refused before it has sent all', async () => {
    const wire = new Wire();
    const head =
      'POST /rooms/a/comments HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n';
    wire.socket.write(head);
    for (let i = 0; i < 3; i += 1) wire.socket.write(`1f4\r\n${' '.repeat(500)}\r\n`);
    await wire.hears('"code":"TOO_LARGE"');
    await wire.hears('HTTP/1.1 413');
    wire.socket.destroy();
  });

  it('that names a larger length than the bound is refused without its body being read', async () => {
    const wire = new Wire();
    const head =
      'POST /rooms/a/comments HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n';
    wire.socket.write(head);
    await wire.hears('"code":"TOO_LARGE"');
    wire.socket.destroy();
  });

  it('that goes away in the middle of a body leaves nothing behind', async () => {
    const gone = new Promise<void>((resolve) => {
      api.app.server.once('connection', (socket: Socket) => socket.once('close', () => resolve()));
    });
    const wire = new Wire();
    const head =
      'POST /rooms/a/comments HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n';
    await new Promise<void>((resolve) => wire.socket.write(`${head}{"text":`, () => resolve()));
    wire.socket.resetAndDestroy();
    await gone;
    expect(api.rooms.size).toBe(0);
    expect(api.logged).toEqual([]);
    const other = new Wire();
    other.socket.write(GOOD);
    await other.hears('200 OK');
    other.socket.destroy();
  });
});
