import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RequestGate } from './request-gate.ts';

/** A request as the server saw it. */
interface Seen {
  readonly line: string;
  readonly body: string;
}

let server: Server;
let gates: Map<Socket, RequestGate>;
let seen: Seen[];
let floods: number;
/** Requests that have no answer yet, and the most of them at a time. */
let open: number;
let mostOpen: number;
/** Answers a request whose body is there; by default in a later turn. */
let answer: (response: ServerResponse) => void;

beforeEach(async () => {
  gates = new Map();
  seen = [];
  floods = 0;
  open = 0;
  mostOpen = 0;
  answer = (response) => void setImmediate(() => response.end('ok'));
  server = createServer((request, response) => {
    gates.get(request.socket)?.begin(request, response);
    open += 1;
    mostOpen = Math.max(mostOpen, open);
    response.once('close', () => {
      open -= 1;
    });
    void receive(request, response);
  });
  server.on('connection', (socket) => {
    gates.set(
      socket,
      new RequestGate(socket, () => {
        floods += 1;
        socket.destroy();
      }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let body = '';
  for await (const chunk of request.setEncoding('latin1')) body += String(chunk);
  seen.push({ line: `${request.method} ${request.url}`, body });
  answer(response);
}

/** Sends pieces, each in a packet of its own as far as the system goes along, and waits for so many answers. */
async function send(pieces: readonly Buffer[], answers: number): Promise<string> {
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1').setNoDelay(true);
  client.on('error', () => undefined);
  let heard = '';
  const done = new Promise<void>((resolve) => {
    client.on('data', (bytes: Buffer) => {
      heard += bytes.toString('latin1');
      if (heard.split('HTTP/1.1 ').length > answers && heard.endsWith('ok')) resolve();
    });
    client.once('close', () => resolve());
  });
  for (const piece of pieces) {
    client.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await done;
  client.destroy();
  while (open > 0) await new Promise((resolve) => setImmediate(resolve));
  return heard;
}

/** A body: hostile bytes among others, of which blank lines are what ends a head. */
const body = fc.string({
  unit: fc.constantFrom('\r\n\r\n', '\r', '\n', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', '0\r\n\r\n', 'a'),
  maxLength: 12,
});

const asked = fc.record({
  path: fc.stringMatching(/^\/[a-z]{0,3}$/),
  body,
  isChunked: fc.boolean(),
  isPost: fc.boolean(),
});

function write({
  path,
  body: text,
  isChunked,
  isPost,
}: {
  path: string;
  body: string;
  isChunked: boolean;
  isPost: boolean;
}): string {
  if (!isPost) return `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
  const head = `POST ${path} HTTP/1.1\r\nHost: x\r\n`;
  if (!isChunked) return `${head}Content-Length: ${text.length}\r\n\r\n${text}`;
  const chunk = text === '' ? '' : `${text.length.toString(16)}\r\n${text}\r\n`;
  return `${head}Transfer-Encoding: chunked\r\n\r\n${chunk}0\r\n\r\n`;
}

describe('a connection', () => {
  it('gives its requests one by one, each whole, however they are cut into packets', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(asked, { minLength: 1, maxLength: 8 }),
        fc.array(fc.nat(1_000), { maxLength: 8 }),
        async (requests, places) => {
          seen = [];
          mostOpen = 0;
          floods = 0;
          const bytes = Buffer.from(requests.map(write).join(''), 'latin1');
          const cuts = [0, ...places.map((place) => place % bytes.length), bytes.length].sort((one, two) => one - two);
          const pieces = cuts.slice(1).map((cut, i) => bytes.subarray(cuts[i], cut));
          await send(
            pieces.filter((piece) => piece.length > 0),
            requests.length,
          );
          expect(seen).toEqual(
            requests.map(({ path, body: text, isPost }) => ({
              line: `${isPost ? 'POST' : 'GET'} ${path}`,
              body: isPost ? text : '',
            })),
          );
          expect([mostOpen, floods]).toEqual([1, 0]);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('has one request at a time though a client sends hundreds at once, and others have their turns', async () => {
    const request = 'GET / HTTP/1.1\r\nHost:\r\n\r\n';
    const count = 500;
    let turns = 0;
    let isOver = false;
    const countTurn = (): void => {
      turns += 1;
      if (!isOver) setImmediate(countTurn);
    };
    setImmediate(countTurn);
    answer = (response) => response.end('ok');
    await send([Buffer.from(request.repeat(count))], count);
    isOver = true;
    expect([seen.length, mostOpen, floods]).toEqual([count, 1, 0]);
    expect(turns).toBeGreaterThan(count);
  });

  it('is not read while its request has no answer', async () => {
    const held: ServerResponse[] = [];
    answer = (response) => void held.push(response);
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    client.on('error', () => undefined);
    const connected = new Promise<Socket>((resolve) => server.once('connection', resolve));
    client.write('GET /first HTTP/1.1\r\nHost: x\r\n\r\n');
    const socket = await connected;
    // More than the systems' buffers take.
    const rest = Buffer.from('GET /rest HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(1_000_000));
    client.write(rest);
    const until = async (holds: () => boolean): Promise<void> => {
      while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
    };
    await until(() => seen.length === 1 && socket.isPaused());
    for (let i = 0; i < 200; i += 1) await new Promise((resolve) => setImmediate(resolve));
    // Two reads of 64 KB, and the one that Node keeps for itself when a socket is paused.
    expect(socket.bytesRead).toBeLessThanOrEqual(3 * 65_536);
    held.pop()?.end('ok');
    await until(() => seen.length === 2);
    expect([seen[1]?.line, mostOpen, floods]).toEqual(['GET /rest', 1, 0]);
    client.destroy();
  });

  it('gives a body in chunks of one byte by many turns of the loop, and holds little of it meanwhile', async () => {
    const head = 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n';
    let turns = 0;
    let isOver = false;
    const countTurn = (): void => {
      turns += 1;
      if (!isOver) setImmediate(countTurn);
    };
    setImmediate(countTurn);
    await send([Buffer.from(`${head}${'1\r\na\r\n'.repeat(50_000)}0\r\n\r\n`)], 1);
    isOver = true;
    expect([seen[0]?.body.length, floods]).toEqual([50_000, 0]);
    expect(turns).toBeGreaterThan(25);
  });

  it('that goes away in the middle of many requests leaves nothing to do', async () => {
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    client.on('error', () => undefined);
    const connected = new Promise<Socket>((resolve) => server.once('connection', resolve));
    client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(1_000));
    const socket = await connected;
    const closed = new Promise((resolve) => socket.once('close', resolve));
    while (seen.length < 10) await new Promise((resolve) => setImmediate(resolve));
    client.resetAndDestroy();
    await closed;
    const handled = seen.length;
    for (let i = 0; i < 50; i += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(seen.length).toBeLessThanOrEqual(handled + 1);
    expect(handled).toBeLessThan(1_000);
  });
});
