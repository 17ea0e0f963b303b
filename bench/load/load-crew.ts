import { type Codec, JSON_CODEC, SUBPROTOCOLS } from '../../src/frames/codec.ts';
import { threadCpuSeconds } from '../../src/metrics/thread-stats.ts';
import { AckReader } from './answers.ts';
import { Churn } from './churn.ts';
import { CommentFrames } from './comment-frames.ts';
import { Connection, type ConnectionKit, type ConnectionOwner, type Viewer } from './connection.ts';
import { Connector } from './connector.ts';
import { FrameChecks } from './frame-checks.ts';
import { type FromLoadThread, type LoadTask, PHASE, PhaseBoard, type ToLoadThread } from './load-messages.ts';
import { OpaqueViewer } from './opaque-viewer.ts';
import { Room } from './room.ts';
import { Samples } from './samples.ts';
import { type Seat, Seats } from './seats.ts';
import { Sender } from './sender.ts';
import { Sending } from './sending.ts';
import { Tally } from './tally.ts';
import { type VolleyKit, VolleyViewer } from './volley-viewer.ts';

/** What one read may bring at most. */
const READ_BYTES = 65_536;
const SCRATCH_BYTES = 65_536;

const REPORT_MS = 250;
const PROGRESS_MS = 100;
/** Whoever comes back is late by this at most, and that is in the figures. */
const CHURN_MS = 5;
/** Closings are gathered for so long before they are told. */
const CLOSINGS_MS = 50;

/** Everything that one load thread does: its connections, and what it tells the coordinator. */
export class LoadCrew implements ConnectionOwner {
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
    const { plan, thread } = task;
    this.#task = task;
    this.#post = post;
    this.#board = new PhaseBoard(task.board);
    this.#tally = new Tally(this.#board);
    const seats = new Seats(plan);
    this.#seats = seats.ofThread(thread);
    const steady = seats.countByRoom((seat) => seat.steady);
    const sampled = seats.countByRoom((seat) => seat.sampled);
    this.#rooms = seats.rooms.map((_, i) => new Room(i, steady[i] ?? 0, sampled[i] ?? 0));
    const codec = Math.max(
      JSON_CODEC,
      SUBPROTOCOLS.indexOf(plan.subprotocol as (typeof SUBPROTOCOLS)[number]),
    ) as Codec;
    this.#checks = new FrameChecks(codec, this.#tally);
    this.#sending = new Sending(plan, thread, this.#tally);
    this.#comments = plan.senders > 0 ? new CommentFrames(plan.comments) : undefined;
    this.#scratch = Buffer.allocUnsafe(Math.max(SCRATCH_BYTES, this.#comments?.longest ?? 0));
    const window = plan.sending.kind === 'flood' ? plan.sending.window : 0;
    const [tally, samples, checks, acks] = [this.#tally, this.#samples, this.#checks, new AckReader()];
    this.#volley = { codec, tally, samples, checks, acks, window };
    const buffer = Buffer.alloc(READ_BYTES);
    const makeViewer = (connection: Connection): Viewer => this.#makeViewer(connection);
    const kit: ConnectionKit = { plan, target: task.target, tally, buffer, owner: this, makeViewer };
    this.#connector = new Connector(
      ({ seat, dueAt }) => {
        const connection = new Connection(seat, dueAt, kit);
        this.#connections.set(seat.index, connection);
        return connection;
      },
      task.answerWithin,
      plan.atOnce,
    );
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
      const { url } = this.#task.target;
      this.#failStart(`${url} closed a connection (code ${code}) while others were being set up`);
      return;
    }
    this.#tally.countClosed(code);
    if (seat.steady) {
      this.#samples.lostSteady.push(seat.room);
      this.#rooms[seat.room]?.pushes.lose();
    }
    this.#closed += 1;
    this.#telling ??= setTimeout(() => {
      this.#telling = undefined;
      this.#post({ kind: 'closed', count: this.#closed });
    }, CLOSINGS_MS);
  }

  /** One that does not come up is enough: the rest is not tried. */
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

  #startChurn(at: number): void {
    const { plan, thread } = this.#task;
    const seats = this.#seats.filter(({ churns }) => churns);
    if (seats.length === 0) return;
    const rate = plan.churn * this.#seats.length;
    const churn = new Churn(seats, this.#connections, rate, at + (thread / plan.threads / rate) * 1_000);
    this.#timers.push(
      setInterval(() => {
        this.#tally.look();
        this.#connector.add(churn.turn(this.#tally.now));
      }, CHURN_MS),
    );
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
