import { setTimeout as sleep } from 'node:timers/promises';
import { BenchError } from '../bench-error.ts';
import { Load } from '../load/load.ts';
import type { LoadFigures } from '../load/load-figures.ts';
import { readCpuSeconds } from '../process-stats.ts';
import type { Contender, RunningContender, StartOrder } from './contender.ts';
import { checkFigures } from './turn-check.ts';

/** Every so many-th viewer of volley's decodes and checks the frames that it gets; the others count them. */
const SAMPLE_EVERY = 100;

export interface TurnOrder extends StartOrder {
  /** Seconds with viewers before anything is measured, and seconds that are measured. */
  readonly warmup: number;
  readonly seconds: number;
  /** Ends the turn early; the reason is thrown. */
  readonly signal: AbortSignal;
}

/** What one turn of one contender measured. */
export interface TurnFigures {
  /** On the wire without TCP/IP: a push to one viewer, WebSocket headers included. */
  readonly bytesPerFrame: number;
  /** Pushes delivered, one to one viewer each. */
  readonly framesPerSecond: number;
  /** Of the frames that all viewers should have had at the pace of the case. */
  readonly delivered: number;
  /** Server CPU a delivered frame, in µs. */
  readonly cpu: number;
  /** From the first to the last viewer of a push, in ms, the median of the turn's pushes; null where it is not asked. */
  readonly spread: number | null;
  /** CPU of the load generator, in cores. */
  readonly loadCpu: number;
  /** Frames that volley's sampled viewers should have had and had not. */
  readonly lost: number;
}

/**
 * Starts a contender, opens the viewers, measures, and ends both.
 * @throws BenchError when it does not start, ends early, or what the load saw is no result
 */
export async function measureTurn(contender: Contender, order: TurnOrder): Promise<TurnFigures> {
  const { signal } = order;
  signal.throwIfAborted();
  const running = await contender.start(order);
  const failing = new AbortController();
  const fail = (sentence: string): void => failing.abort(new BenchError(sentence));
  void running.ended.then((how) => fail(`${contender.name} ${how} while viewers were on it`));
  try {
    const either = AbortSignal.any([signal, failing.signal]);
    const figures = await measureRunning(contender.name, running, order, either, fail);
    const fault = running.findFault?.();
    if (fault !== undefined) throw new BenchError(`${contender.name} ${fault}`);
    return figures;
  } finally {
    await running.stop();
  }
}

async function measureRunning(
  name: string,
  running: RunningContender,
  order: TurnOrder,
  signal: AbortSignal,
  fail: (sentence: string) => void,
): Promise<TurnFigures> {
  const { pid } = running;
  const load = await orAborted(startLoad(running, order), signal, (late) => late.stop());
  load.onGone = (why) => fail(`${name} lost its viewers: ${why.message}`);
  try {
    await pause(order.warmup * 1_000 + running.warmUpMs, signal);
    await load.begin();
    const cpuBefore = readCpuSeconds(pid);
    await pause(order.seconds * 1_000, signal);
    const cpu = readCpuSeconds(pid) - cpuBefore;
    const figures = await load.end();
    checkFigures(name, figures, order.peerCase);
    return readFigures(name, order, figures, cpu);
  } finally {
    await load.stop();
  }
}

function startLoad({ address }: RunningContender, { peerCase, viewers }: TurnOrder): Promise<Load> {
  const { path, ...server } = address;
  return Load.start({
    ...server,
    paths: [path],
    connections: viewers,
    threads: 1,
    senders: 0,
    sending: { kind: 'none' },
    comments: [],
    deaf: 0,
    churn: 0,
    // Decoding would delay the viewers after it, which the spread would show.
    // The same load for all: following seq and prev at every viewer costs a quarter more, and not the load alone.
    counted: true,
    sampleEvery: peerCase.measure === 'spread' ? viewers : SAMPLE_EVERY,
  });
}

function readFigures(
  name: string,
  { peerCase, viewers }: TurnOrder,
  { frames, bytes, seconds, spread, cpu, lost }: LoadFigures,
  serverCpu: number,
): TurnFigures {
  if (!(serverCpu > 0)) throw new BenchError(`the CPU of ${name} is too little to be measured: take more --seconds`);
  return {
    bytesPerFrame: bytes / frames,
    framesPerSecond: frames / seconds,
    delivered: frames / ((viewers * seconds * 1_000) / peerCase.every),
    cpu: (serverCpu * 1e6) / frames,
    spread: peerCase.measure === 'spread' ? spread.getValueAtPercentile(50) / 1_000 : null,
    loadCpu: cpu,
    lost,
  };
}

/** Waits, unless `signal` is aborted meanwhile: then its reason is thrown. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

/** What `work` gives, or the reason of `signal`; what comes after that is handed to `discard`. */
function orAborted<T>(work: Promise<T>, signal: AbortSignal, discard: (late: T) => unknown): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      reject(signal.reason);
      work.then(discard, () => {});
    };
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
