import { deepEqual, equal } from 'node:assert/strict';
import type { MessagePort } from 'node:worker_threads';
import { MODES, type Mode } from '../../src/comment.ts';
import { JSON_CODEC } from '../../src/frames/codec.ts';
import { createCounters, ShardCounters } from '../../src/shards/counters.ts';
import type { FromShard, ShardLimits, ShardTurn } from '../../src/shards/messages.ts';
import { Outbox } from '../../workers/outbox.ts';
import { Senders } from '../../workers/senders.ts';
import { Traffic } from '../../workers/traffic.ts';
import { Viewer, type ViewerSocket } from '../../workers/viewer.ts';
import type { MicroBenchmark, MicroGroup } from './micro-benchmark.ts';
import { Carousel, COMMENTS, socketMessage } from './sample.ts';

/** Viewers that send one message each in a turn of the shard's loop. */
const SENDERS = 100;

/** The defaults of the settings. */
const LIMITS: ShardLimits = {
  host: '127.0.0.1',
  port: 9_000,
  workers: 1,
  apiConnections: 1_024,
  interval: 1_000,
  maxPending: 5_000,
  maxMessage: 4_096,
  maxText: 200,
  viewerNames: true,
  maxBackpressure: 65_536,
  catchUpBytes: 67_108_864,
  slowClose: 30_000,
  idleTimeout: 60,
};

/** What a shard does with its viewers' comments, without uWebSockets.js and without the port to main. */
export function senders(): MicroGroup {
  return { name: 'senders', benchmarks: [receive(1), receive(SENDERS), deliver()] };
}

/** A message of a viewer, as uWebSockets.js hands it over. */
interface Message {
  readonly viewer: Viewer;
  readonly traffic: Traffic;
  readonly bytes: ArrayBuffer;
}

/** A shard's senders, whose viewers and whose port keep what they are handed. */
class SendersRig {
  readonly senders: Senders;
  readonly outbox: Outbox;
  readonly sent: string[] = [];
  #turn: FromShard | undefined;
  readonly #messages: Carousel<Message>;

  constructor() {
    const postMessage = (message: FromShard): void => {
      this.#turn = message;
    };
    this.outbox = new Outbox({ postMessage } as unknown as MessagePort);
    this.senders = new Senders(LIMITS, this.outbox, new ShardCounters(createCounters(1), 0));
    const viewers = Array.from({ length: SENDERS }, (_, i) => this.#welcomed(`room-${i}`));
    const traffic = viewers.map(() => new Traffic());
    this.#messages = new Carousel(
      COMMENTS.map((comment, i) => ({
        viewer: viewers[i % SENDERS] as Viewer,
        traffic: traffic[i % SENDERS] as Traffic,
        bytes: new Uint8Array(Buffer.from(socketMessage(comment, `r${i}`))).buffer,
      })),
    );
  }

  #welcomed(room: string): Viewer {
    const viewer = new Viewer(room, JSON_CODEC, { kind: 'now' });
    const socket = { send: (text: string) => void this.sent.push(text) };
    viewer.open(socket as unknown as ViewerSocket);
    viewer.welcome('welcome');
    return viewer;
  }

  /** One turn of the loop: takes `count` messages and posts what they come to. */
  receive(count: number): FromShard | undefined {
    for (let i = 0; i < count; i += 1) {
      const { viewer, traffic, bytes } = this.#messages.next();
      const message = Buffer.from(bytes);
      if (!this.senders.refuseAtSight(viewer, traffic, message, false)) this.senders.receive(viewer, traffic, message);
    }
    this.outbox.flush();
    return this.#turn;
  }

  /** What main answers once it has stored the comments that were posted last; each in a batch of its own. */
  receipts(): { kind: 'receipts'; stored: Float64Array; failed: [] } {
    const { comments } = this.#turn as ShardTurn;
    const stored = (comments?.rooms ?? []).flatMap((_, i) => [(comments?.first ?? 0) + i, 42, 0]);
    return { kind: 'receipts', stored: Float64Array.from(stored), failed: [] };
  }

  /** Has what was posted last answered, if there is anything, so that the next is not refused BUSY. */
  settle(): void {
    if (this.#turn !== undefined) this.senders.deliver(this.receipts());
    this.sent.length = 0;
  }
}

function receive(count: number): MicroBenchmark<FromShard | undefined> {
  const rig = new SendersRig();
  return {
    name: `Senders.receive and Outbox.flush, ${count} message${count === 1 ? '' : 's'} in a turn`,
    unit: 'comment',
    units: count,
    prepare: () => rig.settle(),
    run: () => rig.receive(count),
    check: (turn) => {
      equal(turn?.kind, 'turn');
      const { comments } = turn as ShardTurn;
      equal(comments?.texts.length, count);
      const known = new Set(COMMENTS.map(({ text, mode, color, size }) => JSON.stringify([text, mode, color, size])));
      for (const [i, text] of comments?.texts.entries() ?? []) {
        const mode: Mode | undefined = MODES[comments?.modes[i] ?? -1];
        equal(known.has(JSON.stringify([text, mode, comments?.colors[i], comments?.sizes[i]])), true);
      }
      deepEqual(rig.sent, []);
    },
  };
}

function deliver(): MicroBenchmark<readonly string[]> {
  const rig = new SendersRig();
  let receipts = rig.receive(SENDERS) && rig.receipts();
  return {
    name: `Senders.deliver, ${SENDERS} acks`,
    unit: 'comment',
    units: SENDERS,
    prepare: () => {
      if (rig.sent.length > 0) {
        rig.receive(SENDERS);
        receipts = rig.receipts();
      }
      rig.sent.length = 0;
    },
    run: () => {
      if (receipts !== undefined) rig.senders.deliver(receipts);
      return rig.sent;
    },
    check: (sent) => {
      equal(sent.length, SENDERS);
      for (const text of sent) {
        const { ref, ...ack } = JSON.parse(text) as { ref: string };
        deepEqual(ack, { type: 'ack', id: '42.0', seq: 42 });
        equal(/^r\d+$/.test(ref), true);
      }
    },
  };
}
