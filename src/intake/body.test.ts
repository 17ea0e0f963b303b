/** Bodies that do not come whole, over real connections. */
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createApi, type HttpRig } from '../api/app.fixture.ts';
import { FakeStore } from '../testing/store-fake.ts';

const MIB = 1_048_576;
const MOST_UNFINISHED = 32 * MIB;

let api: HttpRig<FakeStore>;
let port: number;
let clients: Client[];

beforeEach(async () => {
  clients = [];
  api = await createApi(new FakeStore());
  await api.app.listen({ port: 0, host: '127.0.0.1' });
  ({ port } = api.app.server.address() as AddressInfo);
});

afterEach(async () => {
  for (const { socket } of clients) socket.destroy();
  api.app.server.closeAllConnections();
  await api.app.close();
});

/** Sends a part of a body of white space, and the rest when a test says so. */
class Client {
  readonly socket: Socket;
  readonly #length: number;
  readonly #sent: number;
  heard = '';
  isClosed = false;

  constructor(length: number, sent: number, isChunked = false) {
    this.#length = length;
    this.#sent = sent;
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('error', () => undefined);
    this.socket.on('data', (bytes: Buffer) => {
      this.heard += bytes.toString();
    });
    this.socket.once('close', () => {
      this.isClosed = true;
    });
    const framing = isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${length}`;
    const head = `POST /rooms/a/comments HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${framing}\r\n\r\n`;
    this.socket.write(head + (isChunked ? `${length.toString(16)}\r\n` : ''));
    this.socket.write(Buffer.alloc(sent, ' '));
    clients.push(this);
  }

  finish(): void {
    const comment = '{"text":"a"}';
    this.socket.write(`${' '.repeat(this.#length - this.#sent - comment.length)}${comment}`);
  }
}

async function until(holds: () => boolean): Promise<void> {
  const end = Date.now() + 15_000;
  while (!holds()) {
    if (Date.now() > end) throw new Error('that did not happen within 15 s');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** As many clients as the budget has room for, each of which holds back the end of its body. */
async function fillBudget(isChunked: boolean): Promise<void> {
  for (let i = 0; i < MOST_UNFINISHED / MIB; i += 1) new Client(MIB, MIB - 100, isChunked);
  await until(() => api.counters.apiBodyBytes === MOST_UNFINISHED);
}

describe('bodies that do not come whole', () => {
  it.each([
    ['of a length that was named', false],
    ['in chunks', true],
  ])('take so much together, and more is refused: %s', async (_, isChunked) => {
    await fillBudget(isChunked);
    const refused = new Client(MIB, MIB - 100, isChunked);
    await until(() => refused.heard.includes('"code":"BUSY"'));
    expect(refused.heard).toMatch(/^HTTP\/1\.1 503 .*retry-after: 1\r\n/s);
    await until(() => refused.isClosed);
    expect(api.counters.apiBodyBytes).toBeLessThanOrEqual(MOST_UNFINISHED);
  });

  it('hold up nobody who sends one comment', async () => {
    await fillBudget(false);
    const small = new Client(16_000, 8_000);
    await until(() => api.counters.apiBodyBytes > MOST_UNFINISHED);
    small.finish();
    await until(() => small.heard.includes('{"accepted":1,"refused":[]}'));
  });

  it('are taken when they do, and leave room for others', async () => {
    await fillBudget(false);
    for (const client of clients) client.finish();
    // White space counts as part of a comment, of which this is too much.
    await until(() => clients.every(({ heard }) => heard.includes('"code":"TOO_LARGE"')));
    expect(api.counters.apiBodyBytes).toBe(0);
  });

  it('leave nothing when their clients go away', async () => {
    await fillBudget(false);
    for (const { socket } of clients) socket.destroy();
    await until(() => api.counters.apiBodyBytes === 0);
    expect([api.logged, [...api.counters.refused]]).toEqual([[], []]);
  });

  it('cost what they hold, though they come byte by byte', async () => {
    const client = new Client(3_000, 0, true);
    client.socket.setNoDelay(true);
    for (let i = 0; i < 2_000; i += 1) client.socket.write(' ');
    await until(() => api.counters.apiBodyBytes >= 2_000);
    expect(api.counters.apiBodyBytes).toBeLessThanOrEqual(4_096);
  });
});
