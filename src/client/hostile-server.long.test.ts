/** `HOSTILE_INPUTS=1000000 npm run test:long -- hostile-server` tries more. */
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { createDeflateRaw, deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { afterAll, describe, expect, it } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { ServerProcess } from '../testing/server-process.ts';
import { bytes, decode, hostility, MOST_INPUTS, meet } from './hostile-server.fixture.ts';

const INPUTS = Number(process.env.HOSTILE_INPUTS ?? 20_000);
const MIB = 1_048_576;

/** Two, however long that takes. */
const FAULTS = { faults: 2, ms: 600_000 };

describe(`${INPUTS} hostile inputs`, () => {
  it('are decoded to a message or refused with a code', () => {
    fc.assert(
      fc.property(bytes, (given) => {
        expect(decode(given)).toBeUndefined();
      }),
      { numRuns: INPUTS },
    );
  });

  it('get nothing thrown out of a connection, and a good server after them is heard', async () => {
    await fc.assert(
      fc.asyncProperty(hostility, async (given) => {
        expect(await meet(given)).toBeUndefined();
      }),
      { numRuns: Math.ceil((2 * INPUTS) / MOST_INPUTS) },
    );
  });
});

describe('a viewer in a process of its own', () => {
  const servers: WebSocketServer[] = [];

  afterAll(() => {
    for (const server of servers) server.close();
  });

  interface Outcome {
    readonly faults: Readonly<Record<string, number>>;
    /** The most memory that it had. */
    readonly mib: number;
    /** Links that it opened. */
    readonly links: number;
  }

  /** Lets a viewer watch, until it has told of so many faults, a server that welcomes and then does `attack` on every link. */
  async function watch(
    codec: string,
    until: { readonly faults: number; readonly ms: number },
    attack: (socket: WebSocket, since: number) => void,
  ): Promise<Outcome> {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    servers.push(server);
    await new Promise((resolve) => server.once('listening', resolve));
    let links = 0;
    server.on('connection', (socket, { url = '' }) => {
      links += 1;
      socket.on('error', () => socket.terminate());
      const since = Number(new URL(url, 'ws://x').searchParams.get('since') ?? 0);
      socket.send(JSON.stringify({ type: 'welcome', room: 'demo', seq: since, viewers: 1, interval: 1_000 }));
      attack(socket, since);
    });
    const { port } = server.address() as AddressInfo;
    const viewer = new ServerProcess(
      'src/client/hostile-client.fixture.js',
      [`ws://127.0.0.1:${port}`, codec, `${until.faults}`, `${until.ms}`],
      {},
    );
    expect(await viewer.ended, viewer.stderr).toBe(0);
    const outcome = { ...(viewer.lines[0] as unknown as Outcome), links };
    process.stdout.write(`${codec}: ${JSON.stringify(outcome)}\n`);
    return outcome;
  }

  it('outlives nested arrays of 1 KB and of 1 MB', async () => {
    for (const size of [1_000, 1_000_000]) {
      const nested = Buffer.alloc(size, Uint8Array.of(0xdd, 0x01, 0xff, 0xff, 0xff));
      const { faults, mib } = await watch('msgpack', FAULTS, (socket) => socket.send(nested));
      expect(faults).toStrictEqual({ UNREADABLE: 2 });
      expect(mib).toBeLessThan(200);
    }
  });

  it('outlives 1 MB that inflates to 1 GB, again and again', async () => {
    const deflater = createDeflateRaw();
    Readable.from(Array.from({ length: 1_024 }, () => Buffer.alloc(MIB))).pipe(deflater);
    const bomb = Buffer.concat(await deflater.toArray());
    const { faults, mib } = await watch('deflate', FAULTS, (socket) => {
      for (let i = 0; i < 10; i += 1) socket.send(bomb);
    });
    expect(faults).toStrictEqual({ TOO_LARGE: 2 });
    expect(mib).toBeLessThan(300);
  });

  it('outlives messages of 200 MB', async () => {
    const large = Buffer.alloc(200 * MIB, 'x');
    const { faults, mib } = await watch('json', FAULTS, (socket) => socket.send(large, { binary: false }));
    expect(faults).toStrictEqual({ TOO_LARGE: 2 });
    expect(mib).toBeLessThan(200);
  });

  it('outlives a flood of messages that take long to inflate', async () => {
    // One batch, once more each time, with 15 MiB in a column that is not known.
    const columns = [1, 1, null, null, ['a'], null, null, null, null, null, Buffer.alloc(15 * MIB)];
    const slow = deflateRawSync(new Packr({ useRecords: false }).pack([1, 1, [1, 0, columns]]));
    const { faults, mib } = await watch('deflate', FAULTS, (socket) => {
      for (let i = 0; i < 20_000; i += 1) socket.send(slow);
    });
    expect(faults).toStrictEqual({ TOO_MANY_WAITING: 2 });
    expect(mib).toBeLessThan(600);
  });

  it('opens at most 20 links in 8 s to a server that leaves something out on each', async () => {
    const batch = (seq: number, prev: number): string =>
      JSON.stringify({ type: 'batch', seq, prev, at: 1, viewers: 1, comments: [] });
    const { faults, links } = await watch('json', { faults: 1_000, ms: 8_000 }, (socket, since) => {
      socket.send(batch(since + 1, since));
      socket.send(batch(since + 9, since + 8));
    });
    expect(faults.TOO_MANY_LINKS).toBeGreaterThan(0);
    expect(links).toBeLessThanOrEqual(20);
  });
});
