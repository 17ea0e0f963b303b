/** The entry of a load thread: its connections, and what it tells the coordinator. */
import { parentPort, workerData } from 'node:worker_threads';
import { type Codec, JSON_CODEC, SUBPROTOCOLS } from '../../src/frames/codec.ts';
import { threadCpuSeconds } from '../../src/thread-stats.ts';
import { Connection, type ConnectionKit, type Viewer } from './connection.ts';
import type { FromLoadThread, LoadTask, ToLoadThread } from './load.ts';
import { type Seat, Seats } from './plan.ts';
import { Room } from './room.ts';
import { CommentFrames, Pace, Sender, Sending } from './senders.ts';
import { addTo, benchNow, PHASE, PhaseBoard, Samples, Tally } from './tally.ts';
import { FrameChecks, OpaqueViewer, type VolleyKit, VolleyViewer } from './viewers.ts';

/** What one read may bring at most. */
const READ_BYTES = 65_536;
const SCRATCH_BYTES = 65_536;

const REPORT_MS = 250;
const PROGRESS_MS = 100;
/** Viewers that come back are late by this at most, and that is in the figures. */
const CHURN_MS = 5;
/** Closings are gathered for so long before they are told. */
const CLOSINGS_MS = 50;

/** Handshakes under way at once, where the plan does not say. */
const AT_ONCE = 200;
const SWEEP_MS = 250;

/** A seat whose connection is to be opened at `dueAt`, benchNow() ms. */
interface DueSeat {
  readonly seat: Seat;
  readonly dueAt: number;
}

const port = parentPort;
if (port === null) throw new Error('this file is a worker thread');
const post = (message: FromLoadThread): void => port.postMessage(message);

const { plan, thread, target, board: memory, answerWithin } = workerData as LoadTask;
const board = new PhaseBoard(memory);
const tally = new Tally(board);
const samples = new Samples();
const allSeats = new Seats(plan);
const seats = allSeats.ofThread(thread);
const steady = allSeats.countByRoom((seat) => seat.steady);
const sampled = allSeats.countByRoom((seat) => seat.sampled);
const rooms = allSeats.rooms.map((_, i) => new Room(i, steady[i] ?? 0, sampled[i] ?? 0));
const codec = Math.max(JSON_CODEC, (SUBPROTOCOLS as readonly string[]).indexOf(plan.subprotocol)) as Codec;
const checks = new FrameChecks(codec, tally);
const sending = new Sending(plan, thread, tally);
const comments = plan.senders > 0 ? new CommentFrames(plan.comments) : undefined;
const scratch = Buffer.allocUnsafe(Math.max(SCRATCH_BYTES, comments?.longest ?? 0));
const window = plan.sending.kind === 'flood' ? plan.sending.window : 0;
const volley: VolleyKit = { codec, tally, samples, checks, window };
const connections = new Map<number, Connection>();

let up = 0;
let closed = 0;
let isStarting = true;
/** CPU of this thread when it began to connect. */
let cpuBefore = 0;
let telling: NodeJS.Timeout | undefined;
let progress: NodeJS.Timeout | undefined;
const timers = [setInterval(report, REPORT_MS), setInterval(expire, Math.min(SWEEP_MS, answerWithin))];

/** Connections to open, the next at the end, where taking one off costs nothing; and those that are not up yet. */
let waiting: DueSeat[] = [];
const underWay = new Set<Connection>();

const kit: ConnectionKit = {
  ...{ plan, target, tally, buffer: Buffer.alloc(READ_BYTES), makeViewer },
  owner: {
    onUp: (connection) => {
      done(connection);
      if (connection.isTimed) samples.connect.push(tally.now - connection.dueAt);
      if (!isStarting) return;
      up += 1;
      checkUp();
    },
    onFailed: (connection, why) => {
      if (isStarting) {
        failStart(why);
        return;
      }
      tally.failedConnects += 1;
      done(connection);
    },
    onClosed: ({ seat }, code) => {
      if (isStarting) {
        failStart(`${target.url} closed a connection (code ${code}) while others were being set up`);
        return;
      }
      addTo(tally.closed, code, 1);
      if (seat.steady) samples.lostSteady.push(seat.room);
      closed += 1;
      telling ??= setTimeout(() => {
        telling = undefined;
        post({ kind: 'closed', count: closed });
      }, CLOSINGS_MS);
    },
  },
};

port.on('message', (message: ToLoadThread) => {
  if (message.kind === 'connect') {
    progress = setInterval(() => post({ kind: 'progress', up }), PROGRESS_MS);
    cpuBefore = threadCpuSeconds();
    open(seats.map((seat) => ({ seat, dueAt: message.at })));
    checkUp();
  } else if (message.kind === 'send') {
    sending.start(message.at);
    startChurn(message.at);
    post({ kind: 'sending' });
  } else if (message.kind === 'phase') {
    changePhase();
  } else {
    stop();
  }
});
post({ kind: 'ready' });

/** Opens connections for these seats, as soon as it is their turn. */
function open(due: readonly DueSeat[]): void {
  if (due.length > 0) waiting = [...due.toReversed(), ...waiting];
  while (underWay.size < (plan.atOnce ?? AT_ONCE)) {
    const next = waiting.pop();
    if (next === undefined) return;
    const connection = new Connection(next.seat, next.dueAt, kit);
    connections.set(next.seat.index, connection);
    underWay.add(connection);
  }
}

/** A connection is up, or has failed. */
function done(connection: Connection): void {
  underWay.delete(connection);
  open([]);
}

/** Gives up on connections that take too long. */
function expire(): void {
  const oldest = benchNow() - answerWithin;
  for (const connection of underWay) {
    if (connection.startedAt > oldest) return;
    connection.expire(answerWithin);
  }
}

/** One connection that does not come up is enough: the rest is not tried. */
function failStart(why: string): void {
  waiting = [];
  post({ kind: 'progress', up });
  post({ kind: 'failed', why });
}

function checkUp(): void {
  if (up < seats.length) return;
  isStarting = false;
  clearInterval(progress);
  post({ kind: 'progress', up });
  post({ kind: 'up', cpu: threadCpuSeconds() - cpuBefore });
}

function makeViewer(connection: Connection): Viewer {
  const { seat } = connection;
  const room = rooms[seat.room] as Room;
  const isCounted = plan.protocol === 'opaque' || (plan.counted === true && !seat.sampled);
  if (isCounted) return new OpaqueViewer(connection, room, plan, tally, samples);
  if (!seat.sends || comments === undefined) return new VolleyViewer(connection, room, null, volley);
  const sender = new Sender(connection, comments, scratch, seat.index);
  sending.add(sender);
  return new VolleyViewer(connection, room, sender, volley);
}

/** Has connections leave, at an even pace and in turn, every other one without a close frame. */
function startChurn(at: number): void {
  const churning = seats.filter(({ churns }) => churns);
  if (churning.length === 0) return;
  const rate = plan.churn * seats.length;
  const pace = new Pace(rate, at + (thread / plan.threads / rate) * 1_000);
  let next = 0;
  let left = 0;
  const leave = (dueAt: number): DueSeat[] => {
    const seat = churning[next % churning.length] as Seat;
    next += 1;
    const connection = connections.get(seat.index);
    // A connection that is on its way already is passed over; one that failed before is tried again.
    if (connection !== undefined && !connection.isUp && !connection.isClosed) return [];
    if (connection?.isUp) {
      left += 1;
      connection.leave(left % 2 === 0 ? 'cut' : 'close');
    }
    return [{ seat, dueAt }];
  };
  const turn = (): void => {
    tally.look();
    open(pace.due(tally.now).flatMap(leave));
  };
  timers.push(setInterval(turn, CHURN_MS));
}

function changePhase(): void {
  tally.look();
  if (board.phase === PHASE.measuring) {
    post({ kind: 'began' });
    return;
  }
  checks.finish();
  for (const { seat, isUnheard } of connections.values()) {
    if (seat.steady && isUnheard) samples.unheard.push(seat.room);
  }
  report();
  const { totals } = tally;
  if (totals !== undefined) post({ kind: 'ended', totals });
}

function report(): void {
  tally.look();
  post({ kind: 'report', report: samples.take(tally) });
}

function stop(): void {
  for (const timer of [...timers, progress]) clearInterval(timer);
  clearTimeout(telling);
  sending.stop();
  waiting = [];
  for (const connection of connections.values()) connection.leave('cut');
  tally.stop();
  post({ kind: 'stopped' });
}
