/** The dashboards' stream over real connections, on a clock that stands still. */
import { type AddressInfo, connect, type Socket } from 'node:net';
import Fastify, { type FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { History, RoomDetail, Tick } from '../metrics/sample.ts';
import { createSampler, type SamplerRig } from '../metrics/sampler.fixture.ts';
import type { TickListener } from '../metrics/sampler.ts';
import { draftOf } from '../testing/rooms.ts';
import { MOST_DASHBOARDS, serveDashboard } from './dashboard.ts';

let rig: SamplerRig;
let app: FastifyInstance;
let port: number;
let clients: Stream[];
/** The server's ends of the connections, by the port of the other. */
const accepted = new Map<number, Socket>();

beforeEach(async () => {
  clients = [];
  rig = await createSampler();
  app = Fastify({ forceCloseConnections: 'idle' });
  accepted.clear();
  app.server.on('connection', (socket: Socket) => accepted.set(socket.remotePort ?? 0, socket));
  app.addHook('onRequest', async (_request, reply) => {
    reply.header('x-of-a-hook', 'yes');
  });
  serveDashboard(app, rig.sampler);
  await app.listen({ port: 0, host: '127.0.0.1' });
  ({ port } = app.server.address() as AddressInfo);
});

afterEach(async () => {
  for (const { socket } of clients) socket.destroy();
  app.server.closeAllConnections();
  await app.close();
  rig.sampler.stop();
});

interface StreamEvent {
  readonly event: string;
  readonly id: string | undefined;
  readonly data: unknown;
}

/** A reader of the stream on a bare connection, in HTTP/1.0 so that nothing but events follows the head. */
class Stream {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  /** Heard so far. */
  bytes = 0;
  #text = '';
  #waiting: (() => void)[] = [];

  constructor(path = '/dashboard/stream', headers = '') {
    this.socket = connect({ port, host: '127.0.0.1' });
    this.socket.on('error', () => undefined);
    this.socket.on('data', (bytes) => {
      this.#text += bytes.toString();
      this.bytes += bytes.length;
      this.#look();
    });
    this.closed = new Promise((resolve) => {
      this.socket.once('close', () => {
        resolve();
        this.#look();
      });
    });
    this.socket.write(`GET ${path} HTTP/1.0\r\nHost: x\r\n${headers}\r\n`);
    clients.push(this);
  }

  get head(): string {
    return this.#text.split('\r\n\r\n')[0] ?? '';
  }

  get events(): StreamEvent[] {
    const blocks = this.#text.split('\r\n\r\n').slice(1).join('').split('\n\n').slice(0, -1);
    return blocks.filter((block) => block.includes('data: ')).map(parseEvent);
  }

  /** Waits for the first event of that name after the first `skip` of them. */
  async event<Data>(name: string, skip = 0): Promise<Data> {
    await this.until(() => this.events.filter(({ event }) => event === name).length > skip);
    return this.events.filter(({ event }) => event === name)[skip]?.data as Data;
  }

  async until(done: () => boolean): Promise<void> {
    while (!done()) {
      if (this.socket.closed) throw new Error(`closed before that was heard: ${this.#text.slice(0, 500)}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #look(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const go of waiting) go();
  }
}

function parseEvent(block: string): StreamEvent {
  const fields = new Map(block.split('\n').map((line) => [line.split(': ')[0], line.slice(line.indexOf(': ') + 2)]));
  return {
    event: fields.get('event') ?? '',
    id: fields.get('id'),
    data: JSON.parse(fields.get('data') ?? 'null'),
  };
}

describe('GET /dashboard/stream', () => {
  it('begins with what is kept and goes on with a tick a second', async () => {
    rig.counters.pushes = 5;
    await rig.clock.advance(3_000);
    const stream = new Stream();
    const history = await stream.event<History>('history');
    expect(history.samples.map(({ rates }) => rates.pushes)).toEqual([5, 0, 0]);
    expect(history.tick?.totals.pushes).toBe(5);
    expect(history).toEqual(rig.history());
    rig.counters.pushes = 7;
    const made = await rig.second();
    expect(await stream.event<Tick>('tick')).toEqual(made);
    expect(made.sample.rates.pushes).toBe(2);
    expect(stream.events.at(-1)?.id).toBe(String(made.sample.at));
    expect(stream.head).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(stream.head).toMatch(/^content-type: text\/event-stream; charset=utf-8\r?$/im);
    expect(stream.head).toMatch(/^cache-control: no-store\r?$/im);
    // What hooks set, as that for CORS does, is not lost.
    expect(stream.head).toMatch(/^x-of-a-hook: yes\r?$/im);
  });

  it.each([
    ['in the query', (at: number): [string, string] => [`/dashboard/stream?since=${at}`, '']],
    ['in a header', (at: number): [string, string] => ['/dashboard/stream', `Last-Event-ID: ${at}\r\n`]],
  ])('leaves out the samples that its reader has, named %s', async (_, ask) => {
    const start = rig.clock.unix();
    await rig.clock.advance(4_000);
    const { samples } = await new Stream(...ask(start + 3_000)).event<History>('history');
    expect(samples.map(({ at }) => at - start)).toEqual([4_000]);
  });

  it('tells of one room with every second', async () => {
    rig.rooms.join('a', 1, 2, 3);
    const stream = new Stream('/dashboard/stream?room=a');
    expect(await stream.event<RoomDetail>('room')).toMatchObject({ room: 'a', viewers: 3, viewersByShard: [0, 3] });
    rig.rooms.offer('a', draftOf('x'), null, 0);
    await rig.clock.advance(1_000);
    expect(await stream.event<RoomDetail>('room', 1)).toMatchObject({ comments: 1 });
    expect(stream.events.map(({ event }) => event)).toEqual(['history', 'room', 'tick', 'room']);
  });

  it('ends for a reader of a room that cannot be read, and for no other', async () => {
    const other = new Stream();
    await other.event('history');
    vi.spyOn(rig.sampler, 'describeRoom').mockRejectedValueOnce(new Error('the store failed'));
    await new Stream('/dashboard/stream?room=a').closed;
    await rig.clock.advance(1_000);
    await other.event('tick');
  });

  it.each([
    ['?room=a%2Fb', 'ROOM_NAME_INVALID', 404],
    ['?room=', 'ROOM_NAME_INVALID', 404],
    ['?room=a&room=b', 'ROOM_NAME_INVALID', 404],
    ['?since=x', 'SINCE_INVALID', 400],
    ['?since=-1', 'SINCE_INVALID', 400],
    ['?since=1&since=2', 'SINCE_INVALID', 400],
  ])('refuses %s with %s', async (query, code, status) => {
    const answer = await app.inject(`/dashboard/stream${query}`);
    expect(answer.statusCode).toBe(status);
    expect(answer.json()).toMatchObject({ code });
  });

  it('has no HEAD, which would never end', async () => {
    expect((await app.inject({ method: 'HEAD', url: '/dashboard/stream' })).statusCode).toBe(404);
  });

  it(`takes ${MOST_DASHBOARDS} readers and refuses the next until one leaves`, async () => {
    const streams = Array.from({ length: MOST_DASHBOARDS }, () => new Stream());
    await Promise.all(streams.map((stream) => stream.event('history')));
    const refused = await app.inject('/dashboard/stream');
    expect(refused.statusCode).toBe(503);
    expect(refused.headers['retry-after']).toBe('1');
    expect(refused.json()).toMatchObject({ code: 'BUSY', retryAfterMs: 1_000 });
    const gone = new Promise<void>((resolve) => serverSocketOf(streams[0]).once('close', () => resolve()));
    streams[0]?.socket.destroy();
    await gone;
    await new Stream().event('history');
  });

  it('cuts off a reader that takes nothing, and the others do not notice', async () => {
    let tell: TickListener = () => undefined;
    const fat = Fastify();
    fat.server.on('connection', (socket: Socket) => accepted.set(socket.remotePort ?? 0, socket));
    serveDashboard(fat, {
      history: () => [Buffer.from('{}')],
      describeRoom: (name) => rig.sampler.describeRoom(name),
      listen: (listener) => {
        tell = listener;
        return () => undefined;
      },
    });
    await fat.listen({ port: 0, host: '127.0.0.1' });
    ({ port } = fat.server.address() as AddressInfo);
    const [idle, awake] = [new Stream(), new Stream()];
    await Promise.all([idle.event('history'), awake.event('history')]);
    idle.socket.pause();
    let isCut = false;
    serverSocketOf(idle).once('close', () => {
      isCut = true;
    });
    // What the kernel's buffers take, some MB, does not wait in this process.
    const tick = JSON.stringify('x'.repeat(100_000));
    let sent = 0;
    for (; !isCut && sent < 1_000; sent += 1) {
      tell(tick, sent);
      const heard = (sent + 1) * tick.length;
      await awake.until(() => awake.bytes > heard);
    }
    expect(isCut).toBe(true);
    expect(awake.events.filter(({ event }) => event === 'tick').map(({ id }) => Number(id))).toEqual([
      ...Array(sent).keys(),
    ]);
    fat.server.closeAllConnections();
    await fat.close();
  });

  it('cuts off a reader that takes nothing in a minute and a second for each 16 KB of its history', async () => {
    let tell: TickListener = () => undefined;
    const fat = Fastify();
    fat.server.on('connection', (socket: Socket) => accepted.set(socket.remotePort ?? 0, socket));
    serveDashboard(fat, {
      history: () => Array<Buffer>(100).fill(Buffer.alloc(100_000, 'x')),
      describeRoom: (name) => rig.sampler.describeRoom(name),
      listen: (listener) => {
        tell = listener;
        return () => undefined;
      },
    });
    await fat.listen({ port: 0, host: '127.0.0.1' });
    ({ port } = fat.server.address() as AddressInfo);
    const idle = new Stream();
    idle.socket.pause();
    await vi.waitUntil(() => accepted.get(idle.socket.localPort ?? 0)?.writableNeedDrain === true);
    const socket = serverSocketOf(idle);
    await vi.waitUntil(async () => {
      const taken = socket.bytesWritten - socket.writableLength;
      await new Promise((resolve) => setTimeout(resolve, 20));
      return taken === socket.bytesWritten - socket.writableLength;
    });
    const patience = Math.floor(60 + 10_000_000 / 16_384);
    for (let i = 0; i < patience; i += 1) tell('{}', i);
    expect(socket.destroyed).toBe(false);
    tell('{}', patience);
    expect(socket.destroyed).toBe(true);
    fat.server.closeAllConnections();
    await fat.close();
  });

  it('ends with the server, and takes nobody after that', async () => {
    const stream = new Stream();
    await stream.event('history');
    const closing = app.close();
    await stream.closed;
    await closing;
  });
});

/** The server's end of a client's connection. */
function serverSocketOf(stream: Stream | undefined): Socket {
  const socket = accepted.get(stream?.socket.localPort ?? 0);
  if (socket === undefined) throw new Error('not connected');
  return socket;
}
