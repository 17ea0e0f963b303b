/** What only a real connection can show: bytes that are no HTTP, and clients that do not behave. */
import { STATUS_CODES } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { REFUSALS, type RefusalCode } from '../codes.ts';
import { FakeStore } from '../testing/store-fake.ts';
import { createApi, type HttpRig } from './app.fixture.ts';

let api: HttpRig<FakeStore>;
let port: number;

/** Short enough to wait for. */
const TIMES = { head: 300, request: 600, idle: 5_000, look: 50 };

beforeEach(async () => {
  api = await createApi(new FakeStore(), { maxBody: 1_000, times: TIMES });
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

/** Checks that an answer is the problem document for `code`, and the last one on its connection. */
function expectRefusal(answer: string, code: RefusalCode): void {
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  const { status } = REFUSALS[code];
  expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  expect(head).toContain('Content-Type: application/problem+json');
  expect(head).toContain('Connection: close');
  expect(JSON.parse(/\{.*\}/s.exec(body)?.[0] ?? '')).toMatchObject({ status, code, title: STATUS_CODES[status] });
}

const POST = 'POST /rooms/a/comments HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
const GOOD = 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n';

describe('the API', () => {
  it('goes on when a connection cannot be accepted', async () => {
    api.app.server.emit('error', Object.assign(new Error('accept EMFILE'), { code: 'EMFILE', syscall: 'accept' }));
    expect(api.counters.faultsAccept).toBe(1);
    expect(api.logged.join()).toContain('a connection to the API could not be accepted');
    const wire = new Wire();
    wire.socket.write(GOOD);
    await wire.hears('200 OK');
    wire.socket.destroy();
  });
});

describe('a client', () => {
  it.each([
    ['garbage', 'garbage\r\n\r\n'],
    ['binary garbage', '\u0000\u0001\u0002\u0016\u0003\u0001'.repeat(20)],
    ['an unknown method', 'BREW /rooms HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['a header without a name', 'GET / HTTP/1.1\r\n: x\r\n\r\n'],
    ['a length that is no number', 'POST /rooms/a/comments HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n'],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'],
    ['a length and chunks', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ])('that sends %s gets a problem document and is closed', async (_, bytes) => {
    const wire = new Wire();
    expectRefusal(await wire.say(bytes), 'BAD_REQUEST');
    wire.socket.destroy();
  });

  it.each([
    ['headers over 16 KB', `GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`],
    ['a path over 16 KB', `GET /rooms/${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`],
  ])('that sends %s is told so and is closed', async (_, bytes) => {
    const wire = new Wire();
    expectRefusal(await wire.say(bytes), 'HEADERS_TOO_LARGE');
    wire.socket.destroy();
  });

  it('that asks for a tunnel is closed, and what it sends after that goes nowhere', async () => {
    const wire = new Wire();
    expect(await wire.say(`CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n${GOOD.repeat(3)}`)).toBe('');
    wire.socket.destroy();
    const other = new Wire();
    other.socket.write(GOOD);
    await other.hears('200 OK');
    other.socket.destroy();
  });

  it('that names no host, or expects what is not offered, gets a problem document', async () => {
    const hostless = await new Wire().say('GET /healthz HTTP/1.1\r\n\r\n');
    expectRefusal(hostless, 'BAD_REQUEST');
    const expecting = await new Wire().say('GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: coffee\r\n\r\n');
    expectRefusal(expecting, 'EXPECTATION_FAILED');
    expect(await new Wire().say('GET /healthz HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 OK/);
    expect(Object.fromEntries(api.counters.refused)).toEqual({ BAD_REQUEST: 1, EXPECTATION_FAILED: 1 });
  });

  it.each([
    ['nothing', '', TIMES.head],
    ['a part of a head', 'GET /healthz HTTP/1.1\r\nHo', TIMES.head],
    ['a part of a body', `${POST}Content-Length: 100\r\n\r\n{"text":`, TIMES.request],
    ['a part of a body in chunks', `${POST}Transfer-Encoding: chunked\r\n\r\n8\r\n{"text":\r\n`, TIMES.request],
  ])('that sends %s and then waits is cut off in time', async (_, bytes, time) => {
    const began = performance.now();
    const wire = new Wire();
    expectRefusal(await wire.say(bytes), 'REQUEST_TIMEOUT');
    expect(performance.now() - began).toBeGreaterThan(time - 1);
    expect(api.counters.cutSlowRequest).toBe(1);
    expect(api.counters).toMatchObject({ apiUnsentBytes: 0, apiBodyBytes: 0 });
    wire.socket.destroy();
  });

  it('that sends a body byte by byte is cut off in time too', async () => {
    const wire = new Wire();
    const drip = setInterval(() => wire.socket.write(' '), 20);
    expectRefusal(await wire.say(`${POST}Content-Length: 900\r\n\r\n`), 'REQUEST_TIMEOUT');
    clearInterval(drip);
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
    expectRefusal(answer.slice(answer.indexOf('{"status":"ok"}') + '{"status":"ok"}'.length), 'BAD_REQUEST');
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
