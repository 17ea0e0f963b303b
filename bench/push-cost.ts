import { type AddressInfo, connect, createServer } from 'node:net';
import { SUBPROTOCOLS } from '../src/frames/codec.ts';
import { startProcess } from '../src/server-process.fixture.ts';
import { Feed } from './feed.ts';
import { PerfTools } from './perf-tools.ts';
import { describeSpread, median, sleep } from './statistics.ts';

export interface PushCostOptions {
  readonly viewers: number;
  readonly comments: number;
  readonly interval: number;
  readonly seconds: number;
  readonly warmup: number;
  readonly turns: number;
}

const WARM_UP_MS = 4_000;

/** A frame header of a server, of 126 to 65,535 bytes of payload. */
const FRAME_HEADER = 4;

/**
 * Server CPU a delivered frame, against the least that a host could do: one `send` a viewer and push of a frame of the
 * same size. Turns alternate in one run; the figure is the ratio.
 */
export async function measurePushCost(options: PushCostOptions, print: (line: string) => void): Promise<void> {
  const tools = PerfTools.build();
  if (tools === null) {
    print('left out: ../shared/perf or a C compiler is missing');
    return;
  }
  const ratios: number[] = [];
  for (let turn = 1; turn <= options.turns; turn += 1) {
    const volley = await loadVolley(tools, options);
    const floor = await loadFloor(tools, options, Math.round(volley.bytesPerFrame) - FRAME_HEADER);
    ratios.push(volley.microseconds / floor.microseconds);
    print(
      `turn ${turn}: volley ${volley.microseconds.toFixed(2)} µs a frame of ${volley.bytesPerFrame} bytes, ` +
        `floor ${floor.microseconds.toFixed(2)} µs, ratio ${ratios.at(-1)?.toFixed(2)}`,
    );
  }
  tools.remove();
  print(`server CPU a delivered frame against the floor: ${describeSpread(ratios)}`);
  if (Number.isNaN(median(ratios))) throw new Error('no frame was delivered');
}

async function loadVolley(tools: PerfTools, options: PushCostOptions): ReturnType<PerfTools['load']> {
  const { viewers, warmup, seconds, interval, comments } = options;
  const server = await startProcess(['--workers', '1', '--interval', String(interval)]);
  await warmUp(server.apiUrl, comments);
  const feed = new Feed({ apiUrl: server.apiUrl, rooms: ['r'], comments, every: interval });
  const port = new URL(server.viewerUrl).port;
  const subprotocol = SUBPROTOCOLS[1];
  const result = await tools.load({ port, path: '/rooms/r', viewers, subprotocol, pid: server.pid, warmup, seconds });
  const refused = feed.stop();
  if (refused > 0) throw new Error(`${refused} posts were refused`);
  await server.stop();
  return result;
}

/**
 * Has main's code compiled before it is measured, as it is after the first minutes of a stream: at ten posts a second
 * V8 would still be interpreting it for most of the run.
 */
async function warmUp(apiUrl: string, comments: number): Promise<void> {
  const rooms = Array.from({ length: 8 }, (_, i) => `warm-up-${i}`);
  const feed = new Feed({ apiUrl, rooms, comments, every: 10 });
  await sleep(WARM_UP_MS);
  feed.stop();
}

async function loadFloor(tools: PerfTools, options: PushCostOptions, bytes: number): ReturnType<PerfTools['load']> {
  const { viewers, warmup, seconds, interval } = options;
  const port = await freePort();
  const floor = tools.startFloor(port, interval, bytes);
  await answering(port);
  const pid = floor.pid ?? 0;
  const result = await tools.load({
    port: String(port),
    path: '/',
    viewers,
    subprotocol: '',
    pid,
    warmup: Math.min(warmup, 3),
    seconds,
  });
  floor.kill();
  return result;
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}

/** Waits until something listens, at most five seconds. */
async function answering(port: number): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    const there = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (there) return;
    await sleep(50);
  }
  throw new Error(`nothing listens on ${port}`);
}
