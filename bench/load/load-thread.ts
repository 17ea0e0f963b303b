/** The entry of a load thread: its connections, and what it tells the coordinator. */
import { parentPort, workerData } from 'node:worker_threads';
import { type Codec, JSON_CODEC, SUBPROTOCOLS } from '../../src/frames/codec.ts';
import { threadCpuSeconds } from '../../src/metrics/thread-stats.ts';
import { Connection, type ConnectionKit, type ConnectionOwner, type Viewer } from './connection.ts';
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

class LoadCrew implements ConnectionOwner {
  readonly #task: LoadTask;
  readonly #post: (message: FromLoadThread) => void;
  readonly #board: PhaseBoard;
  readonly #tally: Tally;
  readonly #samples = new Samples();
  readonly #checks: FrameChecks;
  readonly #seats: readonly Seat[];
  readonly #rooms: readonly Room[];
  readonly #connections = new Map<number, Connection>();
  readonly #connector: Connector;
  readonly #sending: Sending;
  readonly #volley: VolleyKit;
  readonly #comments: CommentFrames | undefined;
  readonly #scratch: Buffer;
  readonly #timers: NodeJS.Timeout[] = [];
  #progress: NodeJS.Timeout | undefined;
  #telling: NodeJS.Timeout | undefined;
  #up = 0;
  #closed = 0;
  #isStarting = true;
  /** CPU of this thread when it began to connect. */
  #cpuBefore = 0;

  /** @param post tells the coordinator */
  constructor(task: LoadTask, post: (message: FromLoadThread) => void) {
    const { plan, thread, target } = task;
    this.#task = task;
    this.#post = post;
    this.#board = new PhaseBoard(task.board);
    const tally = new Tally(this.#board);
    this.#tally = tally;
    const seats = new Seats(plan);
    this.#seats = seats.ofThread(thread);
    const steady = seats.countByRoom((seat) => seat.steady);
    const sampled = seats.countByRoom((seat) => seat.sampled);
    this.#rooms = seats.rooms.map((_, i) => new Room(i, steady[i] ?? 0, sampled[i] ?? 0));
    const codec = Math.max(JSON_CODEC, (SUBPROTOCOLS as readonly string[]).indexOf(plan.subprotocol)) as Codec;
    this.#checks = new FrameChecks(codec, tally);
    this.#sending = new Sending(plan, thread, tally);
    this.#comments = plan.senders > 0 ? new CommentFrames(plan.comments) : undefined;
    this.#scratch = Buffer.allocUnsafe(Math.max(SCRATCH_BYTES, this.#comments?.longest ?? 0));
    const window = plan.sending.kind === 'flood' ? plan.sending.window : 0;
    this.#volley = { codec, tally, samples: this.#samples, checks: this.#checks, window };
    const makeViewer = (connection: Connection): Viewer => this.#makeViewer(connection);
    const kit: ConnectionKit = { plan, target, tally, buffer: Buffer.alloc(READ_BYTES), owner: this, makeViewer };
    const open = ({ seat, dueAt }: DueSeat): Connection => {
      const connection = new Connection(seat, dueAt, kit);
      this.#connections.set(seat.index, connection);
      return connection;
    };
    this.#connector = new Connector(open, task.answerWithin, plan.atOnce);
    this.#timers.push(setInterval(() => this.#report(), REPORT_MS));
    post({ kind: 'ready' });
  }

  take(message: ToLoadThread): void {
    switch (message.kind) {
      case 'connect':
        this.#progress = setInterval(() => this.#post({ kind: 'progress', up: this.#up }), PROGRESS_MS);
        this.#cpuBefore = threadCpuSeconds();
        this.#connector.add(this.#seats.map((seat) => ({ seat, dueAt: message.at })));
        this.#checkUp();
        break;
      case 'send':
        this.#sending.start(message.at);
        this.#startChurn(message.at);
        this.#post({ kind: 'sending' });
        break;
      case 'phase':
        this.#changePhase();
        break;
      case 'stop':
        this.#stop();
        break;
    }
  }

  onUp(connection: Connection): void {
    this.#connector.done(connection);
    if (connection.isTimed) this.#samples.connect.push(this.#tally.now - connection.dueAt);
    if (!this.#isStarting) return;
    this.#up += 1;
    this.#checkUp();
  }

  onFailed(connection: Connection, why: string): void {
    if (this.#isStarting) {
      this.#failStart(why);
      return;
    }
    this.#tally.failedConnects += 1;
    this.#connector.done(connection);
  }

  onClosed({ seat }: Connection, code: number): void {
    if (this.#isStarting) {
      this.#failStart(`${this.#task.target.url} closed a connection (code ${code}) while others were being set up`);
      return;
    }
    addTo(this.#tally.closed, code, 1);
    if (seat.steady) this.#samples.lostSteady.push(seat.room);
    this.#closed += 1;
    this.#telling ??= setTimeout(() => {
      this.#telling = undefined;
      this.#post({ kind: 'closed', count: this.#closed });
    }, CLOSINGS_MS);
  }

  /** One connection that does not come up is enough: the rest is not tried. */
  #failStart(why: string): void {
    this.#connector.stop();
    this.#post({ kind: 'progress', up: this.#up });
    this.#post({ kind: 'failed', why });
  }

  #checkUp(): void {
    if (this.#up < this.#seats.length) return;
    this.#isStarting = false;
    clearInterval(this.#progress);
    this.#post({ kind: 'progress', up: this.#up });
    this.#post({ kind: 'up', cpu: threadCpuSeconds() - this.#cpuBefore });
  }

  #makeViewer(connection: Connection): Viewer {
    const { plan } = this.#task;
    const { seat } = connection;
    const room = this.#rooms[seat.room] as Room;
    const isCounted = plan.protocol === 'opaque' || (plan.counted === true && !seat.sampled);
    if (isCounted) return new OpaqueViewer(connection, room, plan, this.#tally, this.#samples);
    if (!seat.sends || this.#comments === undefined) return new VolleyViewer(connection, room, null, this.#volley);
    const sender = new Sender(connection, this.#comments, this.#scratch, seat.index);
    this.#sending.add(sender);
    return new VolleyViewer(connection, room, sender, this.#volley);
  }

  /** Has connections leave, at an even pace and in turn, every other one without a close frame. */
  #startChurn(at: number): void {
    const { plan, thread } = this.#task;
    const seats = this.#seats.filter(({ churns }) => churns);
    if (seats.length === 0) return;
    const rate = plan.churn * this.#seats.length;
    const pace = new Pace(rate, at + (thread / plan.threads / rate) * 1_000);
    let next = 0;
    let left = 0;
    const leave = (dueAt: number): DueSeat[] => {
      const seat = seats[next % seats.length] as Seat;
      next += 1;
      const connection = this.#connections.get(seat.index);
      // A connection that is on its way already is passed over; one that failed before is tried again.
      if (connection !== undefined && !connection.isUp && !connection.isClosed) return [];
      if (connection?.isUp) {
        left += 1;
        connection.leave(left % 2 === 0 ? 'cut' : 'close');
      }
      return [{ seat, dueAt }];
    };
    const turn = (): void => {
      this.#tally.look();
      this.#connector.add(pace.due(this.#tally.now).flatMap(leave));
    };
    this.#timers.push(setInterval(turn, CHURN_MS));
  }

  #changePhase(): void {
    this.#tally.look();
    if (this.#board.phase === PHASE.measuring) {
      this.#post({ kind: 'began' });
      return;
    }
    this.#checks.finish();
    for (const { seat, isUnheard } of this.#connections.values()) {
      if (seat.steady && isUnheard) this.#samples.unheard.push(seat.room);
    }
    this.#report();
    const { totals } = this.#tally;
    if (totals !== undefined) this.#post({ kind: 'ended', totals });
  }

  #report(): void {
    this.#tally.look();
    this.#post({ kind: 'report', report: this.#samples.take(this.#tally) });
  }

  #stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
    clearInterval(this.#progress);
    clearTimeout(this.#telling);
    this.#sending.stop();
    this.#connector.stop();
    for (const connection of this.#connections.values()) connection.leave('cut');
    this.#tally.stop();
    this.#post({ kind: 'stopped' });
  }
}

/** Handshakes under way at once, per thread, where the plan does not say. */
const AT_ONCE = 200;
const SWEEP_MS = 250;

/** A seat whose connection is to be opened at `dueAt`, benchNow() ms. */
interface DueSeat {
  readonly seat: Seat;
  readonly dueAt: number;
}

/** Opens connections, not too many at once, and gives up on those that take longer than `answerWithin` ms. */
class Connector {
  readonly #open: (due: DueSeat) => Connection;
  readonly #answerWithin: number;
  readonly #atOnce: number;
  #waiting: DueSeat[] = [];
  readonly #underWay = new Set<Connection>();
  readonly #sweep: NodeJS.Timeout;

  constructor(open: (due: DueSeat) => Connection, answerWithin: number, atOnce = AT_ONCE) {
    this.#open = open;
    this.#answerWithin = answerWithin;
    this.#atOnce = atOnce;
    this.#sweep = setInterval(() => this.#expire(), Math.min(SWEEP_MS, answerWithin));
  }

  /** Opens connections for these seats, as soon as it is their turn. */
  add(seats: readonly DueSeat[]): void {
    if (seats.length === 0) return;
    // Reversed, because only the end of an array can be taken off at no cost.
    this.#waiting = [...seats.toReversed(), ...this.#waiting];
    this.#fill();
  }

  /** A connection is up, or has failed. */
  done(connection: Connection): void {
    this.#underWay.delete(connection);
    this.#fill();
  }

  stop(): void {
    clearInterval(this.#sweep);
    this.#waiting = [];
  }

  #fill(): void {
    while (this.#underWay.size < this.#atOnce) {
      const due = this.#waiting.pop();
      if (due === undefined) return;
      this.#underWay.add(this.#open(due));
    }
  }

  #expire(): void {
    const oldest = benchNow() - this.#answerWithin;
    for (const connection of this.#underWay) {
      if (connection.startedAt > oldest) return;
      connection.expire(this.#answerWithin);
    }
  }
}

const port = parentPort;
if (port === null) throw new Error('this file is a worker thread');
const crew = new LoadCrew(workerData as LoadTask, (message) => port.postMessage(message));
port.on('message', (message: ToLoadThread) => crew.take(message));
