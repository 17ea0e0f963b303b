/**
 * A shard: one worker thread with its own uWebSockets.js App on the viewers' port, which it shares with the other
 * shards through SO_REUSEPORT.
 *
 *   listener.ts      the port, as long as there are files for more connections
 *   upgrade.ts       handshake → viewer, or a refusal
 *   viewer.ts        one connection
 *   viewer-list.ts   all of them
 *   outbox.ts        joins, leaves and comments of a turn → one message to main
 *   senders.ts       what viewers send, and what they hear of it
 *   slow-viewers.ts  backpressure: skipped, then closed
 *   shard.ts         puts them together; frames from the ring → app.publish
 *
 * The push path, per frame and shard: one wake-up, two views, one `publish`. Nothing here runs per viewer.
 */

import { App, type TemplatedApp } from 'uWebSockets.js';
import { clearInterval, setInterval } from 'node:timers';
import { CLOSE, VolleyError } from '../src/codes.ts';
import { BINARY, RingReader } from '../src/frames/frame-ring.ts';
import { LoopDelayMeter, threadCpuSeconds } from '../src/metrics/thread-stats.ts';
import { ShardCounters } from '../src/shards/counters.ts';
import type { JoinAnswer, ShardTask, ToShard } from '../src/shards/messages.ts';
import { Listener } from './listener.ts';
import { Outbox } from './outbox.ts';
import { Senders } from './senders.ts';
import { SlowViewers } from './slow-viewers.ts';
import { answerProblem, ROOMS_PATH, readHandshake } from './upgrade.ts';
import type { Viewer, ViewerData, ViewerSocket } from './viewer.ts';
import { ViewerList } from './viewer-list.ts';

/** A larger message is not read at all: uWebSockets.js closes the link. */
const MOST_PAYLOAD = 65_536;

/** Time for close frames to reach clients before their sockets are gone, in ms. */
const LINGER_MS = 200;

/** Every wake-up of an idle thread costs it 150 µs, so no more of them than StallWatch needs. */
const ALIVE_MS = 200;
const SECOND_MS = 1_000;

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
  readonly #slow: SlowViewers;
  readonly #viewers = new ViewerList();
  readonly #delay = new LoopDelayMeter();
  readonly #timers: NodeJS.Timeout[];
  readonly #onFault = (error: unknown): void => this.#fail(error);
  #closing = false;
  #over = false;
  #finish: (error?: unknown) => void = () => undefined;

  constructor(task: ShardTask, app: TemplatedApp) {
    this.#task = task;
    this.#app = app;
    this.#ring = new RingReader(task.ring, task.shard, task.position);
    this.#counters = new ShardCounters(task.counters, task.shard);
    this.#counters.set('viewers', 0);
    this.#listener = new Listener(app, task);
    this.#outbox = new Outbox(task.port);
    this.#senders = new Senders(task.limits, this.#outbox, this.#counters);
    this.#slow = new SlowViewers(task.limits, this.#counters);
    this.ended = new Promise((resolve, reject) => {
      this.#finish = (error) => (error === undefined ? resolve() : reject(error));
    });
    process.on('uncaughtException', this.#onFault);
    this.#timers = [
      setInterval(() => this.#counters.add('alive', 1), ALIVE_MS),
      setInterval(() => this.#everySecond(), SECOND_MS),
    ];
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
        const accepted = readHandshake(req);
        if (typeof accepted === 'string') {
          this.#counters.add(accepted, 1);
          answerProblem(res, accepted);
          return;
        }
        const { viewer, subprotocol } = accepted;
        const key = req.getHeader('sec-websocket-key');
        res.upgrade({ viewer }, key, subprotocol, req.getHeader('sec-websocket-extensions'), context);
      },
      open: (socket) => this.#open(socket),
      message: (socket, bytes, isBinary) => this.#senders.receive(socket.getUserData().viewer, bytes, isBinary),
      dropped: (socket) => this.#slow.dropped(socket.getUserData().viewer),
      drain: (socket) => this.#drained(socket.getUserData().viewer),
      close: (socket) => this.#closed(socket.getUserData().viewer),
    });
    this.#app.get('/healthz', (res) => void res.end('ok'));
    this.#app.head('/healthz', (res) => void res.endWithoutBody());
    this.#app.any('/*', (res, req) => {
      answerProblem(res, req.getUrl().startsWith(ROOMS_PATH) ? 'UPGRADE_REQUIRED' : 'NOT_FOUND');
    });
    this.#listener.start((listens) => {
      if (!listens) {
        this.#fail(new VolleyError('SHARD_LISTEN', `cannot listen on ${host}:${port}`));
        return;
      }
      // Started: from here on StallWatch gives it no more time than any other.
      this.#counters.add('alive', 1);
      this.#outbox.post({ kind: 'listening' });
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
    this.#ask(viewer);
  }

  #closed(viewer: Viewer): void {
    this.#listener.left();
    viewer.gone();
    if (!this.#viewers.delete(viewer)) return;
    this.#slow.gone(viewer);
    this.#counters.add('viewers', -1);
    if (viewer.counted) this.#outbox.leave(viewer.room, viewer.codec);
  }

  #ask(viewer: Viewer): void {
    if (viewer.point !== undefined) this.#outbox.ask(viewer, viewer.point);
  }

  #drained(viewer: Viewer): void {
    this.#slow.drained(viewer);
    if (viewer.drained()) this.#ask(viewer);
  }

  #take(message: ToShard): void {
    if (typeof message === 'number') {
      this.#ring.read(message, this.#publish);
      return;
    }
    switch (message.kind) {
      case 'answers':
        for (const answer of message.answers) this.#answer(answer);
        break;
      case 'receipts':
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
  };

  #answer(answer: JoinAnswer): void {
    const { welcome, frame, recall, reached, live } = answer;
    for (const viewer of this.#outbox.answered(answer.id)) {
      viewer.cork(() => {
        if (welcome !== null) viewer.welcome(welcome);
        if (frame !== null) viewer.sendFrame(frame);
        if (recall !== null) viewer.sendText(recall);
        if (live) viewer.subscribe();
      });
      if (live || viewer.closed) continue;
      viewer.point = { kind: 'next', seq: reached };
      // A step that went straight out drains nothing, so no event would come for it.
      if (viewer.buffered === 0) this.#ask(viewer);
      else viewer.drain();
    }
  }

  #quiesce(): void {
    this.#listener.stop();
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
    for (const timer of this.#timers) clearInterval(timer);
    this.#delay.stop();
    process.off('uncaughtException', this.#onFault);
    this.#task.port.close();
    this.#finish(error);
  }

  #everySecond(): void {
    this.#slow.sweep();
    this.#listener.look();
    const { mean, max } = this.#delay.take();
    this.#counters.set('cpu', threadCpuSeconds());
    this.#counters.set('delayMean', mean);
    this.#counters.set('delayMax', max);
  }
}
