import { setTimeout as sleep } from 'node:timers/promises';
import { replayCommand } from '../../scripts/replay-command.ts';
import { systemClock } from '../../src/clock.ts';
import { SUBPROTOCOLS } from '../../src/frames/codec.ts';
import type { Load } from '../load/load.ts';
import { median } from '../report/text.ts';
import { SAMPLE } from '../run/feed.ts';
import { startVolley } from '../run/server.ts';
import { readMemory } from '../run/server-stats.ts';
import { openViewers } from './costs.ts';

/** `speed` is times faster than recorded. */
type SoakOptions = Record<'viewers' | 'rooms' | 'minutes' | 'speed', number>;

const ROUNDS = '1000000';

/** Memory in the last quarter over that in the second: noise of the garbage collector, and no more. */
export const MOST_GROWTH = 1.25;

const SETTLE_MS = 5_000;

/**
 * Replays a recording into many rooms for minutes, round after round, to viewers on all codecs that decode and check all
 * they hear. Returns comments accepted, those that every viewer of their room has heard, what went wrong, and the
 * server's memory in MB, the median of the second and of the last quarter of the run.
 */
export async function soak({ viewers, rooms, minutes, speed }: SoakOptions) {
  const { child, viewerUrl, apiUrl, pid } = await startVolley(['--workers', '2', '--memory-bytes', '16777216']);
  const names = Array.from({ length: rooms }, (_, i) => `room-${i}`);
  // As many viewers in each room and on each codec, so that what all heard can be told from the sum.
  const each = Math.max(1, Math.floor(viewers / rooms / SUBPROTOCOLS.length));
  const plan = { connections: each * rooms, counted: false, sampleEvery: 1 };
  const loads: Load[] = [];
  for (const subprotocol of SUBPROTOCOLS) loads.push(await openViewers(viewerUrl, names, { ...plan, subprotocol }));
  for (const load of loads) await load.begin();
  const stop = new AbortController();
  const replays = names.map((room) => replay(apiUrl, room, speed, stop.signal));
  const memory: number[] = [];
  const end = performance.now() + minutes * 60_000;
  while (performance.now() < end) {
    await sleep(Math.min(2_000, minutes * 5_000));
    memory.push(readMemory(pid) / 1e6);
  }
  stop.abort();
  const accepted = (await Promise.all(replays)).reduce((sum, count) => sum + count, 0);
  await sleep(SETTLE_MS);
  const figures = await Promise.all(loads.map((load) => load.end()));
  const faults = figures.flatMap(({ faults, lost, outOfOrder, incomplete, closed }) => [
    ...faults,
    ...(lost > 0 ? [`${lost} batches were lost`] : []),
    ...(outOfOrder > 0 ? [`${outOfOrder} batches came out of order`] : []),
    ...(incomplete > 0 ? [`${incomplete} batches were not heard by every viewer`] : []),
    ...[...closed].map(([code, count]) => `${count} viewers were closed with ${code}`),
  ]);
  const heard = Math.min(...figures.map(({ comments }) => comments / each));
  await Promise.all(loads.map((load) => load.stop()));
  const how = await child.stop();
  if (how !== 'ended with exit code 0') faults.push(`the server ${how}`);
  const quarter = Math.floor(memory.length / 4);
  const early = median(memory.slice(quarter, 2 * quarter));
  return { accepted, heard, faults, early, late: median(memory.slice(-quarter)) };
}

export async function runSoak(options: SoakOptions, print: (line: string) => void): Promise<void> {
  const { accepted, heard, faults, early, late } = await soak(options);
  print(`${accepted} comments accepted, ${heard} heard by every one of the ${options.viewers} viewers of their rooms`);
  print(`server memory ${early.toFixed(1)} MB in the second quarter, ${late.toFixed(1)} MB in the last`);
  for (const fault of faults.slice(0, 20)) print(`fault: ${fault}`);
  if (faults.length > 0 || accepted === 0 || heard !== accepted) throw new Error('not everybody heard everything');
  if (late > early * MOST_GROWTH) throw new Error("the server's memory grew");
}

/** Replays into one room until `signal`; returns the number of comments accepted. */
async function replay(apiUrl: string, room: string, speed: number, signal: AbortSignal): Promise<number> {
  let summary = '';
  const stdout = { write: (text: string) => (summary += text) };
  const argv = [SAMPLE, '--room', room, '--speed', String(speed), '--times', ROUNDS, '--url', apiUrl, '--no-progress'];
  await replayCommand(argv, { clock: systemClock, stdout, stderr: process.stderr, cwd: '/', signal });
  return Number(/accepted (\d+)/.exec(summary)?.[1] ?? 0);
}
