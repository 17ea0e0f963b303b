/**
 * A shard: one worker thread with its own uWebSockets.js App on the viewers' port, which it shares with the other
 * shards through SO_REUSEPORT.
 *
 *   uws.ts           uWebSockets.js, from the package that loads here
 *   listener.ts      the port, as long as there are files for more connections
 *   upgrade.ts       handshake → viewer, or a refusal
 *   viewer.ts        one connection, and the list of all
 *   outbox.ts        joins, leaves and comments of a turn → one message to main
 *   inbox.ts         what viewers send, in portions that a turn can bear
 *   traffic.ts       what one viewer has sent lately
 *   senders.ts       comments → outbox, and what their senders hear of them
 *   catch-up.ts      backfill, until a viewer is live
 *   slow-viewers.ts  backpressure: skipped, then closed
 *   shard.ts         puts them together; frames from the ring → app.publish
 *
 * The push path, per frame and shard: one wake-up, two views, one `publish`. Nothing here runs per viewer.
 */
import { CLOSE, VolleyError } from '../src/codes.ts';
import { ShardCounters } from '../src/counters.ts';
import { BINARY, RingReader } from '../src/frames/frame-ring.ts';
import type { ShardTask, ToShard } from '../src/shards/messages.ts';
import { DELAY_RESOLUTION_MS, LoopDelayMeter, threadCpuSeconds, threadId } from '../src/thread-stats.ts';
import { CatchUp } from './catch-up.ts';
import { Inbox } from './inbox.ts';
import { Listener } from './listener.ts';
import { Outbox } from './outbox.ts';
import { Senders } from './senders.ts';
import { SlowViewers } from './slow-viewers.ts';
import { answerProblem, CORS, endWithoutBody, ROOMS_PATH, readHandshake } from './upgrade.ts';
import { App, library, type TemplatedApp } from './uws.ts';
import { type Viewer, type ViewerData, ViewerList, type ViewerSocket } from './viewer.ts';

/** A larger message is not read at all: uWebSockets.js closes the link. */
const MOST_PAYLOAD = 65_536;

/** Time for close frames to reach clients before their sockets are gone, in ms. */
const LINGER_MS = 200;

/** What RFC 9110 asks for beside 426. */
const WEBSOCKET = { Upgrade: 'websocket', 'Sec-WebSocket-Version': '13' };

/** Beats a second: the delay is sampled and the sign of life given at each, the rest once a second. One timer for all. */
const BEATS = 1_000 / DELAY_RESOLUTION_MS;

/**
 * Runs a shard until main asks it to close; then its App is closed and the promise resolves.
 * Rejects with what went wrong, its App closed and its viewers sent away, when anything in this thread throws.
 *
 * @param makeApp makes the App; a test hands in one that misbehaves
 */
export default function runShard(task: ShardTask, makeApp: () => TemplatedApp = () => App()): Promise<void> {
  return new Shard(task, makeApp()).ended;
}

class Shard {
  readonly ended: Promise<void>;
  readonly #task: ShardTask;
  readonly #app: TemplatedApp;
  readonly #ring: RingReader;
  readonly #counters: ShardCounters;
  readonly #listener: Listener;
  readonly #outbox: Outbox;
  readonly #senders: Senders;
  readonly #inbox: Inbox;
  readonly #catchUp: CatchUp;
  readonly #slow: SlowViewers;
  readonly #viewers = new ViewerList();
  readonly #delay = new LoopDelayMeter(() => this.#beat());
  readonly #onFault = (error: unknown): void => this.#fail(error);
  #beats = 0;
  /** A frame was published in this second that alone puts a viewer over the limit. */
  #sentLarge = false;
  #closing = false;
  #over = false;
  #finish: (error?: unknown) => void = () => undefined;

  constructor(task: ShardTask, app: TemplatedApp) {
    this.#task = task;
    this.#app = app;
    this.#ring = new RingReader(task.ring, task.shard);
    this.#counters = new ShardCounters(task.counters, task.shard);
    this.#counters.set('viewers', 0);
    this.#counters.set('thread', threadId());
    this.#listener = new Listener(app, task);
    this.#outbox = new Outbox(task.port);
    this.#senders = new Senders(task.limits, this.#outbox, this.#counters);
    this.#inbox = new Inbox(this.#senders, this.#counters);
    this.#slow = new SlowViewers(task.limits, this.#counters);
    this.#catchUp = new CatchUp(task.limits, this.#outbox, this.#slow, this.#counters);
    this.ended = new Promise((resolve, reject) => {
      this.#finish = (error) => (error === undefined ? resolve() : reject(error));
    });
    process.on('uncaughtException', this.#onFault);
    task.port.on('message', (message: ToShard) => this.#take(message));
    this.#serve();
  }

  #serve(): void {
    const { maxBackpressure, idleTimeout, host, port } = this.#task.limits;
    this.#app.ws<ViewerData>(`${ROOMS_PATH}*`, {
      maxPayloadLength: MOST_PAYLOAD,
      maxBackpressure,
      idleTimeout,
      sendPingsAutomatically: true,
      upgrade: (res, req, context) => {
        this.#counters.add('work', 1);
        const accepted = readHandshake(req);
        if (typeof accepted === 'string') {
          this.#counters.add(accepted, 1);
          answerProblem(res, accepted, accepted === 'UPGRADE_REQUIRED' ? WEBSOCKET : {});
          return;
        }
        const { viewer, subprotocol } = accepted;
        const key = req.getHeader('sec-websocket-key');
        res.upgrade({ viewer }, key, subprotocol, req.getHeader('sec-websocket-extensions'), context);
      },
      open: (socket) => this.#open(socket as ViewerSocket),
      message: (socket, bytes, isBinary) => this.#inbox.receive(socket.getUserData().viewer, bytes, isBinary),
      ping: (socket) => this.#inbox.control(socket.getUserData().viewer),
      pong: (socket, payload) => {
        const { viewer } = socket.getUserData();
        if (!this.#catchUp.ponged(viewer, payload)) this.#inbox.control(viewer);
      },
      dropped: (socket) => this.#slow.dropped(socket.getUserData().viewer),
      drain: (socket) => this.#drained(socket.getUserData().viewer),
      close: (socket, code) => this.#closed(socket.getUserData().viewer, code),
    });
    // One request a connection: many at once would all be answered in one turn of the loop.
    this.#app.get('/healthz', (res) => void res.writeHeader(...CORS).end('ok', true));
    this.#app.head('/healthz', (res) => endWithoutBody(res, 'ok'.length));
    this.#app.any('/healthz', (res) => {
      this.#counters.add('work', 1);
      answerProblem(res, 'METHOD_NOT_ALLOWED', { Allow: 'GET, HEAD' });
    });
    this.#app.any('/*', (res, req) => {
      this.#counters.add('work', 1);
      const refused = req.getUrl().startsWith(ROOMS_PATH) ? readHandshake(req) : 'NOT_FOUND';
      const code = typeof refused === 'string' ? refused : 'UPGRADE_REQUIRED';
      answerProblem(res, code, code === 'UPGRADE_REQUIRED' ? WEBSOCKET : {}, req.getMethod());
    });
    this.#listener.start((listens) => {
      if (!listens) {
        this.#fail(new VolleyError('SHARD_LISTEN', `cannot listen on ${host}:${port}`));
        return;
      }
      // Started: from here on StallWatch gives it no more time than any other.
      this.#counters.add('alive', 1);
      this.#outbox.post({ kind: 'listening', library });
    });
  }

  #open(socket: ViewerSocket): void {
    const { viewer } = socket.getUserData();
    viewer.open(socket);
    if (this.#closing) {
      viewer.close(CLOSE.RESTART, 'restarting');
      return;
    }
    this.#viewers.add(viewer);
    this.#counters.add('viewers', 1);
    this.#counters.add('joined', 1);
    this.#catchUp.join(viewer);
  }

  #closed(viewer: Viewer, code: number): void {
    this.#listener.left();
    // A viewer may close with that code of its own accord.
    if (viewer.closed && code === CLOSE.FLOOD) this.#counters.add('floodClosed', 1);
    viewer.gone();
    if (!this.#viewers.delete(viewer)) return;
    this.#counters.add('work', 1);
    this.#slow.gone(viewer);
    this.#catchUp.gone(viewer);
    this.#counters.add('viewers', -1);
    if (viewer.counted) this.#outbox.leave(viewer.room, viewer.codec);
  }

  #drained(viewer: Viewer): void {
    this.#counters.add('work', 1);
    this.#slow.drained(viewer);
    this.#catchUp.drained(viewer);
  }

  #take(message: ToShard): void {
    if (typeof message === 'number') {
      this.#ring.read(message, this.#publish);
      this.#counters.add('work', 1);
      return;
    }
    switch (message.kind) {
      case 'answers':
        for (const answer of message.answers) this.#catchUp.answer(answer);
        break;
      case 'receipts':
        this.#counters.add('work', 1);
        this.#senders.deliver(message);
        break;
      case 'quiesce':
        this.#quiesce();
        break;
      case 'close':
        this.#close();
        break;
    }
  }

  /** One frame to all who subscribe to its topic. Made once, so that a frame costs no closure. */
  readonly #publish = (topic: Uint8Array, frame: Uint8Array, flags: number): void => {
    const subscribers = this.#app.numSubscribers(topic);
    this.#app.publish(topic, frame, (flags & BINARY) !== 0);
    this.#counters.add('published', 1);
    this.#counters.add('deliveries', subscribers);
    this.#counters.add('deliveredBytes', subscribers * frame.length);
    if (frame.length > this.#task.limits.maxBackpressure) this.#sentLarge = true;
  };

  #quiesce(): void {
    this.#listener.stop();
    this.#inbox.flush();
    this.#senders.quiesce();
    this.#outbox.flush();
    this.#outbox.post({ kind: 'quiesced' });
  }

  #close(): void {
    this.#listener.stop();
    this.#sendAway();
    setTimeout(() => this.#end(), LINGER_MS);
  }

  /** Nothing of this thread can be trusted any more: sends the viewers to other shards and gives up. */
  #fail(error: unknown): void {
    this.#listener.stop();
    this.#sendAway();
    this.#end(error ?? new Error('thrown: undefined'));
  }

  /** Not before the port is left to the other shards: whoever comes back at once must not queue up here again. */
  #sendAway(): void {
    this.#closing = true;
    for (const viewer of this.#viewers.all()) viewer.close(CLOSE.RESTART, 'restarting');
  }

  /** Closes the App, without which this thread could not be ended, and whatever else keeps the loop alive. */
  #end(error?: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#app.close();
    this.#delay.stop();
    process.off('uncaughtException', this.#onFault);
    this.#task.port.close();
    this.#finish(error);
  }

  #beat(): void {
    this.#counters.add('alive', 1);
    this.#beats += 1;
    if (this.#beats % BEATS === 0) this.#everySecond();
  }

  #everySecond(): void {
    if (this.#sentLarge) this.#slow.look(this.#viewers.all());
    this.#sentLarge = false;
    this.#slow.sweep();
    this.#catchUp.sweep();
    this.#listener.look();
    const { mean, max } = this.#delay.take();
    this.#counters.set('cpu', threadCpuSeconds());
    this.#counters.set('delayMean', mean);
    this.#counters.set('delayMax', max);
  }
}
