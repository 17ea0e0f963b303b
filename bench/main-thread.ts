import { SUBPROTOCOLS } from '../src/frames/codec.ts';
import { type ServerProcess, startProcess } from '../src/server-process.fixture.ts';
import { Feed } from './feed.ts';
import { IdleViewers } from './idle-viewers.ts';
import { describeSpread, median, sleep } from './statistics.ts';

export interface MainThreadOptions {
  readonly few: number;
  readonly many: number;
  readonly comments: number;
  readonly seconds: number;
  readonly turns: number;
}

/** What main does for a push, whoever watches: messages, encodes and bytes must not depend on the viewers. */
const COUNTERS = [
  'volley_messages_total',
  'volley_frames_encoded_total',
  'volley_ring_bytes_total',
  // Last: what the others are held against.
  'volley_pushes_total',
] as const;

/** Comments differ in length, so bytes a push do by this much. */
const UNEVEN = 0.1;

/** Where the seconds of a run begin and end moves this many pushes in or out of it. */
const EDGE = 2;

interface Reading {
  readonly cpu: number;
  readonly counts: readonly number[];
}

/** CPU of the main thread with many viewers against few, same comments; and that its counters run alike. */
export async function measureMainThread(options: MainThreadOptions, print: (line: string) => void): Promise<void> {
  const more: number[] = [];
  for (let turn = 1; turn <= options.turns; turn += 1) {
    const few = await read(options, options.few);
    const many = await read(options, options.many);
    more.push(many.cpu - few.cpu);
    print(
      `turn ${turn}: main thread ${few.cpu.toFixed(4)} cores with ${options.few} viewers, ${many.cpu.toFixed(4)} with ${options.many}`,
    );
    const pushes = (few.counts.at(-1) ?? 0) * options.seconds;
    for (const [i, name] of COUNTERS.entries()) {
      const [one = 0, other = 0] = [few.counts[i], many.counts[i]];
      print(`  ${name} a second: ${one.toFixed(1)} and ${other.toFixed(1)}`);
      if (other > one * (1 + UNEVEN + EDGE / pushes)) throw new Error(`${name} grows with the viewers`);
    }
  }
  print(`main thread, ${options.many} viewers over ${options.few}: ${describeSpread(more, 4)} cores more`);
  if (Number.isNaN(median(more))) throw new Error('nothing was measured');
}

async function read({ comments, seconds }: MainThreadOptions, viewers: number): Promise<Reading> {
  const server = await startProcess(['--workers', '1']);
  const crowd = new IdleViewers();
  await crowd.open(server, 'r', viewers, SUBPROTOCOLS[1]);
  const feed = new Feed({ apiUrl: server.apiUrl, rooms: ['r'], comments, every: 1_000 });
  await sleep(5_000);
  const from = await gather(server);
  await sleep(seconds * 1_000);
  const to = await gather(server);
  feed.stop();
  crowd.close();
  await server.stop();
  const elapsed = (to.at - from.at) / 1_000;
  return {
    cpu: (to.cpu - from.cpu) / elapsed,
    counts: to.counts.map((count, i) => (count - (from.counts[i] ?? 0)) / elapsed),
  };
}

async function gather(server: ServerProcess): Promise<Reading & { at: number }> {
  const cpu = await server.metric('volley_thread_cpu_seconds_total', 'thread="main"');
  const counts = await Promise.all(COUNTERS.map((name) => server.metric(name)));
  return { at: performance.now(), cpu, counts };
}
