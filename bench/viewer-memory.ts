import { pathToFileURL } from 'node:url';
import { compiledFile } from '../src/compiled-file.ts';
import { SUBPROTOCOLS } from '../src/frames/codec.ts';
import { startProcess } from '../src/server-process.fixture.ts';
import { Feed } from './feed.ts';
import { IdleViewers } from './idle-viewers.ts';
import { readMemory } from './process-stats.ts';
import { describeSpread, sleep } from './statistics.ts';

export interface ViewerMemoryOptions {
  readonly viewers: number;
  readonly comments: number;
  readonly seconds: number;
  readonly turns: number;
}

const COLLECTOR = pathToFileURL(compiledFile('bench/garbage-collector.js')).href;

/**
 * Memory a viewer: what a server with all viewers holds, less what another of the same age and with the same pushes
 * holds with a hundred. One server before and after would not do: what its start left to the garbage collector goes
 * back to the system in the meantime, at a time of V8's choosing, and counts as less than no memory a viewer. For the
 * same reason both collect garbage each second: else the main thread alone may hold ten megabytes of it or none.
 */
export async function measureViewerMemory(options: ViewerMemoryOptions, print: (line: string) => void): Promise<void> {
  const figures: number[] = [];
  const few = Math.min(100, options.viewers / 2);
  for (let turn = 1; turn <= options.turns; turn += 1) {
    const { held: large, age } = await holdViewers(options, options.viewers);
    const { held: small } = await holdViewers(options, few, age);
    figures.push((large - small) / (options.viewers - few) / 1_024);
    print(
      `turn ${turn}: ${(small / 1e6).toFixed(1)} MB with ${few} viewers, ` +
        `${(large / 1e6).toFixed(1)} MB with ${options.viewers}, ${figures.at(-1)?.toFixed(2)} KB a viewer`,
    );
  }
  print(`memory a viewer, ${options.viewers} viewers: ${describeSpread(figures)} KB`);
}

/** A server's memory in bytes when it has pushed to `viewers` for a while, at least until it is of an age in ms. */
async function holdViewers(
  { comments, seconds }: ViewerMemoryOptions,
  viewers: number,
  until = 0,
): Promise<{ held: number; age: number }> {
  const env = { NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import ${COLLECTOR}` };
  const server = await startProcess(['--workers', '1', '--interval', '200'], { env });
  const startedAt = performance.now();
  const crowd = new IdleViewers();
  const feed = new Feed({ apiUrl: server.apiUrl, rooms: ['r'], comments, every: 200 });
  await crowd.open(server, 'r', viewers, SUBPROTOCOLS[1]);
  await sleep(Math.max(seconds * 1_000, until - (performance.now() - startedAt)));
  const age = performance.now() - startedAt;
  const held = readMemory(server.pid);
  feed.stop();
  crowd.close();
  await server.stop();
  return { held, age };
}
