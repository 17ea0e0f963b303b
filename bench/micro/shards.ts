/** What a shard does with its viewers' comments, and the way between a shard and main, without uWebSockets.js. */
import { deepEqual, equal, match } from 'node:assert/strict';
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
import { Carousel, COMMENTS, INTERVAL, makeRooms, type RoomsRig, SOCKET_DRAFTS, socketMessage } from './rig.ts';

const SENDERS = 100;

const LIMITS: ShardLimits = {
  ...{ host: '127.0.0.1', port: 9_000, workers: 1, apiConnections: 1_024, interval: 1_000, maxPending: 5_000 },
  ...{ maxMessage: 4_096, maxText: 200, viewerNames: true, maxBackpressure: 65_536, catchUpBytes: 67_108_864 },
  ...{ slowClose: 30_000, idleTimeout: 60 },
};

export function senders(): MicroGroup {
  return { name: 'senders', benchmarks: [receive(1), receive(SENDERS), deliver()] };
}

function makeSenders() {
  let turn: FromShard | undefined;
  const sent: string[] = [];
  const postMessage = (message: FromShard): void => {
    turn = message;
  };
  const outbox = new Outbox({ postMessage } as unknown as MessagePort);
  const all = new Senders(LIMITS, outbox, new ShardCounters(createShardCounters(1), 0));
  const viewers = Array.from({ length: SENDERS }, (_, i) => {
    const viewer = new Viewer(`room-${i}`, JSON_CODEC, { kind: 'now' });
    viewer.open({ send: (text: string) => void sent.push(text) } as unknown as ViewerSocket);
    viewer.welcome('welcome');
    return { viewer, traffic: new Traffic() };
  });
  const messages = new Carousel(
    COMMENTS.map((comment, i) => {
      const sender = viewers[i % SENDERS] as (typeof viewers)[number];
      return { ...sender, bytes: Buffer.from(socketMessage(comment, `r${i}`)) };
    }),
  );
  return {
    ...{ senders: all, sent },

    receive(count: number): FromShard | undefined {
      for (let i = 0; i < count; i += 1) {
        const { viewer, traffic, bytes } = messages.next();
        // A view of its own, as uWebSockets.js hands out.
        const message = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
        if (!all.refuseAtSight(viewer, traffic, message, false)) all.receive(viewer, traffic, message);
      }
      outbox.flush();
      return turn;
    },

    /** What main answers once it has stored the comments that were posted last; each in a batch of its own. */
    receipts(): { kind: 'receipts'; stored: Float64Array; failed: [] } {
      const { comments } = (turn ?? {}) as Partial<ShardTurn>;
      const stored = (comments?.rooms ?? []).flatMap((_, i) => [(comments?.first ?? 0) + i, 42, 0]);
      return { kind: 'receipts', stored: Float64Array.from(stored), failed: [] };
    },
  };
}

function receive(count: number): MicroBenchmark<FromShard | undefined> {
  const rig = makeSenders();
  const known = new Set(COMMENTS.map(({ text, mode, color, size }) => JSON.stringify([text, mode, color, size])));
  return {
    name: `Senders.receive and Outbox.flush, ${count} message${count === 1 ? '' : 's'} in a turn`,
    ...{ unit: 'comment', units: count, run: () => rig.receive(count) },
    // What was posted last is answered, so that the next is not refused BUSY.
    prepare: () => {
      rig.senders.deliver(rig.receipts());
      rig.sent.length = 0;
    },
    check: (turn) => {
      const { texts = [], modes = [], colors = [], sizes = [] } = (turn as ShardTurn).comments ?? {};
      const comments = texts.map((text, i) => JSON.stringify([text, MODES[modes[i] ?? -1], colors[i], sizes[i]]));
      deepEqual([comments.length, comments.filter((comment) => !known.has(comment)), rig.sent], [count, [], []]);
    },
  };
}

function deliver(): MicroBenchmark<readonly string[]> {
  const rig = makeSenders();
  let receipts = rig.receipts();
  return {
    name: `Senders.deliver, ${SENDERS} acks`,
    ...{ unit: 'comment', units: SENDERS },
    prepare: () => {
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
      for (const text of sent) match(text, /^\{"type":"ack","ref":"r\d+","id":"42\.0","seq":42\}$/);
    },
  };
}

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
    const column = <Key extends keyof (typeof drafts)[number]>(key: Key) => drafts.map((draft) => draft[key]);
    const comments = {
      ...{ first: 1, rooms: drafts.map((_, i) => `room-${i}`), names: column('name'), texts: column('text') },
      ...{ modes: column('mode'), colors: column('color'), sizes: column('size'), extras: column('extra') },
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
  const rig = await makeRooms(size);
  const { posted, take } = makeLink(rig);
  const turns = turnsOf(size);
  return {
    name: `ShardLink offers a turn of ${described(size)}`,
    ...{ unit: 'comment', units: size },
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

async function answer(size: number): Promise<MicroBenchmark<readonly ToShard[]>> {
  const { link, posted } = makeLink(await makeRooms(0));
  return {
    name: `ShardLink gathers the receipts of ${described(size)}`,
    ...{ unit: 'comment', units: size },
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
