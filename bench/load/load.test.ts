import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { deflateRawSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { encodeBatch } from '../../src/frames/batch.ts';
import { SUBPROTOCOLS } from '../../src/frames/codec.ts';
import { encodeJsonFrame, encodeMsgpackFrame } from '../../src/frames/codecs.ts';
import { type ServerProcess, startProcess } from '../../src/testing/server-process.ts';
import { BenchError } from '../options.ts';
import { type Load, startLoad } from './load.ts';
import { makePlan } from './load-plan.fixture.ts';
import { mostConnections } from './open-files.ts';
import { type LoadPlan, Seats } from './plan.ts';
import type { LoadFigures, LoadSecond } from './results.ts';
import { benchNow } from './tally.ts';

const WELCOME = '{"type":"welcome","room":"r","seq":0,"viewers":1,"interval":1000}';

/** A volley frame of one batch with `comments` comments. */
function makeFrame(subprotocol: string, seq: number, prev: number, comments = 3): Buffer {
  return makeFrames(subprotocol, [seq], prev, comments);
}

/** A volley frame of batches with `comments` comments each; `prev` is the seq before the first. */
function makeFrames(subprotocol: string, seqs: readonly number[], prev = 0, comments = 3): Buffer {
  const batches = seqs.map((seq, at) => {
    const drafts = Array.from({ length: comments }, (_, i) => {
      return { text: `${seq} ${i}`, mode: 0, color: 0, size: 25, user: '', name: '', extra: '', at: 1_764_000_000_000 };
    });
    return { seq, prev: seqs[at - 1] ?? prev, bytes: encodeBatch(drafts).bytes };
  });
  if (subprotocol === 'volley.v1.json') return Buffer.from(encodeJsonFrame(batches, comments * seqs.length));
  const frame = Buffer.from(encodeMsgpackFrame(batches, comments * seqs.length));
  return subprotocol.endsWith('deflate') ? deflateRawSync(frame) : frame;
}

/** A server that says what a test tells it to, to the viewers that it names. */
class ScriptedServer {
  readonly url: string;
  /** In the order in which they connected. */
  readonly viewers: WebSocket[] = [];
  /** When each did, benchNow() ms. */
  readonly connectedAt: number[] = [];
  /** What each viewer has said, in text. */
  readonly heard: string[] = [];
  readonly #server: WebSocketServer;

  private constructor(server: WebSocketServer, welcome: string | undefined) {
    this.#server = server;
    this.url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('connection', (viewer) => {
      this.viewers.push(viewer);
      this.connectedAt.push(benchNow());
      viewer.on('message', (data) => this.heard.push(String(data)));
      // A viewer that is cut off is part of some tests.
      viewer.on('error', () => undefined);
      if (welcome !== undefined) viewer.send(welcome);
    });
  }

  /** Listens on a free port. Whoever connects is sent `welcome`, if any. */
  static async start(welcome: string | undefined = WELCOME): Promise<ScriptedServer> {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    return new ScriptedServer(server, welcome);
  }

  /** Sends to every viewer for which `to` holds. */
  send(message: Buffer | string, to: (viewer: number) => boolean = () => true): void {
    for (const [i, viewer] of this.viewers.entries()) {
      if (to(i)) viewer.send(message, { binary: typeof message !== 'string' });
    }
  }

  /** Waits until every viewer that is there has read all that it was sent: it answers a ping only then. */
  async settle(): Promise<void> {
    const open = this.viewers.filter((viewer) => viewer.readyState === viewer.OPEN);
    await Promise.all(
      open.map(async (viewer) => {
        const answered = once(viewer, 'pong');
        viewer.ping();
        await answered;
      }),
    );
  }

  async stop(): Promise<void> {
    for (const viewer of this.viewers) viewer.terminate();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Adds up the seconds that a load tells. */
class FrameCount implements LoadSecond {
  frames = 0;
  comments = 0;
  bytes = 0;
  #check: () => void = () => undefined;

  constructor(load: Load) {
    load.onSecond = ({ frames, comments, bytes }) => {
      this.frames += frames;
      this.comments += comments;
      this.bytes += bytes;
      this.#check();
    };
  }

  /** Waits until `done` holds; looks once a second of the load. Rejects after `deadline` ms. */
  until(done: (count: LoadSecond) => boolean, deadline = 20_000): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`after ${deadline} ms: ${JSON.stringify(this)}`)), deadline);
      this.#check = () => {
        if (!done(this)) return;
        clearTimeout(timer);
        resolve();
      };
      this.#check();
    });
  }
}

let server: ServerProcess;

beforeAll(async () => {
  server = await startProcess(['--interval', '50', '--workers', '2']);
});

afterAll(async () => {
  expect(await server.stop()).toBe(0);
  expect(server.stderr).toBe('');
});

/** Posts comments and waits till they are stored; gives their ids. */
async function post(room: string, count: number, more = ''): Promise<string[]> {
  const comments = Array.from({ length: count }, (_, i) => ({ text: `comment ${i} of 弹幕${more}` }));
  const { status, body } = await server.post(room, comments, '?wait=stored');
  expect(status).toBe(201);
  return (body.ids ?? []).map(String);
}

describe.each(SUBPROTOCOLS)('30 viewers on %s', (subprotocol) => {
  it('are told frame for frame, comment for comment, and every comment is timed', async () => {
    const name = `fed-${subprotocol}`;
    const paths = [`/rooms/${name}`];
    const plan = makePlan({ url: server.viewerUrl, paths, subprotocol, connections: 30, threads: 2, sampleEvery: 4 });
    const [sampled = 0] = new Seats(plan).countByRoom((seat) => seat.sampled);
    let most = 0;
    const load = await startLoad(plan, (up) => {
      most = Math.max(most, up);
    });
    try {
      expect(most).toBe(30);
      expect(load.connectSeconds).toBeGreaterThan(0);
      const before = await server.metric('volley_deliveries_total');
      const count = new FrameCount(load);
      await load.begin();
      // The second is over the size of a read: most viewers get it in pieces.
      const sizes = [1, 1_000, 3, 20, 1, 700];
      for (const size of sizes) {
        const at = benchNow();
        for (const id of await post(name, size)) load.posted(`${paths[0]}?any=query`, id, at);
      }
      const posted = sizes.reduce((all, size) => all + size);
      await count.until(({ comments }) => comments === 30 * posted);
      const figures = await load.end();
      expect(figures.frames).toBe((await server.metric('volley_deliveries_total')) - before);
      expect(figures.comments).toBe(30 * posted);
      expect(figures).toMatchObject({ lost: 0, skipped: 0, outOfOrder: 0, faults: [], closed: new Map(), sent: 0 });
      expect(figures.latency.totalCount).toBe(sampled * posted);
      expect(figures.latency.maxValue).toBeLessThan(figures.seconds * 1e6);
      expect(figures.spread.totalCount).toBe(figures.frames / 30);
      expect(figures).toMatchObject({ incomplete: 0, starved: 0 });
      expect(figures.connect.totalCount).toBe(30);
      expect(figures.perSecond.length).toBe(Math.floor(figures.seconds));
      expect(count.frames).toBe(figures.frames);
      expect(count.bytes).toBeLessThanOrEqual(figures.bytes);
      expect(figures.busiest).toBeGreaterThan(0);
      expect(figures.cpu).toBeGreaterThanOrEqual(figures.busiest);
    } finally {
      await load.stop();
    }
  });
});

// From here on nothing reads what the server counts over all rooms, so all may go on at once.
describe.concurrent('a load of 30 viewers and ten senders', () => {
  it('has every comment acknowledged and heard by all', async () => {
    const paths = ['/rooms/paced-1', '/rooms/paced-2'];
    const subprotocol = 'volley.v1.msgpack.deflate';
    const sending = { kind: 'paced', rate: 20 } as const;
    const url = server.viewerUrl;
    const plan = makePlan({ url, paths, subprotocol, connections: 30, threads: 2, senders: 10, sending });
    const load = await startLoad(plan);
    try {
      const count = new FrameCount(load);
      await load.startSending();
      await load.begin();
      await count.until(({ frames }) => frames > 400);
      const figures = await load.end();
      expect(figures).toMatchObject({ lost: 0, skipped: 0, outOfOrder: 0, faults: [], refused: new Map() });
      // Ten senders at twenty a second, and what was due before it began.
      expect(figures.sent).toBeGreaterThan(100);
      expect(figures.sent).toBeLessThan(200 * (figures.seconds + 1));
      expect(figures.ack.totalCount).toBe(figures.acked);
      expect(Math.abs(figures.acked - figures.sent)).toBeLessThan(figures.sent / 2);
      expect(figures.latency.totalCount).toBeGreaterThan(figures.acked);
      expect(figures.spread.totalCount).toBeGreaterThan(10);
    } finally {
      await load.stop();
    }
  });
});

describe.concurrent('a flood', () => {
  it('keeps its window unanswered, and counts what is refused by code', async () => {
    const sending = { kind: 'flood', window: 300 } as const;
    const plan = makePlan({ url: server.viewerUrl, paths: ['/rooms/flood'], connections: 3, senders: 2, sending });
    const load = await startLoad(plan);
    try {
      const count = new FrameCount(load);
      await load.begin();
      await count.until(({ comments }) => comments > 3_000);
      const { acked, refused, sent, faults, lost } = await load.end();
      // A viewer may have 256 comments unanswered.
      expect([...refused.keys()]).toEqual(['BUSY']);
      expect(acked).toBeGreaterThan(500);
      expect(Math.abs(sent - acked - (refused.get('BUSY') ?? 0))).toBeLessThanOrEqual(600);
      expect({ faults, lost }).toEqual({ faults: [], lost: 0 });
    } finally {
      await load.stop();
    }
  });
});

describe.concurrent('viewers that come and go', () => {
  it('are connected again, and nobody misses anything', async () => {
    const sending = { kind: 'paced', rate: 20 } as const;
    const paths = ['/rooms/churn'];
    const shape = { paths, connections: 40, threads: 2, senders: 4, sending, churn: 0.2, sampleEvery: 5 };
    const load = await startLoad(makePlan({ url: server.viewerUrl, ...shape }));
    try {
      const joined = await server.metric('volley_viewers_joined_total');
      const count = new FrameCount(load);
      await load.begin();
      await count.until(({ frames }) => frames > 1_000);
      const figures = await load.end();
      expect(figures).toMatchObject({ lost: 0, outOfOrder: 0, faults: [], closed: new Map(), failedConnects: 0 });
      // Those who came back, and not the forty at the beginning.
      const back = (await server.metric('volley_viewers_joined_total')) - joined;
      expect(figures.connect.totalCount).toBeGreaterThan(3);
      expect(figures.connect.totalCount).toBeLessThanOrEqual(back);
      expect(figures.spread.totalCount).toBeGreaterThan(5);
    } finally {
      await load.stop();
    }
  });
});

describe.concurrent('viewers of what was before', () => {
  it.each(['?since=0', '?history=1000'])('with %s are timed until they have it, and it is no loss', async (query) => {
    const room = `past-${query.length}`;
    const before = (await post(room, 5)).length + (await post(room, 7)).length;
    const plan = makePlan({ url: server.viewerUrl, paths: [`/rooms/${room}${query}`], connections: 12 });
    const load = await startLoad(plan);
    try {
      const count = new FrameCount(load);
      await load.begin();
      await post(room, 2);
      await count.until(({ comments }) => comments >= 24);
      const figures = await load.end();
      expect(figures).toMatchObject({ frames: 12, comments: 24, lost: 0, outOfOrder: 0, faults: [] });
      expect(before).toBe(12);
      expect(figures.caughtUp.totalCount).toBe(12);
      expect(figures.spread.totalCount).toBe(1);
    } finally {
      await load.stop();
    }
  });
});

describe.concurrent('viewers of a past that comes in fragments', () => {
  it('take the fragments for one frame', async () => {
    await post('long-past', 1_000, '弹'.repeat(150));
    const plan = makePlan({ url: server.viewerUrl, paths: ['/rooms/long-past?history=1'], connections: 6 });
    const load = await startLoad(plan);
    try {
      const count = new FrameCount(load);
      await load.begin();
      await post('long-past', 2);
      await count.until(({ comments }) => comments >= 12);
      const figures = await load.end();
      expect(figures).toMatchObject({ lost: 0, outOfOrder: 0, faults: [] });
      expect(figures.caughtUp.totalCount).toBe(6);
    } finally {
      await load.stop();
    }
  });
});

describe.concurrent('deaf viewers', () => {
  it('are connected and read nothing', async () => {
    const plan = makePlan({ url: server.viewerUrl, paths: ['/rooms/deaf'], connections: 10, deaf: 4 });
    const load = await startLoad(plan);
    try {
      const count = new FrameCount(load);
      await load.begin();
      await post('deaf', 1);
      await count.until(({ frames }) => frames > 0);
      expect(await load.end()).toMatchObject({ frames: 6, comments: 6, lost: 0 });
    } finally {
      await load.stop();
    }
  });
});

/** A load that cannot be: one clear sentence each, and nothing left open. */

const servers: Server[] = [];
const sockets = new Set<Socket>();

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
});

/** A TCP server; gives its address. */
async function listen(onConnection: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
    onConnection(socket);
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function failureOf(plan: Partial<LoadPlan>, answerWithin = 10_000): Promise<string> {
  const error = await startLoad(makePlan(plan), undefined, { answerWithin }).then(
    async (load) => {
      await load.stop();
      throw new Error('the load came up');
    },
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(BenchError);
  return (error as BenchError).message;
}

describe('no server', () => {
  it('is said so', async () => {
    const url = await listen(() => undefined);
    await new Promise((resolve) => servers.pop()?.close(resolve));
    expect(await failureOf({ url })).toBe(`nothing listens at ${url}`);
  });

  it.each([
    ['wss://127.0.0.1:1', /is not a ws:\/\/ address/],
    ['127.0.0.1:9000', /is not a ws:\/\/ address/],
    ['ws://no-such-host.invalid:9000', /the host no-such-host\.invalid .* cannot be found/],
  ])('can be at %s', async (url, sentence) => {
    expect(await failureOf({ url })).toMatch(sentence);
  });
});

describe('a server that', () => {
  it('never answers is given up on', async () => {
    const url = await listen((socket) => socket.resume());
    expect(await failureOf({ url, threads: 2 }, 300)).toBe(
      `${url} did not answer the handshake for /rooms/r within 0.3 s`,
    );
  });

  it('answers all but one is given up on, and it is said how many are up', async () => {
    const answer = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n';
    let answered = 0;
    const url = await listen((socket) => {
      socket.once('data', () => {
        answered += 1;
        if (answered < 10) socket.write(answer);
      });
    });
    const sentence = `${url} did not answer the handshake for /rooms/r within 0.3 s; 9 of 10 connections were up`;
    expect(await failureOf({ url, protocol: 'opaque' }, 300)).toBe(sentence);
    await vi.waitFor(() => expect(sockets.size).toBe(0), 5_000);
  });

  it('closes while connections are set up is told with how it did', async () => {
    const url = await listen((socket) => socket.end());
    expect(await failureOf({ url })).toMatch(/closed a connection while it was being set up/);
  });

  it('is something else than a WebSocket server is told with its answer', async () => {
    const url = await listen((socket) => socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\noops'));
    expect(await failureOf({ url })).toBe(`${url} answered HTTP 404 Not Found: oops, asked for /rooms/r`);
  });

  it('closes one that is up while others are not is told', async () => {
    const server = await ScriptedServer.start();
    try {
      const stopping = setInterval(() => server.viewers[0]?.close(1012), 1);
      const sentence = await failureOf({ url: server.url, connections: 2_000 });
      clearInterval(stopping);
      expect(sentence).toMatch(/closed a connection \(code 1012\) while others were being set up; \d+ of 2000/);
    } finally {
      await server.stop();
    }
  });
});

describe('a plan', () => {
  it('for more connections than open files is refused before any is opened', async () => {
    let connections = 0;
    const url = await listen(() => {
      connections += 1;
    });
    expect(await failureOf({ url, connections: mostConnections() + 1_000 })).toMatch(
      /open files, but the load generator may have/,
    );
    expect(connections).toBe(0);
  });
});

describe('a server', () => {
  it('that refuses the path or the subprotocol is told with its reason, one that is gone in mid-run once, with what there is up to then', async () => {
    const server = await startProcess(['--workers', '1']);
    const url = server.viewerUrl;
    expect(await failureOf({ url, paths: ['/rooms/r?since=x'] })).toMatch(/HTTP 400 Bad Request: .*SINCE_INVALID/);
    expect(await failureOf({ url, protocol: 'opaque', subprotocol: 'other' })).toMatch(/UNKNOWN_SUBPROTOCOL/);
    const load = await startLoad(makePlan({ url: server.viewerUrl, connections: 30, threads: 2 }));
    try {
      await load.begin();
      await server.stop('SIGKILL');
      const why = await load.gone;
      const figures = await load.end();
      expect([...figures.closed]).toEqual([[1006, 30]]);
      expect(why.message).toMatch(/^ws:.* is gone: it closed \d+ of 30 connections$/);
      expect(why).toBeInstanceOf(BenchError);
    } finally {
      await load.stop();
    }
  });

  it('that is gone is still reported later, and no load can begin on it', async () => {
    const server = await ScriptedServer.start();
    const load = await startLoad(makePlan({ url: server.url }));
    try {
      await server.stop();
      const why = await load.gone;
      await expect(load.begin()).rejects.toBe(why);
    } finally {
      await load.stop();
    }
  });
});

describe('a load thread that crashes', () => {
  it('is told in a sentence at the end', async () => {
    const server = await ScriptedServer.start();
    const text = 'x'.repeat(70_000);
    const comments = [{ text, mode: 'scroll', color: 0, size: 25 }];
    const sending = { kind: 'paced', rate: 50 } as const;
    const load = await startLoad(makePlan({ url: server.url, senders: 1, sending, comments }));
    try {
      await load.begin();
      const why = await load.gone;
      expect(why.message).toMatch(/^a load thread has failed: a message of \d+ bytes is longer/);
      await expect(load.end()).rejects.toBe(why);
    } finally {
      await load.stop();
      await server.stop();
    }
  });
});

describe('a load that was stopped', () => {
  it('closes its connections, can be stopped again and gives no figures', async () => {
    const server = await ScriptedServer.start();
    const load = await startLoad(makePlan({ url: server.url }));
    await expect(load.end()).rejects.toThrow(/has not begun/);
    await load.begin();
    await expect(load.begin()).rejects.toThrow(/cannot begin/);
    await load.stop();
    await load.stop();
    await expect(load.end()).rejects.toThrow(/stopped/);
    await vi.waitFor(() => expect(server.viewers.every((viewer) => viewer.readyState === viewer.CLOSED)).toBe(true));
    await server.stop();
  });
});

/** What a server does wrong, and whether the load tells. */

const JSON_NAME = SUBPROTOCOLS[0];
const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/**
 * Ten viewers who are up, and measured, when the script begins. Gives the figures once they have read all of it; what
 * one has had by then, all should have had.
 */
async function measure(
  plan: Partial<LoadPlan>,
  script: (server: ScriptedServer) => void | Promise<void>,
  settledAfter = 0,
): Promise<LoadFigures> {
  const server = await ScriptedServer.start();
  closing.push(() => server.stop());
  const load = await startLoad(makePlan({ url: server.url, ...plan }), undefined, { settledAfter });
  closing.unshift(() => load.stop());
  await load.begin();
  await script(server);
  await server.settle();
  return load.end();
}

/** JSON text goes as text, all else as binary. */
function asSent(subprotocol: string, frame: Buffer): Buffer | string {
  return subprotocol === JSON_NAME ? frame.toString() : frame;
}

describe.each(SUBPROTOCOLS)('on %s', (subprotocol) => {
  function frame(seq: number, prev = seq - 1, comments = 3): Buffer | string {
    return asSent(subprotocol, makeFrame(subprotocol, seq, prev, comments));
  }

  it('frames that single viewers never got are counted as lost, one for one', async () => {
    const figures = await measure({ subprotocol }, async (server) => {
      for (let seq = 1; seq <= 9; seq += 1) {
        server.send(
          frame(seq),
          (viewer) => !(viewer === 3 && seq >= 2 && seq <= 5) && !(viewer === 7 && seq % 4 === 0),
        );
        // How many are missing is told by those who have them, so these must have read them first.
        await server.settle();
      }
    });
    expect(figures).toMatchObject({ frames: 84, comments: 252, lost: 6, outOfOrder: 0, faults: [] });
    // In the spread are all but those that somebody never had, 2 to 5 and 8, and those are told too.
    expect(figures.spread.totalCount).toBe(4);
    expect(figures).toMatchObject({ incomplete: 5, starved: 0 });
  });

  it('two batches in one frame are what others have in two', async () => {
    const both = asSent(subprotocol, makeFrames(subprotocol, [1, 2]));
    const figures = await measure({ subprotocol }, (server) => {
      for (const seq of [1, 2]) server.send(frame(seq), (viewer) => viewer !== 3);
      server.send(both, (viewer) => viewer === 3);
    });
    expect(figures).toMatchObject({ frames: 19, comments: 60, lost: 0, faults: [], incomplete: 0, starved: 0 });
    expect(figures.spread.totalCount).toBe(2);
  });
});

describe('frames', () => {
  const subprotocol = 'volley.v1.msgpack.deflate';

  function frame(seq: number, prev = seq - 1, comments = 3): Buffer {
    return makeFrame(subprotocol, seq, prev, comments);
  }

  it('that one viewer never gets leave it starved, and none has reached all', async () => {
    const figures = await measure({ subprotocol }, (server) => {
      for (let seq = 1; seq <= 9; seq += 1) server.send(frame(seq), (viewer) => viewer !== 3);
    });
    expect(figures).toMatchObject({ frames: 81, lost: 0, incomplete: 9, starved: 1 });
    expect(figures.spread.totalCount).toBe(0);
  });

  it('that no viewer has count as one frame each', async () => {
    const figures = await measure({ subprotocol }, (server) => {
      server.send(frame(1));
      server.send(frame(5, 4));
    });
    expect(figures).toMatchObject({ frames: 20, lost: 10, outOfOrder: 0, faults: [] });
  });

  it('that come twice or late are out of order', async () => {
    const figures = await measure({ subprotocol }, (server) => {
      for (const seq of [1, 2, 2, 1]) server.send(frame(seq));
    });
    expect(figures).toMatchObject({ frames: 40, lost: 0, outOfOrder: 20, faults: [] });
  });

  it('that are large are followed in every viewer, in however many reads they come', async () => {
    const figures = await measure({ subprotocol, sampleEvery: 1_000 }, (server) => {
      for (let seq = 1; seq <= 3; seq += 1) server.send(frame(seq, seq - 1, 8_000));
    });
    expect(figures).toMatchObject({ frames: 30, comments: 240_000, lost: 0, outOfOrder: 0, faults: [] });
    expect(figures.spread.totalCount).toBe(3);
  });
});

describe('a load that counts what viewers get who are not sampled', () => {
  const subprotocol = 'volley.v1.msgpack';

  it('has the figures of a server whose frames say nothing, and the losses of the sampled viewer', async () => {
    const figures = await measure({ subprotocol, counted: true, sampleEvery: 1_000 }, (server) => {
      for (let seq = 1; seq <= 9; seq += 1) {
        server.send(makeFrame(subprotocol, seq, seq - 1), (viewer) => !(viewer === 0 && seq === 4));
      }
    });
    // The sampled viewer is the first, and takes no part in the spread.
    expect(figures).toMatchObject({ frames: 89, lost: 1, outOfOrder: 0, faults: [], starved: 0, incomplete: 0 });
    expect(figures.spread.totalCount).toBe(9);
  });
});

describe('the end of a load', () => {
  const subprotocol = 'volley.v1.msgpack';

  it('leaves alone what may still be on its way', async () => {
    const script = (server: ScriptedServer): void => {
      server.send(makeFrame(subprotocol, 1, 0), (viewer) => viewer !== 3);
    };
    expect(await measure({ subprotocol }, script, 60_000)).toMatchObject({ frames: 9, incomplete: 0, starved: 0 });
    expect(await measure({ subprotocol }, script)).toMatchObject({ frames: 9, incomplete: 1, starved: 1 });
  });

  it('tells a silence: since before it began, or since the last frame', async () => {
    const silent = await measure({ subprotocol }, () => undefined);
    expect(silent.silentFor).toBeGreaterThan(silent.seconds * 1_000);
    // Nobody had anything, so nobody had less than others.
    expect(silent).toMatchObject({ frames: 0, starved: 0, incomplete: 0 });
    const heard = await measure({ subprotocol }, (server) => server.send(makeFrame(subprotocol, 1, 0)));
    expect(heard.silentFor).toBeLessThan(heard.seconds * 1_000);
  });
});

describe('a connection that waits for its turn', () => {
  it('is timed from when it was due', async () => {
    let connectedAt: number[] = [];
    const figures = await measure({ connections: 200, atOnce: 1 }, (server) => {
      connectedAt = server.connectedAt;
    });
    expect(figures.connect.totalCount).toBe(200);
    const queue = (connectedAt.at(-1) ?? 0) - (connectedAt[0] ?? 0);
    expect(queue).toBeGreaterThan(0);
    // Three digits are kept.
    expect(figures.connect.maxValue).toBeGreaterThan(queue * 1_000 * 0.99);
    expect(figures.connectCpu).toBeGreaterThan(0);
  });
});

describe('a viewer', () => {
  it('finds what is wrong with a frame', async () => {
    const subprotocol = 'volley.v1.json';
    const { faults, frames } = await measure({ subprotocol }, (server) => {
      server.send(String(makeFrame(subprotocol, 1, 0)));
      server.send(
        String(makeFrame(subprotocol, 2, 1))
          .replace('"2.1"', '"2.7"')
          .replace('"size":25', '"size":0'),
      );
    });
    expect(frames).toBe(20);
    expect(faults).toEqual(['comment 2.0 has size 0']);
  });

  it('finds a copy that is not what the others got', async () => {
    const subprotocol = 'volley.v1.msgpack';
    const good = makeFrame(subprotocol, 1, 0, 200);
    const bad = Buffer.from(good);
    // The header of a text in the middle becomes a byte that msgpack never has.
    bad[bad.indexOf('1 99') - 1] = 0xc1;
    const { faults, frames } = await measure({ subprotocol }, (server) => {
      server.send(good, (viewer) => viewer !== 5);
      server.send(bad, (viewer) => viewer === 5);
    });
    expect(frames).toBe(9);
    expect(faults).toEqual([expect.stringMatching(/cannot be decoded/)]);
  });
});

describe('a fault', () => {
  it('is told of each that there is', async () => {
    const cases: [string | Buffer, RegExp][] = [
      [Buffer.from('hello'), /a frame of 5 bytes cannot be decoded/],
      ['hello', /not JSON: hello/],
      ['{"type":"welcome","room":"r","seq":0,"viewers":1,"interval":1000}', /twice/],
      ['{"type":"advertisement"}', /type "advertisement"/],
      ['{"type":"ack","ref":"1","id":"4.0","seq":4}', /acknowledged comment 1 of batch 4/],
      ['{"type":"refused","ref":"9","code":"BUSY"}', /refused \(BUSY\) comment 9/],
    ];
    const subprotocol = 'volley.v1.msgpack';
    const { faults, frames } = await measure({ subprotocol }, (server) => {
      for (const [message] of cases) server.send(message);
      server.send(makeFrame(subprotocol, 1, 0));
    });
    expect(frames).toBe(10);
    expect(faults).toEqual(cases.map(([, sentence]) => expect.stringMatching(sentence)));
  });

  it('is a batch before the welcome', async () => {
    const subprotocol = 'volley.v1.json';
    const early = String(makeFrame(subprotocol, 1, 0));
    const server = await ScriptedServer.start(early);
    closing.push(() => server.stop());
    const plan = makePlan({ url: server.url, subprotocol });
    await expect(startLoad(plan, undefined, { answerWithin: 300 })).rejects.toThrow(/sent no welcome within 0\.3 s/);
  });
});

describe('what a server says besides', () => {
  it('is counted: skipped, and closings by their code', async () => {
    const subprotocol = 'volley.v1.msgpack';
    const figures = await measure({ subprotocol }, async (server) => {
      server.send('{"type":"skipped"}', (viewer) => viewer < 3);
      server.send('{"type":"presence","seq":0,"viewers":10}');
      server.send(makeFrame(subprotocol, 1, 0));
      await server.settle();
      server.viewers[1]?.close(4008, 'too slow');
      server.viewers[2]?.close();
      server.viewers[3]?.terminate();
      // A cut is answered by nothing. Whoever has read something twice since has had a turn of the loop between.
      await server.settle();
    });
    expect(figures).toMatchObject({ frames: 10, skipped: 3, faults: [] });
    expect(figures.closed).toEqual(new Map([4008, 1005, 1006].map((code) => [code, 1])));
  });

  it('is answered where it is a ping', async () => {
    const pongs: string[] = [];
    const subprotocol = 'volley.v1.msgpack';
    await measure({ subprotocol }, (server) => {
      for (const viewer of server.viewers) viewer.on('pong', (data) => pongs.push(String(data)));
      for (const viewer of server.viewers) viewer.ping('are you there');
      server.send(makeFrame(subprotocol, 1, 0));
    });
    expect(pongs.filter((said) => said !== '')).toEqual(new Array(10).fill('are you there'));
  });
});

describe('an opaque server', () => {
  const opaque = { protocol: 'opaque', paths: ['/anything'], hello: ['first word', 'second'] } as const;

  it('that sends a viewer nothing is told', async () => {
    const figures = await measure(opaque, (server) => {
      for (const size of [10, 20, 30]) server.send(Buffer.alloc(size), (viewer) => viewer !== 3);
    });
    expect(figures).toMatchObject({ frames: 27, incomplete: 3, starved: 1 });
    expect(figures.spread.totalCount).toBe(0);
  });

  it('has its binary messages counted, and its pushes told apart', async () => {
    let heard: string[] = [];
    const figures = await measure(opaque, (server) => {
      heard = server.heard;
      for (const size of [10, 1_000, 100_000, 10, 10]) {
        server.send(Buffer.alloc(size));
        server.send('a text');
      }
    });
    expect(figures).toMatchObject({ frames: 50, comments: 0, lost: 0, faults: [] });
    // Each with its header; the last two are the ping after which all is read.
    expect(figures.bytes).toBe(10 * (3 * (10 + 2) + (1_000 + 4) + (100_000 + 10) + 5 * (6 + 2) + 2));
    expect(figures.spread.totalCount).toBe(5);
    expect(figures.latency.totalCount).toBe(0);
    expect(figures.connect.totalCount).toBe(10);
    expect(heard.toSorted()).toEqual([...new Array(10).fill('first word'), ...new Array(10).fill('second')]);
  });
});
