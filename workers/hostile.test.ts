import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { CODECS } from '../src/frames/codec.ts';
import { frame, handshake, OPCODE, RawClient } from '../src/testing/raw-client.ts';
import { type ServerProcess, startProcess } from '../src/testing/server-process.ts';
import { ViewerClient } from '../src/testing/viewer-client.ts';

/**
 * The server closes what has not finished its handshake after 12 s (32 s with uWebSockets.js 20.57), and what answers no
 * ping after 8.
 */
const CLOSED_WITHIN = 50_000;

let server: ServerProcess;
/** Good viewers, on all codecs and over the shards. Nothing that happens here may reach them. */
const witnesses: ViewerClient[] = [];
const said: string[] = [];
/** Opened at the beginning, so that the time that the server gives them passes while other tests run. */
const unfinished: RawClient[] = [];
let mute: RawClient;

beforeAll(async () => {
  server = await startProcess(['--interval', '50', '--workers', '2', '--idle-timeout', '8']);
  for (let i = 0; i < 9; i += 1)
    witnesses.push(new ViewerClient(server.viewerUrl, 'good', { codec: CODECS[i % 3] ?? 'json' }));
  await Promise.all(witnesses.map((witness) => witness.welcome()));
  mute = await new RawClient(server.viewerUrl).join('mute');
  for (const beginning of BEGINNINGS) unfinished.push(new RawClient(server.viewerUrl).send(beginning));
});

afterAll(async () => {
  await goOn();
  expect(await server.metric('volley_shard_restarts_total')).toBe(0);
  for (const witness of witnesses) {
    expect(witness.socket.readyState).toBe(witness.socket.OPEN);
    expect(witness.comments.map(({ text }) => text)).toEqual(said);
    expect(witness.faults).toEqual([]);
  }
  expect(await server.stop()).toBe(0);
  expect(server.stderr).toBe('');
  expect(server.lines.filter(({ level }) => Number(level) > 30)).toEqual([]);
});

/** A comment reaches every good viewer, and somebody new is let in. */
async function goOn(): Promise<void> {
  said.push(`still here ${said.length}`);
  const joining = new ViewerClient(server.viewerUrl, 'good', { query: '?since=0' });
  await joining.welcome();
  const witness = witnesses[said.length % witnesses.length] as ViewerClient;
  witness.send({ type: 'comment', ref: `${said.length}`, text: said.at(-1) });
  await Promise.all(
    [...witnesses, joining].map((viewer) => viewer.until(() => viewer.comments.length === said.length)),
  );
  await joining.close();
  expect(joining.faults).toEqual([]);
}

/** Pseudo-random bytes, the same in every run. */
function noise(length: number, seed: number): Buffer {
  let state = seed;
  return Buffer.from(
    Array.from({ length }, () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state >>> 24;
    }),
  );
}

const GET = 'GET /rooms/good HTTP/1.1\r\nHost: volley\r\n';
const FIRST_HALF = handshake('/rooms/good').slice(0, 80);

/** What may be the beginning of a handshake, or is none that the server ever answers. */
const BEGINNINGS = ['', 'G', 'GET /rooms/good', 'GET /rooms/good\r\n\r\n', GET, FIRST_HALF, '\r\n\r\n\r\n'];

const TLS_HELLO = Buffer.concat([Buffer.from('1603010200010001fc0303', 'hex'), noise(508, 1)]);

describe('before the handshake', () => {
  it.each<[string, string | Buffer]>([
    ['HTTP/1.0', 'GET /rooms/good HTTP/1.0\r\n\r\n'],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a TLS hello', TLS_HELLO],
    ['a header of 20 KB', `${GET}X: ${'x'.repeat(20_000)}\r\n\r\n`],
    ['a header that never ends', `${GET}X: ${'x'.repeat(300_000)}`],
    ['1,000 headers', `${GET}${'X: y\r\n'.repeat(1_000)}\r\n`],
    ['a path of 100 KB', `GET /rooms/${'x'.repeat(100_000)} HTTP/1.1\r\nHost: volley\r\n\r\n`],
    ['a length below zero', 'POST /rooms/good HTTP/1.1\r\nHost: volley\r\nContent-Length: -1\r\n\r\n'],
    ['two lengths of a body', `${GET}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['NULs', Buffer.alloc(5_000)],
    ['nothing but 0xff', Buffer.alloc(5_000, 255)],
    ['a frame', frame(OPCODE.text, '{"type":"comment","text":"too soon"}')],
    ['the word that memcached wants', 'stats\r\n'.repeat(20_000)],
  ])('%s costs that connection only', async (_what, bytes) => {
    const client = new RawClient(server.viewerUrl).send(bytes);
    await closedInTime(client);
    expect(client.received.toString('latin1')).not.toMatch(/^HTTP\/1\.1 [12]/);
    await goOn();
  });

  it('noise costs that connection only', async () => {
    const clients = Array.from({ length: 50 }, (_, seed) =>
      new RawClient(server.viewerUrl).send(noise(1 + seed * 97, seed)),
    );
    await goOn();
    for (const { received } of clients) expect(received.toString('latin1')).not.toMatch(/^HTTP\/1\.1 [12]/);
    for (const { socket } of clients) socket.destroy();
  });

  it('nothing at all, or half of it, on 300 connections keeps nobody out', async () => {
    const clients = Array.from({ length: 300 }, (_, i) =>
      new RawClient(server.viewerUrl).send(BEGINNINGS[i % 6] ?? ''),
    );
    await Promise.all(clients.map(({ connected }) => connected));
    await goOn();
    await goOn();
    for (const { socket } of clients) socket.resetAndDestroy();
    await goOn();
  });
});

/** Closes without a close frame, which a WebSocket client reports as 1006. */
const WRONG_FRAMES: [what: string, bytes: Buffer][] = [
  ['reserved bits', frame(OPCODE.text, 'hello', { reserved: 0x40 })],
  ['every reserved bit', frame(OPCODE.text, 'hello', { reserved: 0x70 })],
  ['a reserved opcode', frame(3, 'hello')],
  ['a reserved control opcode', frame(11, 'hello')],
  ['a ping in fragments', frame(OPCODE.ping, 'hello', { fin: false })],
  ['a close in fragments', frame(OPCODE.close, '', { fin: false })],
  ['a ping of 126 bytes', frame(OPCODE.ping, 'x'.repeat(126))],
  ['a continuation of nothing', frame(OPCODE.continuation, 'hello')],
  ['a new message in the middle of one', twice(frame(OPCODE.text, 'hello', { fin: false }))],
  [
    'fragments of over 64 KB together',
    twice(frame(OPCODE.text, 'x'.repeat(40_000), { fin: false }), frame(OPCODE.continuation, 'x'.repeat(40_000))),
  ],
  ['a length of 2^63', Buffer.from('81ff800000000000000000000000', 'hex')],
  ['a length of 2^64 - 1', Buffer.from('81ffffffffffffffffff00000000', 'hex')],
  // uWebSockets.js takes the first four bytes for a mask: what it reads then runs into the second frame and is not UTF-8.
  ['frames without a mask', twice(frame(OPCODE.text, '{"type":"comment","text":"no mask"}', { masked: false }))],
  ['HTTP after all', Buffer.from('GET / HTTP/1.1\r\nHost: volley\r\n\r\n')],
];

function twice(first: Buffer, second: Buffer = first): Buffer {
  return Buffer.concat([first, second]);
}

describe('in mid-link', () => {
  it.each(WRONG_FRAMES)('%s costs that viewer only', async (_what, bytes) => {
    const client = await new RawClient(server.viewerUrl).join('bad');
    const before = client.received.length;
    client.send(bytes);
    await closedInTime(client);
    expect(client.received.subarray(before)).toHaveLength(0);
    await goOn();
  });

  it('a message in many fragments, with a ping between, or byte by byte, is a message', async () => {
    const text = JSON.stringify({ type: 'comment', ref: 'cut', text: 'in pieces' });
    const parts = [...text].map((letter, i) =>
      frame(i === 0 ? OPCODE.text : OPCODE.continuation, letter, { fin: false }),
    );
    const bytes = Buffer.concat([...parts, frame(OPCODE.ping, 'now'), frame(OPCODE.continuation, '')]);
    const client = await new RawClient(server.viewerUrl).join('pieces');
    client.socket.setNoDelay(true);
    client.send(bytes);
    await client.until(() => client.received.includes('"ack"'));
    expect(client.received.includes(Buffer.from([0x8a, 3, ...Buffer.from('now')]))).toBe(true);
    const acks = () => client.received.toString('latin1').split('"ack"').length - 1;
    for (const byte of frame(OPCODE.text, text)) {
      await new Promise<void>((resolve) => client.socket.write(Buffer.from([byte]), () => resolve()));
    }
    await client.until(() => acks() === 2);
    client.socket.destroy();
  });

  it.each([
    ['noise', noise(3_000, 7)],
    ['a comment', frame(OPCODE.text, '{"type":"comment","text":"after the end"}')],
    ['another close', frame(OPCODE.close, Buffer.from([3, 232]))],
    ['half a frame', frame(OPCODE.text, 'x'.repeat(100)).subarray(0, 50)],
  ])('%s after a close frame is not read', async (_what, bytes) => {
    const comments = await server.metric('volley_comments_total');
    const client = await new RawClient(server.viewerUrl).join('closing');
    const before = client.received.length;
    client.send(twice(frame(OPCODE.close, Buffer.from([3, 232])), bytes));
    await closedInTime(client);
    expect(client.received.subarray(before)).toEqual(Buffer.from([0x88, 2, 3, 232]));
    expect(await server.metric('volley_comments_total')).toBe(comments);
    await goOn();
  });

  it.each([
    ['of one byte', Buffer.from([3])],
    ['with a code that may not be sent', Buffer.from([3, 238])],
    ['with a reason that is not UTF-8', Buffer.from([3, 232, 255])],
  ])('a close frame %s closes', async (_what, payload) => {
    const client = await new RawClient(server.viewerUrl).join('closing');
    await closedInTime(client.send(frame(OPCODE.close, payload)));
    await goOn();
  });

  it('a reset at any moment leaves no viewer behind', async () => {
    const moments = ['', FIRST_HALF, handshake('/rooms/reset'), `${handshake('/rooms/reset')}\u0081`];
    for (let i = 0; i < 100; i += 1) {
      const client = new RawClient(server.viewerUrl).send(moments[i % 4] ?? '');
      await client.connected;
      if (i % 3 === 0) await new Promise(setImmediate);
      client.socket.resetAndDestroy();
    }
    const joined = await new RawClient(server.viewerUrl).join('reset');
    joined.send(frame(OPCODE.text, 'half a frame').subarray(0, 9));
    joined.socket.resetAndDestroy();
    await goOn();
    await vi.waitFor(async () => expect(await viewersOf('reset')).toBe(0), { timeout: 10_000 });
  });

  it('a viewer that pings without end is closed with 1008', async () => {
    const client = await new RawClient(server.viewerUrl).join('pings');
    const pings = Buffer.concat(Array.from({ length: 1_000 }, () => frame(OPCODE.ping, 'x'.repeat(125))));
    await closedInTime(client.send(pings));
    expect(client.received.includes('sends too much')).toBe(true);
    await goOn();
  });

  it('hundreds of requests in one read are not all answered: the connection is closed after the first answers', async () => {
    const client = new RawClient(server.viewerUrl);
    await closedInTime(client.send('GET /nothing HTTP/1.1\r\nHost: volley\r\n\r\n'.repeat(500)));
    // Those that fit into the buffer in which the answers of one read are gathered.
    expect(client.received.toString('latin1').split('HTTP/1.1 404').length).toBeLessThan(100);
    await goOn();
  });
});

async function viewersOf(room: string): Promise<number> {
  const response = await fetch(`${server.apiUrl}/rooms/${room}`);
  return ((await response.json()) as { viewers: number }).viewers;
}

/** Waits until the server closes `client`. */
async function closedInTime(client: RawClient): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`open after ${client.received.toString('latin1')}`)), CLOSED_WITHIN);
  });
  await Promise.race([client.closed, late]);
  clearTimeout(timer);
}

describe('in its own time', () => {
  it('the server closes who never finishes the handshake', async () => {
    await Promise.all(unfinished.map(closedInTime));
    for (const { received } of unfinished) expect(received.toString('latin1')).not.toMatch(/^HTTP\/1\.1 [12]/);
    await goOn();
  }, 60_000);

  it('the server closes a viewer that answers no ping, and nobody else', async () => {
    await closedInTime(mute);
    expect(mute.received.includes(Buffer.from([0x89, 0]))).toBe(true);
    expect(await viewersOf('mute')).toBe(0);
    await goOn();
  });
});
