/** Many viewers, and perhaps senders, on threads of their own; this is the side of them that the bench holds. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { compiledFile } from '../../src/compiled-file.ts';
import { BenchError } from '../options.ts';
import { resolveTarget, type Target } from './connection.ts';
import { requireOpenFiles } from './open-files.ts';
import { type LoadPlan, Seats } from './plan.ts';
import { gatherResults, type LoadSecond } from './results.ts';
import { benchNow, type LoadReport, PHASE, PhaseBoard, type ThreadTotals } from './tally.ts';

export interface LoadTask {
  readonly thread: number;
  readonly plan: LoadPlan;
  readonly target: Target;
  readonly board: SharedArrayBuffer;
  readonly answerWithin: number;
}

/** `connect` opens every connection, `send` starts sending and churning, both at `at`, benchNow(). */
export interface ToLoadThread {
  readonly kind: 'connect' | 'send' | 'begin' | 'end' | 'stop';
  readonly at: number;
}

export type FromLoadThread =
  /** What was asked is done; the first is that the thread is ready. `cpu`: seconds that `connect` took. */
  | { readonly kind: 'answer'; readonly cpu?: number; readonly totals?: ThreadTotals | undefined }
  | { readonly kind: 'failed'; readonly why: string }
  | { readonly kind: 'report'; readonly report: LoadReport }
  | { readonly kind: 'stopped' };

type Answer = Extract<FromLoadThread, { kind: 'answer' }>;

/** Longest that a connection may take until it is up, in ms. */
const ANSWER_MS = 10_000;

/** Above this share of connections closed by the server, it is gone. */
const GONE = 0.5;

/** How often the connections that are up, and those that were closed, are looked at. */
const LOOK_MS = 50;

/** Senders begin so many ms after they are told to, all threads at the same moment. */
const LEAD_MS = 20;

const SETTLED_MS = 1_000;

/** A thread that does not answer a stop for so many ms is ended as it is. */
const STOP_MS = 5_000;

export interface LoadOptions {
  readonly answerWithin?: number;
  /** A frame that a viewer had so many ms before the end must have come to all by then; 1,000 when left out. */
  readonly settledAfter?: number;
}

/**
 *   startLoad ──▶ [startSending, for a warm-up] ──▶ begin ──▶ end ──▶ stop
 *                                                     ▲        │
 *                                                     └────────┘ measured again, figures anew
 */
export type Load = Awaited<ReturnType<typeof startLoad>>;

/**
 * Starts the threads, opens every connection, waits until all are up.
 * @param onProgress is told the connections that are up so far
 * @throws BenchError, with everything closed again, for too few open files and connections that do not come up
 */
export async function startLoad(plan: LoadPlan, onProgress?: (up: number) => void, options: LoadOptions = {}) {
  const { answerWithin = ANSWER_MS, settledAfter = SETTLED_MS } = options;
  const { connections, threads, url } = plan;
  requireOpenFiles(connections, 'the load generator');
  const target = await resolveTarget(url);
  const seats = new Seats(plan);
  const board = new PhaseBoard();
  const results = gatherResults(seats, threads, (second) => load.onSecond?.(second));
  const asking: ((answer: Answer) => void)[] = [];
  const stopping: (() => void)[] = [];
  let stopped: Promise<void> | undefined;
  let sending: Promise<unknown> | undefined;
  let connectCpu = 0;

  // Why nothing more can be heard of the threads; and why the server is not worth measuring any more.
  let fail: (error: Error) => void = () => undefined;
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => undefined);
  let isGone = false;
  let tellGone: (why: BenchError) => void = () => undefined;
  const gone = new Promise<BenchError>((resolve) => {
    tellGone = resolve;
  });

  function lose(why: BenchError): void {
    isGone = true;
    tellGone(why);
  }

  function hear(thread: number, message: FromLoadThread): void {
    if (message.kind === 'answer') {
      asking[thread]?.(message);
    } else if (message.kind === 'failed') {
      const { up } = board;
      fail(new BenchError(up === 0 ? message.why : `${message.why}; ${up} of ${connections} connections were up`));
    } else if (message.kind === 'report') {
      results.take(thread, message.report, benchNow());
    } else {
      stopping[thread]?.();
    }
  }

  function crash(thread: number, cause: Error): void {
    stopping[thread]?.();
    if (stopped !== undefined) return;
    const why = new BenchError(`a load thread has failed: ${cause.message}`, { cause });
    fail(why);
    lose(why);
  }

  const hasStopped: Promise<void>[] = [];
  const workers = Array.from({ length: threads }, (_, thread) => {
    hasStopped.push(
      new Promise((resolve) => {
        stopping[thread] = resolve;
      }),
    );
    const workerData: LoadTask = { thread, plan, target, board: board.memory, answerWithin };
    const worker = new Worker(compiledFile('bench/load/load-thread.js'), { workerData });
    worker.on('message', (message: FromLoadThread) => hear(thread, message));
    worker.on('error', (error: Error) => crash(thread, error));
    return worker;
  });

  /** The next answers of all threads. Rejects when one fails or the load is stopped. */
  function hearAnswers(): Promise<Answer[]> {
    const answers = workers.map((_, thread) => {
      return new Promise<Answer>((resolve) => {
        asking[thread] = resolve;
      });
    });
    return Promise.race([failed, Promise.all(answers)]);
  }

  function ask(kind: ToLoadThread['kind'], at = 0): Promise<Answer[]> {
    const answers = hearAnswers();
    for (const worker of workers) worker.postMessage({ kind, at } satisfies ToLoadThread);
    return answers;
  }

  const watching = setInterval(() => {
    onProgress?.(board.up);
    const why = `${url} is gone: it closed ${board.closed} of ${connections} connections`;
    if (board.closed > connections * GONE) lose(new BenchError(why));
  }, LOOK_MS);

  async function end() {
    if (board.phase !== PHASE.measuring) throw new Error('a load that has not begun cannot end');
    board.end(benchNow());
    const answers = await ask('end');
    const totals = answers.flatMap((answer) => answer.totals ?? []);
    const { beganAt, endedAt } = board;
    return { ...results.makeFigures(beganAt, endedAt, endedAt - settledAfter, totals), connectCpu };
  }

  async function endThreads(): Promise<void> {
    clearInterval(watching);
    fail(new Error('the load was stopped'));
    ask('stop').catch(() => undefined);
    await Promise.race([Promise.all(hasStopped), sleep(STOP_MS, undefined, { ref: false })]);
    await Promise.all(workers.map((worker) => worker.terminate()));
  }

  const load = {
    /** Called once a whole second between `begin` and `end` with what all connections received. */
    onSecond: undefined as ((second: LoadSecond) => void) | undefined,
    connectSeconds: 0,
    /** Resolves with the reason when most connections are closed by the server in mid-run. */
    gone,

    /** Sends and churns from now on; does nothing the second time. Throws BenchError when the server is gone. */
    async startSending(): Promise<void> {
      if (isGone) throw await gone;
      sending ??= ask('send', benchNow() + LEAD_MS);
      await sending;
    },

    /** Measures from now on, and sends. Throws BenchError when the server is gone. */
    async begin(): Promise<void> {
      if (board.phase === PHASE.measuring) throw new Error('a load that is measured cannot begin');
      await load.startSending();
      const at = benchNow();
      results.begin(at);
      board.begin(at);
      await ask('begin');
    },

    /** An outside feed tells when, benchNow(), the comment with volley's `seq.index` was due; `path` may have a query. */
    posted(path: string, id: string, at: number): void {
      const room = seats.roomOf(path);
      if (room !== undefined) results.addPosted(room, Number.parseInt(id, 10), at, benchNow());
    },

    /** Stops measuring; returns the figures, of a server that is gone too. Throws BenchError when a thread has failed. */
    end,

    /** Stops the senders, closes every connection, ends the threads. Idempotent. */
    stop(): Promise<void> {
      stopped ??= endThreads();
      return stopped;
    },
  };

  try {
    await hearAnswers();
    const from = benchNow();
    const answers = await ask('connect', from);
    onProgress?.(board.up);
    load.connectSeconds = (benchNow() - from) / 1_000;
    connectCpu = answers.reduce((sum, { cpu = 0 }) => sum + cpu, 0) / load.connectSeconds;
    return load;
  } catch (error) {
    await load.stop();
    throw error;
  }
}
