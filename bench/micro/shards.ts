/** What a shard does with its viewers' comments, and the way between a shard and main, without uWebSockets.js. */
import { deepEqual, equal } from 'node:assert/strict';
import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { MODES } from '../../src/comment.ts';
import { createShardCounters, ShardCounters } from '../../src/counters.ts';
import { JSON_CODEC } from '../../src/frames/codec.ts';
import { JoinDesk } from '../../src/shards/join-desk.ts';
import type { FromShard, ShardLimits, ShardTurn, ToShard } from '../../src/shards/messages.ts';
import { ShardLink } from '../../src/shards/shard-link.ts';
import { Outbox } from '../../workers/outbox.ts';
import { Senders } from '../../workers/senders.ts';
import { Traffic } from '../../workers/traffic.ts';
import { Viewer, type ViewerSocket } from '../../workers/viewer.ts';
import type { MicroBenchmark, MicroGroup } from './benchmark.ts';
import { Carousel, COMMENTS, INTERVAL, RoomsRig, SOCKET_DRAFTS, socketMessage } from './rig.ts';

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

export function senders(): MicroGroup {
  return { name: 'senders', benchmarks: [receive(1), receive(SENDERS), deliver()] };
}

/** A shard's senders, whose viewers and whose port keep what they are handed. */
class SendersRig {
  readonly senders: Senders;
  readonly outbox: Outbox;
  readonly sent: string[] = [];
  #turn: FromShard | undefined;
  readonly #messages: Carousel<{ viewer: Viewer; traffic: Traffic; bytes: Buffer }>;

  constructor() {
    const postMessage = (message: FromShard): void => {
      this.#turn = message;
    };
    this.outbox = new Outbox({ postMessage } as unknown as MessagePort);
    this.senders = new Senders(LIMITS, this.outbox, new ShardCounters(createShardCounters(1), 0));
    const viewers = Array.from({ length: SENDERS }, (_, i) => {
      const viewer = new Viewer(`room-${i}`, JSON_CODEC, { kind: 'now' });
      viewer.open({ send: (text: string) => void this.sent.push(text) } as unknown as ViewerSocket);
      viewer.welcome('welcome');
      return { viewer, traffic: new Traffic() };
    });
    const bytesOf = (i: number) => Buffer.from(socketMessage(COMMENTS[i] as (typeof COMMENTS)[number], `r${i}`));
    this.#messages = new Carousel(
      COMMENTS.map((_, i) => ({ ...(viewers[i % SENDERS] as (typeof viewers)[number]), bytes: bytesOf(i) })),
    );
  }

  /** One turn of the loop: takes `count` messages and posts what they come to. */
  receive(count: number): FromShard | undefined {
    for (let i = 0; i < count; i += 1) {
      const { viewer, traffic, bytes } = this.#messages.next();
      // A view of its own, as uWebSockets.js hands out.
      const message = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
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

  /** Has what was posted last answered, so that the next is not refused BUSY. */
  settle(): void {
    if (this.#turn !== undefined) this.senders.deliver(this.receipts());
    this.sent.length = 0;
  }
}

function receive(count: number): MicroBenchmark<FromShard | undefined> {
  const rig = new SendersRig();
  const known = new Set(COMMENTS.map(({ text, mode, color, size }) => JSON.stringify([text, mode, color, size])));
  return {
    name: `Senders.receive and Outbox.flush, ${count} message${count === 1 ? '' : 's'} in a turn`,
    unit: 'comment',
    units: count,
    prepare: () => rig.settle(),
    run: () => rig.receive(count),
    check: (turn) => {
      const { comments } = turn as ShardTurn;
      equal(comments?.texts.length, count);
      for (const [i, text] of comments?.texts.entries() ?? []) {
        const comment: unknown = [text, MODES[comments?.modes[i] ?? -1], comments?.colors[i], comments?.sizes[i]];
        equal(known.has(JSON.stringify(comment)), true);
      }
      deepEqual(rig.sent, []);
    },
  };
}

function deliver(): MicroBenchmark<readonly string[]> {
  const rig = new SendersRig();
  rig.receive(SENDERS);
  let receipts = rig.receipts();
  return {
    name: `Senders.deliver, ${SENDERS} acks`,
    unit: 'comment',
    units: SENDERS,
    prepare: () => {
      if (rig.sent.length === 0) return;
      rig.receive(SENDERS);
      receipts = rig.receipts();
      rig.sent.length = 0;
    },
    run: () => {
      rig.senders.deliver(receipts);
      return rig.sent;
    },
    check: (sent) => {
      equal(sent.length, SENDERS);
      for (const text of sent) equal(/^\{"type":"ack","ref":"r\d+","id":"42\.0","seq":42\}$/.test(text), true);
    },
  };
}

/** The port itself, and main's end of it. */
export async function handOver(): Promise<MicroGroup> {
  const benchmarks: MicroBenchmark[] = [];
  for (const size of [1, 100]) benchmarks.push(...passTurns(size), await take(size), await answer(size));
  return { name: 'hand-over', benchmarks };
}

/** Turns of a shard in which `size` comments came, each of another room. */
function turnsOf(size: number): Carousel<ShardTurn> {
  const turns: ShardTurn[] = [];
  for (let first = 0; first + size <= SOCKET_DRAFTS.length; first += size) {
    const drafts = SOCKET_DRAFTS.slice(first, first + size);
    const comments = {
      first: 1,
      rooms: drafts.map((_, i) => `room-${i}`),
      names: drafts.map(({ name }) => name),
      texts: drafts.map(({ text }) => text),
      modes: drafts.map(({ mode }) => mode),
      colors: drafts.map(({ color }) => color),
      sizes: drafts.map((draft) => draft.size),
      extras: drafts.map(({ extra }) => extra),
    };
    turns.push({ kind: 'turn', joins: [], leaves: [], comments });
  }
  return new Carousel(turns);
}

function described(size: number): string {
  return `${size} comment${size === 1 ? '' : 's'}`;
}

function passTurns(size: number): MicroBenchmark[] {
  const turns = turnsOf(size);
  // Its other end reads when it is told to.
  const { port1, port2 } = new MessageChannel();
  const read = (): unknown => receiveMessageOnPort(port2)?.message;
  const post = (): void => port1.postMessage(turns.next());
  const [unit, units, text] = ['comment', size, described(size)] as const;
  const isRead = (turn: unknown): void => deepEqual(turn, turns.last);
  return [
    { name: `a shard posts a turn of ${text}`, unit, units, prepare: read, run: post, check: () => isRead(read()) },
    { name: `main reads a turn of ${text} from the port`, unit, units, prepare: post, run: read, check: isRead },
  ];
}

/** Main's end of a shard, on a port that keeps what is posted and hands in what it is told to. */
function makeLink({ rooms, store, counters, clock }: RoomsRig) {
  const onFault = (_room: string, error: unknown): never => {
    throw error;
  };
  const limits = { interval: INTERVAL, maxBackfill: 10_000, stepBytes: 32_768 };
  const desk = new JoinDesk({ clock, rooms, store, counters, onFault, ...limits });
  const posted: ToShard[] = [];
  let take: (message: FromShard) => void = () => undefined;
  const port = {
    on: (_event: string, told: (message: FromShard) => void) => {
      take = told;
    },
    postMessage: (message: ToShard) => void posted.push(message),
  } as unknown as MessagePort;
  const told = { onListening: () => undefined, onQuiesced: () => undefined };
  const link = new ShardLink({ shard: 0, port, rooms, desk, counters, ...told });
  return { link, posted, take: (turn: FromShard) => take(turn) };
}

async function take(size: number): Promise<MicroBenchmark<number>> {
  const rig = await RoomsRig.create(size);
  const { posted, take } = makeLink(rig);
  const turns = turnsOf(size);
  return {
    name: `ShardLink offers a turn of ${described(size)}`,
    unit: 'comment',
    units: size,
    prepare: async () => {
      if (rig.rooms.pending > 0) await rig.fire();
      posted.length = 0;
    },
    run: () => {
      take(turns.next());
      return rig.rooms.pending;
    },
    check: (pending) => deepEqual([pending, posted], [size, []]),
  };
}

/** From the receipts of a firing to the message for the shard, which the wake-up takes along. */
async function answer(size: number): Promise<MicroBenchmark<readonly ToShard[]>> {
  const { link, posted } = makeLink(await RoomsRig.create(0));
  return {
    name: `ShardLink gathers the receipts of ${described(size)}`,
    unit: 'comment',
    units: size,
    prepare: () => {
      posted.length = 0;
    },
    run: () => {
      for (let number = 0; number < size; number += 1) link.stored(number, 42, 0);
      link.wake(8);
      return posted;
    },
    check: (told) => {
      const stored = Float64Array.from({ length: 3 * size }, (_, i) => [i / 3, 42, 0][i % 3] as number);
      deepEqual(told, [{ kind: 'receipts', stored, failed: [] }, 8]);
    },
  };
}
