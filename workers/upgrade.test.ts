import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { CODECS, type CodecName, SUBPROTOCOLS } from '../src/frames/codec.ts';
import { handshake, RawClient } from '../src/testing/raw-client.ts';
import { type ServerProcess, startProcess } from '../src/testing/server-process.ts';
import { ViewerClient } from '../src/testing/viewer-client.ts';
import { library } from './uws.ts';
import { type Answer, request, UPGRADE } from './viewers-port.fixture.ts';

// A process of its own: the library reads --max-headers once, when the process loads it first.
let server: ServerProcess;

beforeAll(async () => {
  server = await startProcess([
    '--interval',
    '50',
    '--workers',
    '2',
    '--memory-comments',
    '20',
    '--max-backfill',
    '12',
  ]);
});

afterAll(async () => {
  expect(await server.stop()).toBe(0);
});

function ask(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  return request(server.viewerUrl, path, headers, method);
}

function shakeHands(path: string, headers: Record<string, string> = {}): Promise<Answer> {
  return ask(path, { ...UPGRADE, ...headers });
}

/** Stores comments, each in a batch of its own, so that comment n has seq n in a new room. */
async function fill(room: string, count: number): Promise<string[]> {
  const texts = Array.from({ length: count }, (_, i) => `comment ${i + 1}`);
  for (const text of texts) expect((await server.post(room, { text }, '?wait=stored')).status).toBe(201);
  return texts;
}

async function join(room: string, query: string, codec: CodecName = 'json'): Promise<ViewerClient> {
  const viewer = new ViewerClient(server.viewerUrl, room, { codec, query });
  await viewer.welcome();
  return viewer;
}

let ends = 0;

/** What `viewer` has heard before a comment that is posted now. Checks that it has heard nothing twice or out of order. */
async function hearAll(viewer: ViewerClient, room: string): Promise<string[]> {
  ends += 1;
  const end = `end ${ends}`;
  await server.post(room, { text: end });
  await viewer.until(() => viewer.comments.at(-1)?.text === end);
  await viewer.close();
  expect(viewer.faults).toEqual([]);
  return viewer.comments.map(({ text }) => text).slice(0, -1);
}

describe('the subprotocol', () => {
  it('is JSON when none is offered, and none is answered', async () => {
    const viewer = new ViewerClient(server.viewerUrl, 'none');
    const kinds = binaryMessages(viewer);
    await viewer.welcome();
    expect(viewer.socket.protocol).toBe('');
    expect(await hearAll(viewer, 'none')).toEqual([]);
    expect(kinds).toEqual([]);
  });

  it.each(CODECS)('can be %s', async (codec) => {
    const viewer = new ViewerClient(server.viewerUrl, codec, { codec });
    const kinds = binaryMessages(viewer);
    await viewer.welcome();
    expect(viewer.socket.protocol).toBe(SUBPROTOCOLS[CODECS.indexOf(codec)]);
    expect(await hearAll(viewer, codec)).toEqual([]);
    expect(kinds).toEqual(codec === 'json' ? [] : ['batch']);
  });

  it.each([
    ['chat, volley.v1.msgpack, volley.v1.json', 'volley.v1.msgpack'],
    ['volley.v1.msgpack.deflate,volley.v1.msgpack', 'volley.v1.msgpack.deflate'],
    ['volley.v2.json ,  volley.v1.json', 'volley.v1.json'],
  ])('is the first known one of "%s"', async (offered, chosen) => {
    const answer = await shakeHands('/rooms/several', { 'sec-websocket-protocol': offered });
    expect(answer.status).toBe(101);
    expect(answer.headers['sec-websocket-protocol']).toBe(chosen);
  });

  it.each(['chat', 'volley.v1', 'volley.v1.JSON', 'volley.v1.jsonx, x.volley.v1.json', ','])(
    'is refused when only "%s" is offered',
    async (offered) => {
      const answer = await shakeHands('/rooms/unknown', { 'sec-websocket-protocol': offered });
      expect(answer).toMatchObject({ status: 400, type: 'application/problem+json', code: 'UNKNOWN_SUBPROTOCOL' });
    },
  );

  it.each([
    [['chat', 'volley.v1.msgpack'], /^HTTP\/1\.1 101 .*\r\nSec-WebSocket-Protocol: volley\.v1\.msgpack\r\n/s],
    [['volley.v1.msgpack', 'volley.v1.json'], /^HTTP\/1\.1 101 .*\r\nSec-WebSocket-Protocol: volley\.v1\.msgpack\r\n/s],
    [['', 'chat, volley.v1.json'], /^HTTP\/1\.1 101 .*\r\nSec-WebSocket-Protocol: volley\.v1\.json\r\n/s],
    [['chat', 'superchat'], /^HTTP\/1\.1 400 .*"UNKNOWN_SUBPROTOCOL"/s],
  ])('is the first known one on the lines %j', async (lines, answer) => {
    const offered = lines.map((names) => `Sec-WebSocket-Protocol: ${names}\r\n`).join('');
    const client = new RawClient(server.viewerUrl).send(handshake('/rooms/lines', offered));
    await client.until(() => answer.test(client.received.toString('latin1')));
    client.socket.destroy();
  });

  /** Notes the type of every message that comes as a binary one. */
  function binaryMessages(viewer: ViewerClient): string[] {
    const kinds: string[] = [];
    viewer.socket.on('message', (_data, isBinary) => {
      if (isBinary) kinds.push(viewer.messages.at(-1)?.type ?? '');
    });
    return kinds;
  }
});

describe('the head of a handshake', () => {
  it('may have 15 KB of a site’s cookies', async () => {
    expect(await shakeHands('/rooms/cookies', { cookie: `s=${'x'.repeat(15_000)}` })).toMatchObject({ status: 101 });
  });

  it('is refused by the library, 431, over --max-headers', async () => {
    const answer = await shakeHands('/rooms/cookies', { cookie: `s=${'x'.repeat(17_000)}` });
    expect(answer).toMatchObject({ status: 431, code: undefined });
  });

  it('is as long as --max-headers says', async () => {
    const strict = await startProcess(['--workers', '1', '--max-headers', '4096']);
    try {
      const cookie = (bytes: number) => ({ ...UPGRADE, cookie: `s=${'x'.repeat(bytes)}` });
      expect((await request(strict.viewerUrl, '/rooms/a', cookie(3_500), 'GET')).status).toBe(101);
      expect((await request(strict.viewerUrl, '/rooms/a', cookie(4_500), 'GET')).status).toBe(431);
    } finally {
      expect(await strict.stop()).toBe(0);
    }
  });

  // uws-pack's older binary answers 505 where a packet ends within " HTTP/1.1", as docs/protocol.md says.
  it.skipIf(library.startsWith('uws-pack'))('may be cut by a packet boundary at any place', async () => {
    const head = handshake('/rooms/cut');
    const cuts = Array.from({ length: head.length - 1 }, (_, i) => i + 1);
    const answers = cuts.map(async (cut) => {
      const client = new RawClient(server.viewerUrl);
      client.socket.setNoDelay(true);
      await client.connected;
      client.send(head.slice(0, cut));
      // The parts must arrive in two packets; where they do not, this cut is not tried.
      await new Promise((resolve) => setTimeout(resolve, 20));
      client.send(head.slice(cut));
      await client.until(() => client.received.includes('\r\n\r\n'));
      client.socket.destroy();
      return client.received.toString('latin1').split('\r\n')[0];
    });
    expect(new Set(await Promise.all(answers))).toEqual(new Set(['HTTP/1.1 101 Switching Protocols']));
  });
});

describe('the room name', () => {
  it.each([
    ['a slash', '/rooms/a/b'],
    ['two slashes', '/rooms//a'],
    ['a slash at the end', '/rooms/a/'],
    ['an encoded slash', '/rooms/a%2Fb'],
    ['NUL', '/rooms/a%00'],
    ['a line feed', '/rooms/%0A'],
    ['DEL', '/rooms/%7f'],
    ['a space', '/rooms/a%20b'],
    ['letters that are not ASCII', '/rooms/%E5%BC%B9'],
    ['65 characters', `/rooms/${'x'.repeat(65)}`],
    ['nothing', '/rooms/'],
    ['nothing but a query', '/rooms/?since=0'],
    ['a percent sign alone', '/rooms/%'],
    ['an encoding that is none', '/rooms/%zz'],
    ['encoded bytes that are not UTF-8', '/rooms/%C3%28'],
    ['an encoded percent sign', '/rooms/%2561'],
  ])('is refused with %s', async (_what, path) => {
    const answer = await shakeHands(path);
    expect(answer).toMatchObject({ status: 404, type: 'application/problem+json', code: 'ROOM_NAME_INVALID' });
  });

  it('may hold every allowed character, 64 of them, and be percent-encoded', async () => {
    const name = `aZ09._:-${'x'.repeat(56)}`;
    const viewer = new ViewerClient(server.viewerUrl, name.replaceAll(':', '%3A').replaceAll('x', '%78'));
    expect(await viewer.welcome()).toMatchObject({ room: name });
    expect(await hearAll(viewer, name)).toEqual([]);
  });
});

describe('since and history', () => {
  it.each(['x', '', '-1', '+1', '1.5', '1e3', '0x1', '%20', '9007199254740992', '99999999999999999999'])(
    'refuse "%s"',
    async (value) => {
      const problem = { status: 400, type: 'application/problem+json' };
      expect(await shakeHands(`/rooms/r?since=${value}`)).toMatchObject({ ...problem, code: 'SINCE_INVALID' });
      expect(await shakeHands(`/rooms/r?history=${value}`)).toMatchObject({ ...problem, code: 'HISTORY_INVALID' });
    },
  );

  it('leave the newest alone when neither is given', async () => {
    await fill('fresh', 3);
    const viewer = await join('fresh', '');
    expect(viewer.messages[0]).toEqual({ type: 'welcome', room: 'fresh', seq: 3, viewers: 1, interval: 50 });
    expect(await hearAll(viewer, 'fresh')).toEqual([]);
  });

  it.each(CODECS)('give everything kept for since=0 on %s', async (codec) => {
    const room = `zero-${codec}`;
    const texts = await fill(room, 4);
    const viewer = await join(room, '?since=0', codec);
    expect(viewer.messages[0]).toEqual({ type: 'welcome', room, seq: 4, viewers: 1, interval: 50 });
    expect(await hearAll(viewer, room)).toEqual(texts);
  });

  it('give what came after since', async () => {
    const texts = await fill('middle', 5);
    const viewer = await join('middle', '?since=3');
    expect(viewer.messages[0]).not.toHaveProperty('gap');
    expect(await hearAll(viewer, 'middle')).toEqual(texts.slice(3));
  });

  it('give nothing old for since at the newest', async () => {
    await fill('newest', 2);
    const viewer = await join('newest', '?since=2');
    expect(viewer.messages[0]).not.toHaveProperty('reset');
    expect(await hearAll(viewer, 'newest')).toEqual([]);
  });

  it.each(CODECS)('say reset and give everything kept for since above the newest on %s', async (codec) => {
    const room = `reset-${codec}`;
    const texts = await fill(room, 3);
    const viewer = await join(room, '?since=4', codec);
    expect(viewer.messages[0]).toEqual({ type: 'welcome', room, seq: 3, viewers: 1, interval: 50, reset: true });
    expect(await hearAll(viewer, room)).toEqual(texts);
  });

  it('say reset in a room that has never had a comment', async () => {
    const viewer = await join('unheard-of', '?since=9007199254740991');
    expect(viewer.messages[0]).toMatchObject({ seq: 0, reset: true });
    expect(await hearAll(viewer, 'unheard-of')).toEqual([]);
  });

  it('tell the gap when --memory-comments has let older ones go', async () => {
    const texts = await fill('gap', 25);
    const viewer = await join('gap', '?since=14');
    expect(viewer.messages[0]).not.toHaveProperty('gap');
    expect(await hearAll(viewer, 'gap')).toEqual(texts.slice(14));
    const late = await join('gap', '?since=2');
    expect(late.messages[0]).toMatchObject({ seq: 26, gap: { from: 3, to: 14 } });
    expect(await hearAll(late, 'gap')).toEqual([...texts.slice(14), expect.stringMatching(/^end/)]);
  });

  it('tell the gap when --max-backfill gives less than is kept', async () => {
    const texts = await fill('backfill', 15);
    const viewer = await join('backfill', '?since=0');
    expect(viewer.messages[0]).toMatchObject({ seq: 15, gap: { from: 1, to: 3 } });
    expect(await hearAll(viewer, 'backfill')).toEqual(texts.slice(3));
  });

  it.each([
    ['0', 0],
    ['1', 1],
    ['3', 3],
    ['100', 4],
  ])('give the newest for history=%s', async (history, count) => {
    const room = `history-${history}`;
    const texts = await fill(room, 4);
    const viewer = new ViewerClient(server.viewerUrl, room, { codec: 'msgpack', query: `?history=${history}` });
    // The client counts from the welcome's seq; a history begins before it.
    viewer.socket.once('message', () => {
      viewer.seq = 4 - count;
    });
    await viewer.welcome();
    expect(await hearAll(viewer, room)).toEqual(texts.slice(4 - count));
  });

  it('give whole batches for history, even when that is more', async () => {
    for (const part of ['a', 'b', 'c']) {
      const batch = [1, 2, 3].map((place) => ({ text: `${part}${place}` }));
      await server.post('whole', batch, '?wait=stored');
    }
    const viewer = new ViewerClient(server.viewerUrl, 'whole', { query: '?history=4' });
    await viewer.welcome();
    await viewer.until(() => viewer.comments.length === 6);
    expect(viewer.comments.map(({ text }) => text)).toEqual(['b1', 'b2', 'b3', 'c1', 'c2', 'c3']);
    await viewer.close();
  });

  it('let since win over history, whatever history says', async () => {
    const texts = await fill('both', 3);
    expect(await hearAll(await join('both', '?history=x&since=1'), 'both')).toEqual(texts.slice(1));
  });
});

describe('the rest of the viewers’ port', () => {
  it.each([
    ['a plain GET', {}, 'GET'],
    ['a POST', {}, 'POST'],
    ['an older WebSocket version', { ...UPGRADE, 'sec-websocket-version': '8' }, 'GET'],
    [
      'a handshake without a version',
      { upgrade: 'websocket', 'sec-websocket-key': UPGRADE['sec-websocket-key'] },
      'GET',
    ],
    ['a handshake without a key', { upgrade: 'websocket', 'sec-websocket-version': '13' }, 'GET'],
    ['a handshake with a key of a wrong length', { ...UPGRADE, 'sec-websocket-key': 'short' }, 'GET'],
  ])('answers 426 to %s of a room', async (_what, headers: Record<string, string>, method) => {
    const answer = await ask('/rooms/plain', headers, method);
    expect(answer).toMatchObject({ status: 426, type: 'application/problem+json', code: 'UPGRADE_REQUIRED' });
    const upgrade = { upgrade: 'websocket', 'sec-websocket-version': '13' };
    expect(answer.headers).toMatchObject({ ...upgrade, 'access-control-allow-origin': '*' });
  });

  it('answers /healthz', async () => {
    expect(await ask('/healthz')).toMatchObject({
      status: 200,
      body: 'ok',
      headers: { 'access-control-allow-origin': '*' },
    });
  });

  it('answers HEAD of /healthz, and goes on', async () => {
    const answer = await ask('/healthz', {}, 'HEAD');
    expect(answer).toMatchObject({ status: 200, body: '', headers: { 'content-length': '2' } });
    expect(await ask('/healthz')).toMatchObject({ status: 200 });
  });

  it.each(['HEAD', 'OPTIONS', 'PUT'])('answers %s of a room and of nothing, and goes on', async (method) => {
    expect((await ask('/rooms/a', {}, method)).status).toBe(426);
    expect((await ask('/nothing', {}, method)).status).toBe(404);
    expect(await ask('/healthz')).toMatchObject({ status: 200 });
  });

  it('says which methods /healthz takes', async () => {
    const answer = await ask('/healthz', {}, 'POST');
    expect(answer).toMatchObject({ status: 405, code: 'METHOD_NOT_ALLOWED', headers: { allow: 'GET, HEAD' } });
  });

  it.each(['/', '/rooms', '/room/a', '/metrics', '//rooms/a', '/healthz/x'])(
    'answers 404 to %s, upgrade or not',
    async (path) => {
      const problem = { status: 404, type: 'application/problem+json', code: 'NOT_FOUND' };
      expect(await ask(path)).toMatchObject(problem);
      expect(await shakeHands(path)).toMatchObject(problem);
    },
  );

  it('gives the problem’s members as RFC 9457 has them', async () => {
    const { body } = await shakeHands('/rooms/r?since=x');
    expect(JSON.parse(body)).toEqual({
      type: 'about:blank',
      title: 'Bad Request',
      status: 400,
      code: 'SINCE_INVALID',
      detail: expect.stringContaining('since'),
    });
  });

  it('counts refused handshakes by code, and no viewer for them', async () => {
    const before = await server.metric('volley_refused_total', 'code="HISTORY_INVALID"');
    const joined = await server.metric('volley_viewers_joined_total');
    for (let i = 0; i < 3; i += 1) await shakeHands('/rooms/r?history=x');
    expect(await server.metric('volley_refused_total', 'code="HISTORY_INVALID"')).toBe(before + 3);
    expect(await server.metric('volley_viewers_joined_total')).toBe(joined);
  });

  it('agrees to no WebSocket compression, which would compress once a viewer', async () => {
    const socket = new WebSocket(`${server.viewerUrl}/rooms/compress`, { perMessageDeflate: true });
    await new Promise((resolve) => socket.once('open', resolve));
    expect(socket.extensions).toBe('');
    socket.terminate();
  });
});
