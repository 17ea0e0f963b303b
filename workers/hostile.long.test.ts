/** `HOSTILE_INPUTS=1000000 npm run test:long -- workers/hostile` tries more. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { CODECS } from '../src/frames/codec.ts';
import { codePoint } from '../src/testing/properties.ts';
import { frame, handshake, OPCODE, RawClient } from '../src/testing/raw-client.ts';
import { type ServerProcess, startProcess } from '../src/testing/server-process.ts';
import { ViewerClient } from '../src/testing/viewer-client.ts';

/** Messages to the viewers' port, and as many requests to the API. */
const INPUTS = Number(process.env.HOSTILE_INPUTS ?? 20_000);

/** On one connection. */
const AT_ONCE = 20;

let server: ServerProcess;
const witnesses: ViewerClient[] = [];
let said = 0;
const MIB = 1_048_576;

beforeAll(async () => {
  server = await startProcess(['--interval', '50', '--workers', '2']);
  for (const codec of [...CODECS, ...CODECS]) witnesses.push(new ViewerClient(server.viewerUrl, 'good', { codec }));
  await Promise.all(witnesses.map((witness) => witness.welcome()));
});

afterAll(async () => {
  await goOn();
  const last = await rss();
  process.stdout.write(`the server has ${Math.round(last / MIB)} MiB after all that\n`);
  expect(last).toBeLessThan(400 * MIB);
  expect(await server.metric('volley_shard_restarts_total')).toBe(0);
  for (const { faults, socket } of witnesses) {
    expect(faults).toEqual([]);
    expect(socket.readyState).toBe(socket.OPEN);
  }
  expect(await server.stop()).toBe(0);
  expect(server.stderr).toBe('');
  expect(server.lines.filter(({ level }) => Number(level) > 30)).toEqual([]);
});

function rss(): Promise<number> {
  return server.metric('process_resident_memory_bytes');
}

/** A comment of a new viewer reaches every good one. */
async function goOn(): Promise<void> {
  said += 1;
  const joining = new ViewerClient(server.viewerUrl, 'good');
  await joining.welcome();
  joining.send({ type: 'comment', text: `still here ${said}` });
  await Promise.all(witnesses.map((witness) => witness.until(() => witness.comments.length === said)));
  for (const witness of witnesses) expect(witness.comments.at(-1)?.text).toBe(`still here ${said}`);
  await joining.close();
}

describe('5,000 connections that never finish the handshake', () => {
  it('keep nobody out and are all closed by the server', async () => {
    const whole = handshake('/rooms/good');
    const before = await server.metric('process_open_fds');
    expect(before).toBeGreaterThan(0);
    const clients: RawClient[] = [];
    let open = 0;
    let most = 0;
    for (let i = 0; i < 5_000; i += 1) {
      const client = new RawClient(server.viewerUrl).send(whole.slice(0, (i * 7) % (whole.length - 1)));
      clients.push(client);
      open += 1;
      client.closed.then(() => {
        open -= 1;
      });
      // What waits to be accepted must fit into the kernel's queue.
      if (i % 100 === 99) await Promise.all(clients.slice(-100).map(({ connected }) => connected));
      if (i % 1_000 !== 999) continue;
      await goOn();
      most = Math.max(most, await server.metric('process_open_fds'));
    }
    // Thousands were open at once, however slow this machine is.
    expect(most - before).toBeGreaterThan(2_000);
    while (open > 0) await goOn();
    for (const { received } of clients) expect(received.toString('latin1')).not.toMatch(/^HTTP\/1\.1 [12]/);
    await vi.waitFor(async () => expect(await server.metric('process_open_fds')).toBeLessThan(before + 50), 10_000);
    expect(await server.metric('volley_viewers')).toBe(witnesses.length);
  });
});

describe('whatever bytes', () => {
  const opcode = fc.constantFrom(...Object.values(OPCODE), 3, 11, 15);
  const aFrame = fc
    .record({
      opcode,
      payload: fc.oneof(
        fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
        fc.constantFrom('{"type":"comment","text":1}', '{', '[]', 'x'.repeat(5_000)).map((text) => Buffer.from(text)),
      ),
      fin: fc.boolean(),
      masked: fc.boolean(),
      reserved: fc.constantFrom(0, 0, 0, 0x10, 0x40, 0x70),
    })
    .map(({ opcode, payload, ...options }) => frame(opcode, payload, options));
  const aFlaw = fc.record({ at: fc.nat(), to: fc.nat(255) });

  /** Changes single bytes. */
  function spoil(bytes: Buffer, flaws: readonly { at: number; to: number }[]): Buffer {
    const spoiled = Buffer.from(bytes);
    for (const { at, to } of flaws) spoiled[at % Math.max(1, spoiled.length)] = to;
    return spoiled;
  }

  it('a viewer sends, the others notice nothing', async () => {
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(aFrame, { minLength: 1, maxLength: 8 }),
        fc.array(aFlaw, { maxLength: 2 }),
        fc.nat(),
        async (frames, flaws, cut) => {
          const client = await new RawClient(server.viewerUrl).join('bad');
          const bytes = spoil(Buffer.concat(frames), flaws);
          client.send(bytes.subarray(0, cut % (bytes.length + 1))).send(bytes.subarray(cut % (bytes.length + 1)));
          client.socket.end();
          await client.closed;
          runs += 1;
          if (runs % 50 === 0) await goOn();
        },
      ),
      { numRuns: 1_500 },
    );
  });

  it('come instead of a handshake, the others notice nothing', async () => {
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(aFlaw, { minLength: 1, maxLength: 6 }),
        fc.uint8Array({ maxLength: 2_000 }),
        async (flaws, more) => {
          const client = new RawClient(server.viewerUrl);
          client.send(spoil(Buffer.from(handshake('/rooms/bad')), flaws)).send(Buffer.from(more));
          client.socket.end();
          await client.closed;
          runs += 1;
          if (runs % 50 === 0) await goOn();
        },
      ),
      { numRuns: 1_500 },
    );
  });
});

describe(`${INPUTS} hostile inputs`, () => {
  const odd = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.constantFrom(-1, 1e308, '', ' ', '\u0000', '\ud800', '\u202e', 'x'.repeat(3_000), {}, [], null, true),
  );
  const member = fc.constantFrom('type', 'ref', 'text', 'mode', 'color', 'size', 'extra', 'user', 'name', '__proto__');
  const comment = fc
    .dictionary(member, odd, { maxKeys: 5 })
    .map((members) => JSON.stringify({ type: 'comment', text: 'x', ...members }));
  const text = fc.oneof(comment, fc.json({ maxDepth: 4 }), fc.string({ unit: codePoint, maxLength: 300 }));
  const many = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
    fc.array(one, { minLength: AT_ONCE, maxLength: AT_ONCE });
  const settings = { numRuns: Math.ceil(INPUTS / AT_ONCE) };

  it('as messages of viewers are each answered or cut off, and the others notice nothing', async () => {
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(many(text), async (texts) => {
        const client = await new RawClient(server.viewerUrl).join('bad');
        client.send(Buffer.concat(texts.map((one) => frame(OPCODE.text, one))));
        client.socket.end();
        await client.closed;
        runs += 1;
        if (runs % 50 === 0) await goOn();
      }),
      settings,
    );
  });

  it('as requests to the API are each answered, never with 500', async () => {
    const rooms = fc.constantFrom(
      'bad',
      'good/..',
      '%00',
      '%ff',
      '',
      'ü',
      'x'.repeat(300),
      '..%2f..',
      'a b',
      'bad?',
      '*',
    );
    const room = fc.oneof(rooms, fc.string({ maxLength: 20 }).map(encodeURIComponent));
    const path = fc.oneof(
      room.map((name) => `/rooms/${name}`),
      room.map((name) => `/rooms/${name}/comments`),
      fc.tuple(room, fc.constantFrom('ass', 'xml', 'ndjson', '')).map(([name, as]) => `/rooms/${name}/export.${as}`),
      fc
        .tuple(room, fc.string({ maxLength: 12 }))
        .map(([name, id]) => `/rooms/${name}/comments/${encodeURIComponent(id)}`),
      fc.constantFrom(
        '/rooms',
        '/healthz',
        '/readyz',
        '/metrics',
        '/dplayer/v3/',
        '/dplayer/',
        '/',
        '//',
        '/../etc/passwd',
        '/%',
      ),
    );
    const query = fc.oneof(
      fc.constant(''),
      fc.webQueryParameters().map((given) => `?${given}`),
      fc.constantFrom('?since=-1', '?limit=1e9', '?since=x&since=1', '?wait=', '?id=bad&max=0', '?from=1&to=0'),
    );
    const request = fc
      .record({
        method: fc.constantFrom('GET', 'POST', 'DELETE', 'PUT', 'OPTIONS', 'HEAD', 'PATCH'),
        path,
        query,
        type: fc.constantFrom(
          'application/json',
          'text/plain',
          'multipart/form-data',
          'application/json; charset=utf-16',
          '',
        ),
        body: text,
      })
      .map(({ method, path, query, type, body }) => {
        const bytes = Buffer.from(body);
        // A path with a character that no request line may have is refused by Node.js, which ends the connection.
        const target = `${path}${query}`.replaceAll(/[^!-~]/g, '');
        const head = `${method} ${target} HTTP/1.1\r\nHost: volley\r\nContent-Type: ${type}\r\nContent-Length: ${bytes.length}\r\n\r\n`;
        return Buffer.concat([Buffer.from(head), bytes]);
      });
    let runs = 0;
    let answers = 0;
    await fc.assert(
      fc.asyncProperty(many(request), async (requests) => {
        const client = new RawClient(server.apiUrl);
        client.send(Buffer.concat(requests));
        client.send('GET /healthz HTTP/1.1\r\nHost: volley\r\nConnection: close\r\n\r\n');
        await client.closed;
        const statuses = [...client.received.toString('latin1').matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) =>
          Number(status),
        );
        expect(statuses.length).toBeGreaterThan(0);
        expect(statuses.filter((status) => status === 500)).toEqual([]);
        answers += statuses.length;
        runs += 1;
        if (runs % 50 === 0) await goOn();
      }),
      settings,
    );
    process.stdout.write(`${runs * (AT_ONCE + 1)} requests, ${answers} answers\n`);
    expect(answers).toBeGreaterThan((runs * AT_ONCE) / 2);
  });
});
