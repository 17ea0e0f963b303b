import { clearInterval, setInterval } from 'node:timers';
import { BroadcastChannel } from 'node:worker_threads';
import { type Codec, JSON_CODEC, MSGPACK_CODEC } from '../src/frames/codec.ts';
import { decodeMsgpackFrame } from '../src/frames/codecs.ts';
import type { JoinPoint, ShardTask } from '../src/shards/messages.ts';
import {
  IDLE_SHARD,
  type JoiningFault,
  type JoiningOrder,
  type JoiningReport,
  ORDER_CHANNEL,
  REPORT_CHANNEL,
  ROOMS,
  SHARDS,
} from './joining-orders.fixture.ts';
import runShard from './shard.ts';
import { App, type TemplatedApp, type WebSocketBehavior } from './uws.ts';
import { Viewer, type ViewerData, type ViewerSocket } from './viewer.ts';

const MOST_VIEWERS = 40;

/** A connection that holds each batch against the one before. */
class FakeSocket {
  readonly viewer: Viewer;
  readonly #crowd: Crowd;
  readonly #point: JoinPoint;
  /** The newest seq that it has seen; -1 before the welcome. */
  last = -1;

  constructor(crowd: Crowd, room: string, codec: Codec, point: JoinPoint) {
    this.#crowd = crowd;
    this.#point = point;
    this.viewer = new Viewer(room, codec, point);
  }

  getUserData(): ViewerData {
    return { viewer: this.viewer };
  }

  getBufferedAmount(): number {
    return 0;
  }

  cork(send: () => void): void {
    send();
  }

  send(message: string | Uint8Array, isBinary: boolean): void {
    const decoded = isBinary
      ? decodeMsgpackFrame(Uint8Array.from(message as Uint8Array))
      : JSON.parse(typeof message === 'string' ? message : Buffer.from(message).toString());
    if (decoded.type === 'welcome') {
      if (this.last !== -1) this.#crowd.fault('a second welcome');
      this.last = this.#point.kind === 'since' ? this.#point.seq : decoded.seq;
    } else if (decoded.type === 'batch') {
      const { room } = this.viewer;
      if (decoded.prev !== this.last) {
        this.#crowd.fault(`in ${room} ${decoded.seq} after ${decoded.prev} came after ${this.last}`);
      }
      this.last = decoded.seq;
      this.#crowd.saw(room, decoded.seq);
    }
  }

  subscribe(topic: string): void {
    this.#crowd.topic(topic).add(this);
  }

  unsubscribe(topic: string): void {
    this.#crowd.topic(topic).delete(this);
  }

  end(): void {
    this.#crowd.close(this);
  }
}

/** Viewers of one shard without a network: they join and leave all the time, several in a turn. */
class Crowd {
  readonly app: TemplatedApp = App();
  readonly #reports: BroadcastChannel;
  readonly #shard: number;
  readonly #rooms: readonly string[];
  readonly #topics = new Map<string, Set<FakeSocket>>();
  readonly #sockets = new Set<FakeSocket>();
  /** The newest seq seen in each room, from which viewers resume. */
  readonly #seen = new Map<string, number>();
  #behavior: WebSocketBehavior<ViewerData> = {};
  #joined = 0;
  #batches = 0;
  #entries = 0;
  #throws = false;

  constructor(shard: number, reports: BroadcastChannel) {
    this.#reports = reports;
    this.#shard = shard;
    this.#rooms = shard === IDLE_SHARD ? [] : ROOMS.filter((_, i) => i === 0 || i % (SHARDS - 1) === shard);
    this.app.ws = (_pattern, behavior) => {
      this.#behavior = behavior as unknown as WebSocketBehavior<ViewerData>;
      return this.app;
    };
    this.app.numSubscribers = (topic) => this.topic(nameOf(topic)).size;
    this.app.publish = (topic, message, isBinary) => {
      this.#entries += 1;
      const sockets = [...this.topic(nameOf(topic))];
      for (const socket of sockets) socket.send(message as Uint8Array, isBinary ?? false);
      if (this.#throws) throw new Error('thrown in mid-push by a test');
      return sockets.length > 0;
    };
  }

  topic(name: string): Set<FakeSocket> {
    const sockets = this.#topics.get(name) ?? new Set();
    this.#topics.set(name, sockets);
    return sockets;
  }

  /** Some come and some go, in one turn. */
  shuffle(): void {
    if (this.#rooms.length === 0) return;
    const sockets = [...this.#sockets];
    for (let i = Math.random() * 3; i > 1 && sockets.length > 0; i -= 1) {
      const socket = sockets[Math.floor(Math.random() * sockets.length)];
      if (socket !== undefined) this.close(socket);
    }
    for (let i = Math.random() * 4; i > 1 && this.#sockets.size < MOST_VIEWERS; i -= 1) this.#open();
  }

  close(socket: FakeSocket): void {
    if (!this.#sockets.delete(socket)) return;
    for (const sockets of this.#topics.values()) sockets.delete(socket);
    this.#behavior.close?.(socket as unknown as ViewerSocket, 1000, new ArrayBuffer(0));
  }

  saw(room: string, seq: number): void {
    this.#batches += 1;
    this.#seen.set(room, Math.max(seq, this.#seen.get(room) ?? 0));
  }

  fault(fault: string): void {
    this.#reports.postMessage({ fault: `shard ${this.#shard}: ${fault}` } satisfies JoiningFault);
  }

  throwAtNextPush(): void {
    this.#throws = true;
  }

  report(number: number, seqs: ReadonlyMap<string, number>): JoiningReport {
    return {
      shard: this.#shard,
      number,
      joined: this.#joined,
      batches: this.#batches,
      entries: this.#entries,
      behind: [...this.#sockets].filter(({ viewer, last }) => last !== seqs.get(viewer.room)).length,
    };
  }

  #open(): void {
    const room = this.#rooms[Math.floor(Math.random() * this.#rooms.length)] ?? '';
    const codec = Math.random() < 0.5 ? JSON_CODEC : MSGPACK_CODEC;
    const seen = this.#seen.get(room);
    const point: JoinPoint = seen !== undefined && Math.random() < 0.3 ? { kind: 'since', seq: seen } : { kind: 'now' };
    const socket = new FakeSocket(this, room, codec, point);
    this.#sockets.add(socket);
    this.#joined += 1;
    this.#behavior.open?.(socket as unknown as ViewerSocket);
  }
}

function nameOf(topic: unknown): string {
  return Buffer.from(topic as Uint8Array).toString();
}

/** A real shard with its real thread, port and ring, whose viewers are made up. */
export default async function runJoiningShard(task: ShardTask): Promise<void> {
  const orders = new BroadcastChannel(ORDER_CHANNEL);
  const reports = new BroadcastChannel(REPORT_CHANNEL);
  const crowd = new Crowd(task.shard, reports);
  const timer = setInterval(() => crowd.shuffle(), 1);
  orders.onmessage = (event) => {
    const { data: order } = event as { data: JoiningOrder };
    if (order.do === 'still') clearInterval(timer);
    else if (order.do === 'report') reports.postMessage(crowd.report(order.number, order.seqs));
    else if (order.shard === task.shard) crowd.throwAtNextPush();
  };
  try {
    await runShard(task, () => crowd.app);
  } finally {
    clearInterval(timer);
    orders.close();
    reports.close();
  }
}
