import { Worker } from 'node:worker_threads';
import { build, type Histogram } from 'hdr-histogram-js';
import { compiledFile } from '../src/compiled-file.ts';
import { type ServerProcess, startProcess } from '../src/server-process.fixture.ts';
import { ViewerClient } from '../src/viewer-client.fixture.ts';
import { FLOODS, type Flood, type FloodersOptions } from './flooders.ts';
import { readCpuSeconds } from './process-stats.ts';
import { sleep } from './statistics.ts';

export interface FloodsOptions {
  readonly connections: number;
  readonly viewers: number;
  readonly rooms: number;
  readonly seconds: number;
}

/** Each room gets a comment every so many ms, longer than a push's interval: so each goes out at once. */
const EVERY_MS = 100;
const INTERVAL_MS = 50;

/** Seconds in which all floods arrive at once and are cut, told apart from what follows. */
const FIRST_S = 2;

/**
 * What connections that flood cost the other viewers of their shard: how late comments come, from when one viewer sends
 * it to when each hears it, before each kind of flood, in its first seconds, and after those.
 */
export async function measureFloods(options: FloodsOptions, print: (line: string) => void): Promise<void> {
  for (const flood of Object.keys(FLOODS) as Flood[]) await measure(options, flood, false, print);
  await measure(options, 'tiny', true, print);
}

async function measure(options: FloodsOptions, flood: Flood, again: boolean, print: (line: string) => void) {
  const { connections, seconds } = options;
  const server = await startProcess(['--workers', '1', '--interval', String(INTERVAL_MS)]);
  const crowd = new Crowd(server, options);
  try {
    await crowd.join();
    await sleep(2_000);
    const calm = await crowd.take(server, seconds);
    const { hostname, port } = new URL(server.viewerUrl);
    const workerData: FloodersOptions = { host: hostname, port: Number(port), connections, flood, again };
    const flooders = new Worker(compiledFile('bench/flooders.js'), { workerData });
    const first = await crowd.take(server, FIRST_S);
    const flooded = await crowd.take(server, seconds);
    const sent = new Promise<{ opened: number; bytes: number }>((resolve) => flooders.once('message', resolve));
    flooders.postMessage('stop');
    const { opened, bytes } = await sent;
    await flooders.terminate();
    const closes = await server.metric('volley_flood_closes_total');
    print(
      `${flood}${again ? ', coming back' : ''}: ${opened} connections, ${(bytes / 1e6).toFixed(0)} MB sent, ${closes} closed`,
    );
    print(`  calm:  ${calm}`);
    print(`  first: ${first}`);
    print(`  flood: ${flooded}`);
  } finally {
    crowd.leave();
    await server.stop();
  }
}

/** Viewers of a few rooms, in each of which one says the time. */
class Crowd {
  readonly #viewers: ViewerClient[];
  readonly #speakers: readonly ViewerClient[];
  #late: Histogram = build({ highestTrackableValue: 600_000_000 });
  #timer: NodeJS.Timeout | undefined;

  constructor(server: ServerProcess, { viewers, rooms }: FloodsOptions) {
    this.#viewers = Array.from({ length: viewers }, (_, i) => new ViewerClient(server.viewerUrl, `calm-${i % rooms}`));
    this.#speakers = this.#viewers.slice(0, rooms);
  }

  async join(): Promise<void> {
    await Promise.all(this.#viewers.map((viewer) => viewer.welcome()));
    for (const viewer of this.#viewers) viewer.socket.on('message', () => this.#hear(viewer));
    this.#timer = setInterval(() => {
      for (const speaker of this.#speakers) speaker.send({ type: 'comment', text: String(performance.now()) });
    }, EVERY_MS);
  }

  /** How late comments come in the next seconds, and what the server uses. */
  async take(server: ServerProcess, seconds: number): Promise<string> {
    this.#late = build({ highestTrackableValue: 600_000_000 });
    const late = this.#late;
    const before = readCpuSeconds(server.pid);
    await sleep(seconds * 1_000);
    const cpu = readCpuSeconds(server.pid) - before;
    const ms = (percentile: number): string => (late.getValueAtPercentile(percentile) / 1_000).toFixed(1);
    return `p50 ${ms(50)} ms, p99 ${ms(99)} ms, longest ${ms(100)} ms of ${late.totalCount}; server ${(cpu / seconds).toFixed(2)} cores`;
  }

  leave(): void {
    clearInterval(this.#timer);
    for (const { socket } of this.#viewers) socket.terminate();
  }

  #hear(viewer: ViewerClient): void {
    for (const { text } of viewer.comments.splice(0)) {
      this.#late.recordValue(Math.round((performance.now() - Number(text)) * 1_000));
    }
  }
}
