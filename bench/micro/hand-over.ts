import { deepEqual, equal } from 'node:assert/strict';
import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { JoinDesk } from '../../src/shards/join-desk.ts';
import type { CommentColumns, FromShard, ShardTurn, ToShard } from '../../src/shards/messages.ts';
import { ShardLink } from '../../src/shards/shard-link.ts';
import type { MicroBenchmark, MicroGroup } from './micro-benchmark.ts';
import { INTERVAL, RoomsRig } from './rooms-rig.ts';
import { Carousel, SOCKET_DRAFTS } from './sample.ts';

const SIZES = [1, 100];

/** What the way between a shard and main costs: the port itself, and main's end of it. */
export async function handOver(): Promise<MicroGroup> {
  const benchmarks: MicroBenchmark[] = [];
  for (const size of SIZES) {
    benchmarks.push(post(size), read(size), await take(size), await answer(size));
  }
  return { name: 'hand-over', benchmarks };
}

/** Turns of a shard in which `size` comments came, each of another room. */
function turnsOf(size: number): Carousel<ShardTurn> {
  const turns: ShardTurn[] = [];
  for (let first = 0; first + size <= SOCKET_DRAFTS.length; first += size) {
    const drafts = SOCKET_DRAFTS.slice(first, first + size);
    const comments: CommentColumns = {
      first: 1,
      rooms: drafts.map((_, i) => `room-${i}`),
      texts: drafts.map(({ text }) => text),
      modes: drafts.map(({ mode }) => mode),
      colors: drafts.map(({ color }) => color),
      sizes: drafts.map(({ size }) => size),
      names: drafts.map(({ name }) => name),
      extras: drafts.map(({ extra }) => extra),
    };
    turns.push({ kind: 'turn', joins: [], leaves: [], comments });
  }
  return new Carousel(turns);
}

function described(size: number): string {
  return `${size} comment${size === 1 ? '' : 's'}`;
}

/** A port whose other end reads when it is told to. */
class PortPair {
  readonly from: MessagePort;
  readonly #to: MessagePort;

  constructor() {
    const { port1, port2 } = new MessageChannel();
    this.from = port1;
    this.#to = port2;
  }

  read(): unknown {
    return receiveMessageOnPort(this.#to)?.message;
  }
}

function post(size: number): MicroBenchmark<void> {
  const ports = new PortPair();
  const turns = turnsOf(size);
  return {
    name: `a shard posts a turn of ${described(size)}`,
    unit: 'comment',
    units: size,
    prepare: () => void ports.read(),
    run: () => ports.from.postMessage(turns.next()),
    check: () => deepEqual(ports.read(), turns.last),
  };
}

function read(size: number): MicroBenchmark<unknown> {
  const ports = new PortPair();
  const turns = turnsOf(size);
  return {
    name: `main reads a turn of ${described(size)} from the port`,
    unit: 'comment',
    units: size,
    prepare: () => ports.from.postMessage(turns.next()),
    run: () => ports.read(),
    check: (turn) => deepEqual(turn, turns.last),
  };
}

/** Main's end of a shard, on a port that keeps what is posted and hands in what it is told to. */
class LinkRig {
  readonly rig: RoomsRig;
  readonly link: ShardLink;
  readonly posted: ToShard[] = [];
  #take: (message: FromShard) => void = () => undefined;

  constructor(rig: RoomsRig) {
    this.rig = rig;
    const { rooms, store, tally, clock } = rig;
    const onFault = (_room: string, error: unknown): never => {
      throw error;
    };
    const desk = new JoinDesk({
      clock,
      rooms,
      store,
      tally,
      onFault,
      interval: INTERVAL,
      maxBackfill: 10_000,
      stepBytes: 32_768,
    });
    const port = {
      on: (_event: string, take: (message: FromShard) => void) => {
        this.#take = take;
      },
      postMessage: (message: ToShard) => void this.posted.push(message),
    };
    const told = { onListening: () => undefined, onQuiesced: () => undefined };
    this.link = new ShardLink({ shard: 0, port: port as unknown as MessagePort, rooms, desk, tally, ...told });
  }

  take(turn: FromShard): void {
    this.#take(turn);
  }
}

async function take(size: number): Promise<MicroBenchmark<number>> {
  const link = new LinkRig(await RoomsRig.create({ rooms: size }));
  const { rooms } = link.rig;
  const turns = turnsOf(size);
  return {
    name: `ShardLink offers a turn of ${described(size)}`,
    unit: 'comment',
    units: size,
    prepare: async () => {
      if (rooms.pending > 0) await link.rig.fire();
      link.posted.length = 0;
    },
    run: () => {
      link.take(turns.next());
      return rooms.pending;
    },
    check: (pending) => {
      equal(pending, size);
      deepEqual(link.posted, []);
    },
  };
}

/** From the receipts of a slot to the message for the shard, which the wake-up takes along. */
async function answer(size: number): Promise<MicroBenchmark<readonly ToShard[]>> {
  const { link, posted } = new LinkRig(await RoomsRig.create({ rooms: 0 }));
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
    check: ([receipts, head, ...more]) => {
      const stored = Array.from({ length: size }, (_, number) => [number, 42, 0]).flat();
      deepEqual(receipts, { kind: 'receipts', stored: Float64Array.from(stored), failed: [] });
      deepEqual([head, ...more], [8]);
    },
  };
}
