/** What was wrong in a run, what it was limited by, and how far its figures can be trusted: a sentence each. */
import { BUSY_THREAD } from '../load/results.ts';
import { sumOf } from '../load/tally.ts';
import { isUnknown, type RunResult } from './result.ts';
import { formatCount, formatMeasure } from './text.ts';

/** A server that pushes to no viewer for longer than this, in ms, or than so many of its intervals, has fallen silent. */
const LEAST_SILENCE_MS = 2_000;
const SILENT_TIMES = 3;

/** Below this many viewers the growth of the heap outweighs what they take. */
const FEW_VIEWERS = 2_000;

/** Below this many whole seconds a percentile of them says little. */
const FEW_SECONDS = 10;

/** How many values a printed percentile needs. */
const WANTED: readonly (readonly [string, number])[] = [
  ['2.5 %, 97.5 %', 40],
  ['99 %', 100],
  ['99.9 %', 1_000],
];

export function findFaults(run: RunResult): string[] {
  const { load, shape, feed, server } = run;
  const { faults, lost, failedConnects, outOfOrder, closed, incomplete, starved } = load;
  const found = [...run.warnings, ...faults.map((fault) => `fault: ${fault}`)];
  if (lost > 0) found.push(`${lost} frames were lost`);
  if (outOfOrder > 0) found.push(`fault: ${outOfOrder} frames came out of order`);
  if (sumOf(closed) > shape.deaf) found.push(`the server closed connections: ${listCodes(closed, ' with ')}`);
  if (failedConnects > 0) found.push(`${failedConnects} viewers that had left did not come up again`);
  found.push(...findSilence(run));
  if (incomplete > 0) found.push(`${incomplete} pushes did not come to every viewer within a second`);
  if (starved > 0) found.push(`${starved} viewers got no frame at all while others of their room did`);
  const refused = feed?.refused ?? load.refused;
  // A flood is refused what is too much of it: its scenario says so.
  if (refused.size > 0 && shape.sending.kind !== 'flood') {
    found.push(`${sumOf(refused)} comments were refused, or their posts failed: ${listCodes(refused)}`);
  }
  const unanswered = countUnanswered(run);
  if (unanswered > 0) found.push(`the server did not answer ${unanswered} comments in time`);
  const why = 'because the server took posts more slowly than they were due';
  if (feed !== null && feed.unposted > 0) found.push(`${feed.unposted} comments were not posted ${why}`);
  const restarts = isUnknown(server) ? 0 : server.shardRestarts;
  if (restarts > 0) found.push(`the server started a shard again ${restarts} times: see its log`);
  return found;
}

/** A frame is due in every interval in which a comment is. */
function findSilence({ load, settings, shape }: RunResult): string[] {
  const { interval, rate, rooms } = settings;
  const expected = shape.sending.kind === 'flood' ? interval : Math.max(interval, 1_000 / (rate * rooms));
  const most = Math.max(LEAST_SILENCE_MS, SILENT_TIMES * expected);
  if (load.silentFor > most) {
    return [`the server fell silent: no viewer got any frame in the last ${formatMeasure(load.silentFor / 1_000)} s`];
  }
  let longest = 0;
  let silent = 0;
  for (const { frames } of load.perSecond) {
    silent = frames === 0 ? silent + 1 : 0;
    longest = Math.max(longest, silent);
  }
  return longest * 1_000 >= most ? [`the server fell silent for ${longest} s: no viewer got any frame`] : [];
}

/**
 * Comments sent and neither accepted nor refused, less those that may be on their way: a window per sender, or what is
 * sent in a second and the two intervals that an answer may take.
 */
function countUnanswered({ load, feed, settings, shape }: RunResult): number {
  const { senders, rate, rooms, interval } = settings;
  const paced = Math.ceil(rate * rooms * (1 + (2 * interval) / 1_000));
  const underWay = shape.sending.kind === 'flood' ? senders * shape.sending.window : paced;
  const { sent, refused } = feed ?? load;
  return Math.max(0, sent - (feed?.accepted ?? load.acked) - sumOf(refused) - underWay);
}

/** The share of all cores from which on threads wait for one another. */
const BUSY_MACHINE = 0.95;

/** A loop that was blocked this long shows in the highest latencies. */
const LONG_DELAY_MS = 100;

/** From this share of a spread on it is mostly the generator's. */
const OWN_SPREAD = 0.7;

/** What the generator, and not the server, was the limit of; `spreadMs` is the median, null where it is unknown. */
export function findLimits(run: RunResult, spreadMs: number | null): string[] {
  const { load, feed, generator, settings, target, sawAllFrames } = run;
  const { busiestThreadCores, mainThreadCores, worstLoopDelayMs, machineBusyCores, machineCores } = generator;
  const { shardCores, cpuCores } = isUnknown(run.server) ? { shardCores: [], cpuCores: 0 } : run.server;
  const limits: string[] = [];
  if (busiestThreadCores >= BUSY_THREAD) {
    limits.push(
      `the load generator was the limit, not the server: its busiest thread used ${busiestThreadCores.toFixed(2)} cores; ` +
        'give it more threads (--workers) on a machine with cores to spare',
    );
  }
  if (mainThreadCores >= BUSY_THREAD) {
    const used = `it used ${mainThreadCores.toFixed(2)} cores; let viewers send them (--senders)`;
    limits.push(`the bench's main thread, which posts the comments, was the limit: ${used}`);
  }
  const isIdle = shardCores.every((cores) => cores < BUSY_THREAD);
  if (target.isLocal && machineBusyCores >= BUSY_MACHINE * machineCores && isIdle) {
    const own = `${(cpuCores + generator.cpuCores).toFixed(2)} of them with server and load generator`;
    limits.push(
      `the machine was the limit, not the server: all of its ${machineCores} cores were busy and no shard was, ` +
        `${own}; the latencies are too high`,
    );
  }
  if (worstLoopDelayMs >= LONG_DELAY_MS) {
    const stood = `the load generator stood still for up to ${worstLoopDelayMs.toFixed(0)} ms`;
    limits.push(`${stood}, so the highest latencies may be its own`);
  }
  if (feed !== null && feed.worstLate >= LONG_DELAY_MS) {
    const late = `the bench posted up to ${feed.worstLate.toFixed(0)} ms late`;
    limits.push(`${late}, which counts as latency: from when a post was due`);
  }
  // What the load threads need to take one frame for every viewer of a room.
  const threads = Math.min(settings.workers, settings.connections);
  const viewers = settings.connections / settings.rooms / threads;
  const ownMs = (generator.threadsCores * load.seconds * 1e3 * viewers) / load.frames;
  if (sawAllFrames && spreadMs !== null && ownMs >= OWN_SPREAD * spreadMs) {
    limits.push(
      `the time from first to last viewer may be the load generator's own: its threads take ${formatMeasure(ownMs)} ms ` +
        `to read one frame for all viewers of a room, and the median is ${formatMeasure(spreadMs)} ms; --workers spreads it`,
    );
  }
  return limits;
}

/** What keeps the figures from saying as much as they seem to. */
export function findReservations(run: RunResult): string[] {
  const { load, memory, feed, sawAllFrames, shape } = run;
  const found = [...run.notes, ...findGaps(run)];
  if (load.perSecond.length < FEW_SECONDS) {
    found.push(`only ${load.perSecond.length} whole seconds: their percentiles say little`);
  }
  if (!isUnknown(memory) && memory.viewers < FEW_VIEWERS) {
    found.push(`memory a viewer: with fewer than ${FEW_VIEWERS} viewers it is mostly the growth of the server's heap`);
  }
  if (!sawAllFrames) found.push('CPU a frame and a comment are not known: not all frames were counted');
  if (feed !== null && feed.meanWait >= 1) {
    found.push(
      `post to receipt counts from when a comment was due; of it ${formatMeasure(feed.meanWait)} ms on average are the ` +
        'wait for the next post, which takes along what is due',
    );
  }
  const closed = sumOf(load.closed);
  if (closed > 0 && closed <= shape.deaf) {
    const which = `${closed} of the ${shape.deaf} who read nothing`;
    found.push(`the server closed ${which}, as it should (${listCodes(load.closed)})`);
  }
  return found;
}

function findGaps(run: RunResult): string[] {
  return run.timings.flatMap(({ key, title, histogram: { totalCount } }) => {
    if (totalCount === 0) return [`${title}: not known, ${explainNone(key, run)}`];
    const short = WANTED.filter(([, count]) => totalCount < count).map(([percentile]) => percentile);
    if (short.length === 0) return [];
    return [`${title}: ${formatCount(totalCount)} values are too few for ${short.join(', ')}`];
  });
}

function explainNone(key: string, { load, settings }: RunResult): string {
  if (key === 'firstToLast') {
    const isAlone = settings.connections < 2 * settings.rooms;
    return isAlone ? 'there is one viewer a room, or hardly more' : 'no frame came to all viewers of its room';
  }
  if (key === 'ack') return load.sent === 0 ? 'no comment was sent' : 'no comment was acknowledged';
  if (key === 'connect' || key === 'caughtUp') return 'nobody got so far';
  return 'no comment whose time was taken came to a viewer whose frames are decoded';
}

/** `4 with 1006, 2 with 4008`, or `ROOM_BUSY 4`. */
function listCodes(counts: ReadonlyMap<string | number, number>, word?: string): string {
  const list = [...counts].map(([code, count]) => (word === undefined ? `${code} ${count}` : `${count}${word}${code}`));
  return list.join(', ');
}
