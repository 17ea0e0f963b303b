import { once } from 'node:events';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { encodeBatch } from '../frames/batch.ts';
import { settle } from '../testing/clock.ts';
import type { RigOptions } from '../testing/rooms.ts';
import { FakeStore } from '../testing/store-fake.ts';
import { createDesk, createStore, type DeskRig } from './join-desk.fixture.ts';
import type { CommentColumns, FromShard, ShardTurn, ToShard } from './messages.ts';
import { ShardLink } from './shard-link.ts';

/** The shard's end of a real port: what it was sent, in order. */
class ShardEnd {
  readonly received: ToShard[] = [];
  readonly closed: Promise<unknown>;
  readonly port: MessagePort;
  #waiting: (() => void)[] = [];

  constructor(port: MessagePort) {
    this.port = port;
    this.closed = once(port, 'close');
    port.on('message', (message: ToShard) => {
      this.received.push(message);
      for (const look of this.#waiting) look();
    });
  }

  send(message: FromShard): void {
    this.port.postMessage(message);
  }

  sendTurn(turn: Partial<ShardTurn>): void {
    this.send({ kind: 'turn', joins: [], leaves: [], comments: null, ...turn });
  }

  /** Resolves with everything once there are `count` messages. */
  async receives(count: number): Promise<readonly ToShard[]> {
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (this.received.length >= count) resolve();
      };
      this.#waiting.push(look);
      look();
    });
    return this.received;
  }
}

interface LinkRig extends DeskRig<FakeStore> {
  readonly link: ShardLink;
  readonly end: ShardEnd;
  readonly told: string[];
}

let opened: MessagePort[] = [];

afterEach(() => {
  for (const port of opened) port.close();
  opened = [];
});

async function createLink(options: RigOptions = {}, store = new FakeStore()): Promise<LinkRig> {
  const rig = await createDesk(store, options);
  const { port1, port2 } = new MessageChannel();
  opened.push(port1, port2);
  const told: string[] = [];
  const link = new ShardLink({
    shard: 1,
    port: port1,
    rooms: rig.rooms,
    desk: rig.desk,
    counters: rig.counters,
    onListening: () => told.push('listening'),
    onQuiesced: () => told.push('quiesced'),
  });
  return { ...rig, link, end: new ShardEnd(port2), told };
}

function columnsOf(first: number, room: string, texts: string[]): CommentColumns {
  const { length } = texts;
  const fill = (value: number): number[] => new Array<number>(length).fill(value);
  return {
    first,
    rooms: new Array<string>(length).fill(room),
    texts,
    modes: fill(2),
    colors: fill(255),
    sizes: fill(30),
    names: new Array<string>(length).fill('Ana'),
    extras: new Array<string>(length).fill('gift'),
  };
}

/** Resolves when main has taken `count` messages. */
async function taken({ counters }: LinkRig, count: number): Promise<void> {
  while (counters.messagesFromShards < count) await settle();
}

describe('comments of a turn', () => {
  it('go to their rooms, and their receipts come back together', async () => {
    const rig = await createLink();
    rig.end.sendTurn({ comments: columnsOf(100, 'a', ['x', 'y', 'z']) });
    await taken(rig, 1);
    expect(rig.counters.commentsSocket).toBe(3);
    await rig.clock.advance(10);
    rig.store.store('a', 42).answer();
    const [receipts, ...more] = await rig.end.receives(1);
    expect(more).toEqual([]);
    expect(receipts).toEqual({
      kind: 'receipts',
      stored: Float64Array.of(100, 42, 0, 101, 42, 1, 102, 42, 2),
      failed: [],
    });
    expect(rig.counters.messagesToShards).toBe(1);
  });

  it('are stored as they were sent, without a user', async () => {
    const rig = await createLink();
    rig.end.sendTurn({ comments: columnsOf(1, 'a', ['x']) });
    await taken(rig, 1);
    await rig.clock.advance(10);
    const expected = { text: 'x', mode: 2, color: 255, size: 30, extra: 'gift', user: '', name: 'Ana' };
    const at = rig.clock.now() - 10;
    expect(rig.store.appended.map(({ batch }) => batch)).toEqual([encodeBatch([{ ...expected, at }])]);
  });

  it('that are refused, or fail later, are answered with their code', async () => {
    const rig = await createLink({ maxPending: 2 });
    rig.end.sendTurn({ comments: columnsOf(7, 'a', ['a', 'b', 'c']) });
    const [refused] = await rig.end.receives(1);
    expect(refused).toEqual({
      kind: 'receipts',
      stored: new Float64Array(),
      failed: [{ number: 9, code: 'ROOM_BUSY', retryAfterMs: 1_000 }],
    });
    expect([rig.counters.commentsSocket, rig.counters.refused.get('ROOM_BUSY')]).toEqual([2, 1]);
    await rig.clock.advance(10);
    rig.store.fail('a');
    const [, failed] = await rig.end.receives(2);
    expect(failed).toMatchObject({
      failed: [
        { number: 7, code: 'STORE_FULL' },
        { number: 8, code: 'STORE_FULL' },
      ],
    });
  });

  it('are refused SHUTTING_DOWN at the end', async () => {
    const rig = await createLink();
    rig.rooms.refuse();
    rig.end.sendTurn({ comments: columnsOf(1, 'a', ['x']) });
    expect(await rig.end.receives(1)).toMatchObject([{ failed: [{ number: 1, code: 'SHUTTING_DOWN' }] }]);
  });
});

describe('viewers of a turn', () => {
  it('are counted in, answered together, and counted out', async () => {
    const rig = await createLink();
    const joins = ['a', 'b'].map((room, i) => ({
      id: i,
      room,
      codec: 1 as const,
      joining: 2,
      from: { kind: 'now' as const },
    }));
    rig.end.sendTurn({ joins, leaves: [{ room: 'a', codec: 1, count: 1 }] });
    const received = await rig.end.receives(1);
    expect(received).toMatchObject([
      {
        kind: 'answers',
        answers: [
          { id: 0, live: true },
          { id: 1, live: true },
        ],
      },
    ]);
    expect([...rig.rooms.all()].map(({ name, viewersByCodec }) => [name, viewersByCodec])).toEqual([
      ['a', [0, 1, 0]],
      ['b', [0, 2, 0]],
    ]);
    rig.rooms.dropShard(1);
    expect([...rig.rooms.all()].map(({ viewers }) => viewers)).toEqual([0, 0]);
  });

  it('that need the store are answered when it has answered', async () => {
    const rig = await createLink({}, createStore(1));
    rig.store.holdReads = true;
    rig.end.sendTurn({ joins: [{ id: 5, room: 'a', codec: 0, joining: 1, from: { kind: 'since', seq: 0 } }] });
    await taken(rig, 1);
    await settle();
    expect(rig.end.received).toEqual([]);
    rig.store.answerReads();
    const received = await rig.end.receives(1);
    expect(received).toMatchObject([{ kind: 'answers', answers: [{ id: 5, reached: 1, live: true }] }]);
  });
});

describe('a wake-up', () => {
  it('is a bare number, and stands behind the answers and receipts that were gathered before it', async () => {
    const rig = await createLink();
    const answer = vi.spyOn(rig.desk, 'answer').mockReturnValue(null);
    rig.end.sendTurn({ joins: [{ id: 5, room: 'a', codec: 0, joining: 1, from: { kind: 'since', seq: 0 } }] });
    await taken(rig, 1);
    // The answer is gathered in this turn, in which the commit then happens.
    answer.mock.calls[0]?.[2]({ id: 5, welcome: null, frame: null, recall: null, reached: 1, live: true });
    rig.link.stored(1, 2, 3);
    rig.link.wake(4_096);
    rig.link.wake(8_192);
    rig.link.stored(4, 5, 6);
    const received = await rig.end.receives(5);
    expect(received.map((message) => (typeof message === 'number' ? message : message.kind))).toEqual([
      'answers',
      'receipts',
      4_096,
      8_192,
      'receipts',
    ]);
  });

  it('costs one message, whatever was pushed', async () => {
    const rig = await createLink();
    for (let i = 1; i <= 3; i += 1) rig.link.wake(i * 8);
    expect(await rig.end.receives(3)).toEqual([8, 16, 24]);
    expect(rig.counters.messagesToShards).toBe(3);
  });
});

describe('the end of a shard', () => {
  it('is asked for behind everything that it is still owed', async () => {
    const rig = await createLink();
    rig.link.stored(1, 2, 3);
    rig.link.quiesce();
    rig.link.failed(2, 'STORE_FAILED');
    rig.link.closeViewers();
    const received = await rig.end.receives(4);
    expect(received.map((message) => (typeof message === 'number' ? message : message.kind))).toEqual([
      'receipts',
      'quiesce',
      'receipts',
      'close',
    ]);
  });

  it('and its beginning are told', async () => {
    const rig = await createLink();
    rig.end.send({ kind: 'listening', library: 'some 1.0.0' });
    rig.end.send({ kind: 'quiesced' });
    await taken(rig, 2);
    expect(rig.told).toEqual(['listening', 'quiesced']);
  });
});

describe('a generation that is over', () => {
  it('is sent nothing more, though its comments are still being stored', async () => {
    const rig = await createLink();
    rig.end.sendTurn({ comments: columnsOf(1, 'a', ['x']) });
    await taken(rig, 1);
    await rig.clock.advance(10);
    rig.link.close();
    rig.store.store('a').answer();
    rig.link.failed(2, 'STORE_FAILED');
    rig.link.wake(8);
    rig.link.quiesce();
    await settle();
    await rig.end.closed;
    expect(rig.end.received).toEqual([]);
    expect(rig.counters.messagesToShards).toBe(0);
  });

  it('is heard no more', async () => {
    const rig = await createLink();
    rig.end.sendTurn({ joins: [{ id: 0, room: 'a', codec: 0, joining: 5, from: { kind: 'now' } }] });
    rig.link.close();
    await rig.end.closed;
    await settle();
    expect(rig.rooms.get('a')?.viewers).toBe(0);
    expect(rig.told).toEqual([]);
  });
});
