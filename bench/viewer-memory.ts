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

/**
 * Memory a viewer: what the server holds with all viewers, less what it held with a hundred, both after pushes for
 * `seconds`, so that what only grows with time does not count as the viewers'.
 */
export async function measureViewerMemory(options: ViewerMemoryOptions, print: (line: string) => void): Promise<void> {
  const { viewers, comments, seconds } = options;
  const figures: number[] = [];
  for (let turn = 1; turn <= options.turns; turn += 1) {
    const server = await startProcess(['--workers', '1', '--interval', '200']);
    const crowd = new IdleViewers();
    const feed = new Feed({ apiUrl: server.apiUrl, rooms: ['r'], comments, every: 200 });
    const few = Math.min(100, viewers / 2);
    await crowd.open(server, 'r', few, SUBPROTOCOLS[1]);
    await sleep(seconds * 1_000);
    const before = readMemory(server.pid);
    await crowd.open(server, 'r', viewers - few, SUBPROTOCOLS[1]);
    await sleep(seconds * 1_000);
    const after = readMemory(server.pid);
    figures.push((after - before) / (viewers - few) / 1_024);
    print(`turn ${turn}: ${(before / 1e6).toFixed(1)} MB with ${few} viewers, ${(after / 1e6).toFixed(1)} MB with all`);
    feed.stop();
    crowd.close();
    await server.stop();
  }
  print(`memory a viewer, ${viewers} viewers: ${describeSpread(figures)} KB`);
}
