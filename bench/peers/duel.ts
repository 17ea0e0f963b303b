/**
 * Volley against one contender, both with their viewers connected at once, in short alternating windows: what is noisy on
 * a shared machine hits both alike. Outside of its windows a server does not push.
 */
import { type Load, startLoad } from '../load/load.ts';
import { READING } from '../load/plan.ts';
import type { LoadFigures } from '../load/results.ts';
import { sumOf } from '../load/tally.ts';
import { BenchError } from '../options.ts';
import { readCpuSeconds } from '../run/server-stats.ts';
import { Interrupted, type RunWatch, watchRun } from '../run/window.ts';
import type { Contender, RunningContender, StartOrder } from './contenders.ts';

/** About every so many-th viewer of volley decodes and checks its frames; the others count them. */
const SAMPLE_EVERY = 100;

/** After the last push of a window its frames have so many ms to arrive, and a push to be made in. */
const DRAIN_MS = 150;

/** The spread says nothing of pushes that a viewer missed, so only few of them may be incomplete. */
const COMPLETE = 0.95;

export interface DuelOrder extends StartOrder {
  readonly turns: number;
  /** Seconds of pushing to viewers before anything is measured, and of pushing in a window. */
  readonly warmup: number;
  readonly seconds: number;
  readonly signal: AbortSignal;
  readonly onTurn: (name: string, turn: number, figures: TurnFigures) => void;
}

/** What one window of one server measured. */
export type TurnFigures = Awaited<ReturnType<typeof measureTurn>>;

interface Side {
  readonly name: string;
  readonly running: RunningContender;
  readonly load: Load;
  readonly turns: TurnFigures[];
  complete: number;
  incomplete: number;
}

/**
 * Starts the servers, opens their viewers, measures, and ends all; returns the windows of each server.
 * @throws BenchError when a server does not start, ends early, or what the load saw is no result; Interrupted
 */
export async function duel(contenders: readonly Contender[], order: DuelOrder): Promise<TurnFigures[][]> {
  const watch = watchRun(order.signal);
  const sides: Side[] = [];
  const started: RunningContender[] = [];
  try {
    for (const contender of contenders) {
      const { name } = contender;
      const fail = (sentence: string): void => watch.fail(new BenchError(`${name} ${sentence}`));
      const running = await watch.await(contender.start(order), (late) => late.stop());
      started.push(running);
      void running.ended.then((how) => fail(`${how} while viewers were on it`));
      const load = await watch.await(openViewers(running, order), (late) => late.stop());
      void load.gone.then((why) => fail(`lost its viewers: ${why.message}`));
      sides.push({ name, running, load, turns: [], complete: 0, incomplete: 0 });
    }
    for (const { running } of sides) running.pause();
    const warmUps = sides.map(({ running }) => push(running, order.warmup * 1_000 + running.warmUpMs, order, watch));
    await Promise.all(warmUps);
    for (let turn = 1; turn <= order.turns; turn += 1) {
      for (const side of turn % 2 === 0 ? sides.toReversed() : sides) {
        const figures = await measureTurn(side, order, watch);
        side.turns.push(figures);
        order.onTurn(side.name, turn, figures);
      }
    }
    for (const { name, running, complete, incomplete } of sides) {
      const fault = running.findFault?.();
      if (fault !== undefined) throw new BenchError(`${name} ${fault}`);
      if (order.peerCase.measure === 'spread') checkSpread(name, complete, incomplete);
    }
    return sides.map(({ turns }) => turns);
  } finally {
    await Promise.all(sides.map(({ load }) => load.stop()));
    await Promise.all(started.map((running) => running.stop()));
  }
}

function openViewers({ address }: RunningContender, { peerCase, viewers }: DuelOrder): Promise<Load> {
  const { path, ...server } = address;
  const plan = {
    ...READING,
    ...server,
    paths: [path],
    connections: viewers,
    // The same load for all servers: following seq and prev at every viewer costs a quarter more.
    counted: true,
    // Decoding would delay the viewers after it, which the spread would show.
    sampleEvery: peerCase.measure === 'spread' ? viewers : SAMPLE_EVERY,
  };
  return startLoad(plan, undefined, { settledAfter: DRAIN_MS / 2 });
}

/** Has a server push for `ms`, and what it pushed arrive. */
async function push(running: RunningContender, ms: number, { peerCase }: DuelOrder, watch: RunWatch) {
  running.push();
  if (!(await watch.pause(ms))) throw new Interrupted();
  running.pause();
  if (!(await watch.pause(peerCase.every + DRAIN_MS))) throw new Interrupted();
}

async function measureTurn(side: Omit<Side, 'turns'>, order: DuelOrder, watch: RunWatch) {
  const { name, running, load } = side;
  const { peerCase, viewers, seconds } = order;
  await load.begin();
  const cpuBefore = readCpuSeconds(running.pid);
  // The first push is made at once, so this is the time of as many as the seconds hold.
  await push(running, seconds * 1_000 - peerCase.every / 2, order, watch);
  const cpu = readCpuSeconds(running.pid) - cpuBefore;
  const figures = await load.end();
  checkFigures(name, figures);
  if (!(cpu > 0)) throw new BenchError(`the CPU of ${name} is too little to be measured: take more --seconds`);
  const { frames, bytes, spread, lost } = figures;
  side.complete += spread.totalCount;
  side.incomplete += figures.incomplete;
  return {
    /** Pushes delivered, one to one viewer each; bytes are those on the wire without TCP/IP. */
    ...{ frames, bytesPerFrame: bytes / frames, framesPerSecond: frames / seconds },
    /** Of the frames that all viewers should have had at the pace of the case. */
    delivered: frames / ((viewers * seconds * 1_000) / peerCase.every),
    /** Server CPU a delivered frame, in µs. */
    cpu: (cpu * 1e6) / frames,
    /** From the first to the last viewer of a push, in ms, the median of the pushes; null where it is not asked. */
    spread: peerCase.measure === 'spread' ? spread.getValueAtPercentile(50) / 1_000 : null,
    /** CPU of the load generator, in cores. */
    loadCpu: (figures.cpu * figures.seconds) / seconds,
    /** Frames that volley's sampled viewers should have had and had not. */
    lost,
  };
}

/** Throws BenchError when what the load saw of the server `name` in a window is no result. */
export function checkFigures(name: string, figures: LoadFigures): void {
  const { frames, starved, closed, failedConnects, outOfOrder, faults } = figures;
  const gone = sumOf(closed) + failedConnects;
  if (gone > 0) {
    const codes = [...closed].map(([code, count]) => `${count} with close code ${code}`).join(', ');
    throw new BenchError(`${name} lost ${gone} viewers while it was measured${codes === '' ? '' : ` (${codes})`}`);
  }
  if (frames === 0) throw new BenchError(`${name} delivered nothing`);
  if (starved > 0) throw new BenchError(`${name} delivered nothing to ${starved} of its viewers`);
  if (outOfOrder > 0) throw new BenchError(`${name} delivered ${outOfOrder} frames out of order`);
  const [fault] = faults;
  if (fault !== undefined) throw new BenchError(`${name} delivered a wrong frame: ${fault}`);
}

/** @throws BenchError when too many pushes did not come to every viewer */
export function checkSpread(name: string, complete: number, incomplete: number): void {
  const pushes = complete + incomplete;
  if (complete > 0 && complete >= COMPLETE * pushes) return;
  throw new BenchError(`only ${complete} of ${pushes} pushes of ${name} came to every viewer, so there is no spread`);
}
