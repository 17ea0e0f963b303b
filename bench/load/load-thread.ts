/** The entry of a load thread: its connections, and what it tells the coordinator. */
import { parentPort, workerData } from 'node:worker_threads';
import { type Codec, JSON_CODEC, SUBPROTOCOLS } from '../../src/frames/codec.ts';
import { threadCpuSeconds } from '../../src/thread-stats.ts';
import { Connection, type ConnectionKit, type Viewer } from './connection.ts';
import type { FromLoadThread, LoadTask, ToLoadThread } from './load.ts';
import { type Seat, Seats } from './plan.ts';
import { Room } from './room.ts';
import { CommentFrames, makePace, Sender, startSending } from './senders.ts';
import { addTo, benchNow, PhaseBoard, Tally } from './tally.ts';
import { makeOpaqueViewer, VolleyViewer } from './viewers.ts';

const READ_BYTES = 65_536;
const SCRATCH_BYTES = 65_536;

const REPORT_MS = 250;
/** Viewers that come back are late by this at most, and that is in the figures. */
const CHURN_MS = 5;

/** Handshakes under way at once, where the plan does not say. */
const AT_ONCE = 200;
const SWEEP_MS = 250;

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
const allSeats = new Seats(plan);
const seats = allSeats.all.filter(({ index }) => index % plan.threads === thread);
const steady = allSeats.countByRoom((seat) => seat.steady);
const sampled = allSeats.countByRoom((seat) => seat.sampled);
const rooms = allSeats.rooms.map((_, i) => new Room(i, steady[i] ?? 0, sampled[i] ?? 0));
const codec = Math.max(JSON_CODEC, (SUBPROTOCOLS as readonly string[]).indexOf(plan.subprotocol)) as Codec;
const comments = plan.senders > 0 ? new CommentFrames(plan.comments) : undefined;
const scratch = Buffer.allocUnsafe(Math.max(SCRATCH_BYTES, comments?.longest ?? 0));
const senders: Sender[] = [];
const connections = new Map<number, Connection>();
const timers = [setInterval(report, REPORT_MS), setInterval(expire, Math.min(SWEEP_MS, answerWithin))];

let up = 0;
let isStarting = true;
let cpuBefore = 0;

/** Connections to open, the next at the end, where taking one off costs nothing; and those that are not up yet. */
let waiting: DueSeat[] = [];
const underWay = new Set<Connection>();

const kit: ConnectionKit = {
  ...{ plan, target, tally, buffer: Buffer.alloc(READ_BYTES), makeViewer },
  onUp: (connection) => {
    done(connection);
    if (connection.isTimed) tally.samples.connect.push(tally.now - connection.dueAt);
    if (isStarting) countUp(1);
  },
  onFailed: (connection, why) => {
    if (isStarting) failStart(why);
    else tally.counts.failedConnects += 1;
    done(connection);
  },
  onClosed: ({ seat }, code) => {
    if (isStarting) failStart(`${target.url} closed a connection (code ${code}) while others were being set up`);
    addTo(tally.closed, code, 1);
    if (seat.steady) tally.samples.lostSteady.push(seat.room);
    board.add('closed', 1);
  },
};

const ASKED: Record<ToLoadThread['kind'], (at: number) => void> = {
  connect: (at) => {
    cpuBefore = threadCpuSeconds();
    open(seats.map((seat) => ({ seat, dueAt: at })));
    countUp(0);
  },
  send: (at) => {
    timers.push(...[startSending(plan, thread, senders, tally, at)].flatMap((timer) => timer ?? []));
    startChurn(at);
    post({ kind: 'answer' });
  },
  begin: () => {
    tally.look();
    post({ kind: 'answer' });
  },
  end: () => {
    tally.look();
    for (const { seat, isUnheard } of connections.values()) {
      if (seat.steady && isUnheard) tally.samples.unheard.push(seat.room);
    }
    report();
    post({ kind: 'answer', totals: tally.totals });
  },
  stop: () => {
    for (const timer of timers) clearInterval(timer);
    waiting = [];
    for (const connection of connections.values()) connection.leave('cut');
    tally.stop();
    post({ kind: 'stopped' });
  },
};
port.on('message', ({ kind, at }: ToLoadThread) => ASKED[kind](at));
post({ kind: 'answer' });

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

function done(connection: Connection): void {
  underWay.delete(connection);
  open([]);
}

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
  post({ kind: 'failed', why });
}

function countUp(more: number): void {
  up += more;
  board.add('up', more);
  if (up < seats.length) return;
  isStarting = false;
  post({ kind: 'answer', cpu: threadCpuSeconds() - cpuBefore });
}

function makeViewer(connection: Connection): Viewer {
  const { seat } = connection;
  const room = rooms[seat.room] as Room;
  const isCounted = plan.protocol === 'opaque' || (plan.counted === true && !seat.sampled);
  if (isCounted) return makeOpaqueViewer(connection, room, plan, tally);
  const sends = seat.sends && comments !== undefined;
  const sender = sends ? new Sender(connection, comments, scratch, seat.index) : null;
  if (sender !== null) senders.push(sender);
  return new VolleyViewer(connection, room, sender, codec, plan, tally);
}

/** Has connections leave, at an even pace and in turn, every other one without a close frame. */
function startChurn(at: number): void {
  const churning = seats.filter(({ churns }) => churns);
  if (churning.length === 0) return;
  const rate = plan.churn * seats.length;
  const pace = makePace(rate, at + (thread / plan.threads / rate) * 1_000);
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
    open(pace(tally.now).flatMap(leave));
  };
  timers.push(setInterval(turn, CHURN_MS));
}

function report(): void {
  tally.look();
  post({ kind: 'report', report: tally.takeReport() });
}
