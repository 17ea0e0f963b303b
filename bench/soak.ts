import { replayCommand } from '../scripts/replay-command.ts';
import { systemClock } from '../src/clock.ts';
import { CODECS } from '../src/frames/codec.ts';
import { startProcess } from '../src/server-process.fixture.ts';
import { SAMPLE } from './feed.ts';
import { readMemory } from './process-stats.ts';
import { SoakViewers } from './soak-viewers.ts';
import { median, sleep } from './statistics.ts';

export interface SoakOptions {
  readonly viewers: number;
  readonly rooms: number;
  readonly minutes: number;
  /** Times faster than recorded. */
  readonly speed: number;
}

/** What a soak run found. */
interface SoakResult {
  readonly accepted: number;
  readonly heard: number;
  readonly faults: readonly string[];
  /** Server memory in MB, the median of the second and of the last quarter of the run. */
  readonly early: number;
  readonly late: number;
}

const ROUNDS = '1000000';

/** Memory in the last quarter over that in the second: noise of the garbage collector, and no more. */
export const MOST_GROWTH = 1.25;

/**
 * Replays a recording into many rooms for minutes, round after round, and has every viewer decode and check all it
 * hears.
 */
export async function soak(options: SoakOptions): Promise<SoakResult> {
  const server = await startProcess(['--workers', '2', '--memory-bytes', String(16 * 1_048_576)]);
  const viewers = new SoakViewers();
  const rooms = Array.from({ length: options.rooms }, (_, i) => `room-${i}`);
  for (let i = 0; i < options.viewers; i += 1) {
    const room = rooms[i % rooms.length] ?? '';
    await viewers.seat(server.viewerUrl, room, Math.floor(i / rooms.length) % CODECS.length);
  }
  const stop = new AbortController();
  const replays = rooms.map((room) => replay(server.apiUrl, room, options.speed, stop.signal));
  const memory: number[] = [];
  const end = performance.now() + options.minutes * 60_000;
  while (performance.now() < end) {
    await sleep(Math.min(2_000, options.minutes * 5_000));
    memory.push(readMemory(server.pid) / 1e6);
  }
  stop.abort();
  const accepted = (await Promise.all(replays)).reduce((sum, count) => sum + count, 0);
  for (let tries = 0; tries < 100 && viewers.comments < accepted; tries += 1) await sleep(100);
  const faults = [...viewers.faults];
  if (viewers.unheard > 0) faults.push(`${viewers.unheard} batches were not heard by everybody`);
  viewers.close();
  const code = await server.stop();
  if (code !== 0) faults.push(`the server ended with ${code}`);
  const quarter = Math.floor(memory.length / 4);
  const early = median(memory.slice(quarter, 2 * quarter));
  return { accepted, heard: viewers.comments, faults, early, late: median(memory.slice(-quarter)) };
}

export async function runSoak(options: SoakOptions, print: (line: string) => void): Promise<void> {
  const { accepted, heard, faults, early, late } = await soak(options);
  print(`${accepted} comments accepted, ${heard} heard by every one of the ${options.viewers} viewers of their rooms`);
  print(`server memory ${early.toFixed(1)} MB in the second quarter, ${late.toFixed(1)} MB in the last`);
  for (const fault of faults.slice(0, 20)) print(`fault: ${fault}`);
  if (faults.length > 0 || accepted === 0 || heard !== accepted) throw new Error('not everybody heard everything');
  if (late > early * MOST_GROWTH) throw new Error("the server's memory grew");
}

/** Replays into one room until `signal`; gives the number of comments accepted. */
async function replay(apiUrl: string, room: string, speed: number, signal: AbortSignal): Promise<number> {
  let summary = '';
  const stdout = { write: (text: string) => (summary += text) };
  const argv = [SAMPLE, '--room', room, '--speed', String(speed), '--times', ROUNDS, '--url', apiUrl, '--no-progress'];
  await replayCommand(argv, { clock: systemClock, stdout, stderr: process.stderr, cwd: '/', signal });
  return Number(/accepted (\d+)/.exec(summary)?.[1] ?? 0);
}
