import type { MessagePort } from 'node:worker_threads';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CLOSE } from '../src/codes.ts';
import { createShardCounters, ShardCounters } from '../src/counters.ts';
import { JSON_CODEC } from '../src/frames/codec.ts';
import type { FromShard, JoinPoint, JoinRequest, ShardLimits } from '../src/shards/messages.ts';
import { CatchUp } from './catch-up.ts';
import { Outbox } from './outbox.ts';
import { SlowViewers } from './slow-viewers.ts';
import { Viewer, type ViewerSocket } from './viewer.ts';

const STEP = 32_768;
const SHARE = 1_048_576;
const SLOW_CLOSE = 30_000;

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
  maxBackpressure: 2 * STEP,
  catchUpBytes: SHARE,
  slowClose: SLOW_CLOSE,
  idleTimeout: 60,
};

/** What a client's end of a socket does: it reads so many bytes at a time when it is told, and answers pings it has read. */
class Client {
  readonly viewer: Viewer;
  /** Frames' bytes that were sent, and the most that ever waited. */
  sent = 0;
  most = 0;
  buffered = 0;
  closedWith: number | 'cut' | undefined;
  live = false;
  /** Fragments under way, and whether anything else was ever sent between them. */
  inPieces = false;
  mixed = false;
  readonly #pings: { after: number; payload: string }[] = [];
  #read = 0;
  readonly #reads: boolean;
  readonly #rig: Rig;

  constructor(rig: Rig, room: string, point: JoinPoint, reads: boolean) {
    this.#rig = rig;
    this.#reads = reads;
    this.viewer = new Viewer(room, JSON_CODEC, point);
    const fragment = (isFirst: boolean, isLast: boolean) => (bytes: Uint8Array) => {
      if (isFirst === this.inPieces) this.mixed = true;
      this.inPieces = !isLast;
      this.#take(bytes.length);
    };
    const socket = {
      send: (message: string | Uint8Array) => {
        if (this.inPieces) this.mixed = true;
        if (typeof message !== 'string') this.#take(message.length);
      },
      sendFirstFragment: fragment(true, false),
      sendFragment: fragment(false, false),
      sendLastFragment: fragment(false, true),
      ping: (payload: string) => void this.#pings.push({ after: this.sent, payload }),
      cork: (run: () => void) => run(),
      getBufferedAmount: () => this.buffered,
      subscribe: () => {
        if (this.inPieces) this.mixed = true;
        this.live = true;
      },
      unsubscribe: () => {
        this.live = false;
      },
      end: (code: number) => this.#close(code),
      close: () => this.#close('cut'),
    };
    this.viewer.open(socket as unknown as ViewerSocket);
  }

  #take(bytes: number): void {
    this.sent += bytes;
    // The system takes the whole of a small frame, and of a large one a part, as sockets do.
    this.buffered += this.#reads ? 0 : bytes;
    if (this.#reads) this.#read = this.sent;
    this.most = Math.max(this.most, this.buffered);
  }

  /** Reads up to `bytes` of what waits. */
  read(bytes: number): void {
    if (this.viewer.closed) return;
    const before = this.buffered;
    this.buffered = Math.max(0, this.buffered - bytes);
    this.#read = this.sent - this.buffered;
    if (this.buffered < before) {
      this.#rig.slow.drained(this.viewer);
      this.#rig.catchUp.drained(this.viewer);
    }
    this.pong();
  }

  /** Answers the last ping that it has read. */
  pong(): void {
    const read = this.#pings.filter(({ after }) => after <= this.#read);
    this.#pings.splice(0, read.length);
    const last = read.at(-1);
    if (last === undefined || this.viewer.closed) return;
    this.#rig.catchUp.ponged(this.viewer, new Uint8Array(Buffer.from(last.payload)).buffer);
  }

  leave(): void {
    if (this.closedWith === undefined) this.#close('cut');
  }

  #close(code: number | 'cut'): void {
    this.closedWith = code;
    this.viewer.gone();
    this.#rig.slow.gone(this.viewer);
    this.#rig.catchUp.gone(this.viewer);
  }
}

/** A shard's catch-up, with a main that answers with frames of the sizes that rooms have. */
class Rig {
  readonly counters = new ShardCounters(createShardCounters(1), 0);
  readonly slow = new SlowViewers(LIMITS, this.counters);
  readonly outbox: Outbox;
  readonly catchUp: CatchUp;
  readonly clients: Client[] = [];
  /** Requests that main has not answered. */
  readonly asked: JoinRequest[] = [];
  /** Large frames that main has made. */
  made = 0;

  constructor(limits: Partial<ShardLimits> = {}) {
    const port = {
      postMessage: (message: FromShard) => {
        if (message.kind === 'turn') this.asked.push(...message.joins);
      },
    };
    this.outbox = new Outbox(port as unknown as MessagePort);
    this.catchUp = new CatchUp({ ...LIMITS, ...limits }, this.outbox, this.slow, this.counters);
  }

  /** Viewers that want the room's last comments: `reads` ones take everything at once. */
  join(room: string, count: number, reads = false, point: JoinPoint = { kind: 'history', comments: 1 }): Client[] {
    const joined = Array.from({ length: count }, () => new Client(this, room, point, reads));
    this.clients.push(...joined);
    for (const { viewer } of joined) this.catchUp.join(viewer);
    return joined;
  }

  /** Answers what was asked: one frame of `bytes` and nothing newer after it. */
  answer(bytes: (room: string) => number): number {
    const asked = this.asked.splice(0);
    for (const { id, room, from } of asked) {
      const isDone = from.kind === 'next';
      const frame = isDone || bytes(room) === 0 ? null : new Uint8Array(bytes(room));
      if (bytes(room) > 131_072 && frame !== null) this.made += 1;
      this.catchUp.answer({ id, welcome: isDone ? null : '{}', frame, recall: null, reached: 1, live: true });
    }
    return asked.length;
  }

  get bytes(): number {
    return this.counters.get('catchUpBytes');
  }

  get waiting(): number {
    return this.counters.get('joinsWaiting');
  }

  /** Runs what is set for later turns, and answers, until nothing more happens. */
  settle(bytes: (room: string) => number): void {
    for (let i = 0; i < 10_000; i += 1) {
      const before = vi.getTimerCount();
      if (before > 0) vi.advanceTimersToNextTimer();
      for (const client of this.clients) client.pong();
      if (this.answer(bytes) === 0 && vi.getTimerCount() === 0) return;
    }
    throw new Error('it does not settle');
  }

  /** Seconds pass, in which what is too slow is closed. */
  pass(seconds: number): void {
    for (let i = 0; i < seconds; i += 1) {
      vi.advanceTimersByTime(1_000);
      this.slow.sweep();
      this.catchUp.sweep();
    }
  }
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setImmediate', 'clearImmediate', 'performance'] });
});

afterEach(() => {
  vi.useRealTimers();
});

describe('a viewer that wants nothing older', () => {
  it('waits for nobody', () => {
    const rig = new Rig();
    rig.join('room', 100);
    rig.settle(() => STEP);
    const [now] = rig.join('room', 1, false, { kind: 'now' });
    rig.settle(() => 0);
    expect(now?.live).toBe(true);
  });
});

describe('steps that nobody reads', () => {
  it('are sent up to half of the budget, and the other viewers wait', () => {
    const rig = new Rig();
    const clients = rig.join('room', 100);
    rig.settle(() => STEP - 1);
    // Live, with no more unread than any live viewer may have.
    expect(clients.every(({ live }) => live)).toBe(true);
    const step = { kind: 'since', seq: 0 } as const;
    const more = rig.join('other', 100, false, step);
    rig.settle(() => 2 * STEP);
    const sent = more.filter((client) => client.sent > 0);
    expect(sent).toHaveLength(SHARE / 2 / (2 * STEP));
    expect(rig.waiting).toBe(100 - sent.length);
    expect(rig.bytes).toBeLessThanOrEqual(SHARE / 2);
  });

  it('are closed after --slow-close, and those who waited get their turn', () => {
    const rig = new Rig();
    const clients = rig.join('room', 20);
    rig.settle(() => 2 * STEP);
    expect(clients.filter(({ sent }) => sent > 0)).toHaveLength(8);
    rig.pass(SLOW_CLOSE / 1_000 - 1);
    expect(clients.filter(({ closedWith }) => closedWith !== undefined)).toHaveLength(0);
    rig.pass(7);
    rig.settle(() => 2 * STEP);
    expect(clients.filter(({ sent }) => sent > 0)).toHaveLength(16);
    for (let i = 0; i < 3; i += 1) {
      rig.pass(SLOW_CLOSE / 1_000 + 6);
      rig.settle(() => 2 * STEP);
    }
    expect(clients.every(({ closedWith }) => closedWith !== undefined)).toBe(true);
    expect(rig.counters.get('closed')).toBe(20);
    expect([rig.bytes, rig.waiting]).toEqual([0, 0]);
  });

  it('are read in time by a slow viewer, which is not closed', () => {
    const rig = new Rig();
    const [slow] = rig.join('room', 1) as [Client];
    rig.settle(() => 2 * STEP);
    for (let i = 0; i < 20; i += 1) {
      rig.pass(1);
      slow.read(STEP / 8);
    }
    rig.pass(60);
    expect(slow.closedWith).toBeUndefined();
    expect(slow.live).toBe(true);
    expect(rig.bytes).toBe(0);
  });
});

describe('a batch that is too large to be sent whole', () => {
  const LARGE = 3_500_000;

  it('goes out in pieces of which little waits in a socket, and is held once for all', () => {
    const rig = new Rig();
    const clients = rig.join('room', 20);
    rig.settle(() => LARGE);
    for (const { most, sent } of clients) {
      expect(most).toBeLessThanOrEqual(16_000);
      expect(sent).toBeGreaterThan(0);
    }
    expect(rig.bytes).toBeLessThanOrEqual(LARGE + 20 * 16_000);
  });

  it('reaches a viewer that reads, which is live after it', () => {
    const rig = new Rig();
    const clients = rig.join('room', 20, true);
    rig.settle(() => LARGE);
    for (const { sent, live, mixed } of clients)
      expect({ sent, live, mixed }).toEqual({ sent: LARGE, live: true, mixed: false });
    expect([rig.bytes, rig.waiting]).toEqual([0, 0]);
  });

  it('is not sent further than 0.5 MB beyond what the viewer has told that it read', () => {
    const rig = new Rig();
    const [client] = rig.join('room', 1, true) as [Client];
    // It never answers a ping, though the system takes everything.
    vi.spyOn(client, 'pong').mockImplementation(() => undefined);
    rig.settle(() => LARGE);
    expect(client.sent).toBe(4 * 8 * 16_000);
    rig.pass(SLOW_CLOSE / 1_000 + 1);
    expect(client.closedWith).toBe(CLOSE.SLOW);
  });

  it('is not taken for read because of pongs that answer nothing', () => {
    const rig = new Rig();
    const [client] = rig.join('room', 1, true) as [Client];
    vi.spyOn(client, 'pong').mockImplementation(() => undefined);
    rig.settle(() => LARGE);
    for (const guess of ['', '1', '0000000000000000' + '4']) {
      const payload = new Uint8Array(Buffer.from(guess)).buffer;
      expect(rig.catchUp.ponged(client.viewer, payload)).toBe(false);
    }
    rig.settle(() => LARGE);
    expect(client.sent).toBe(4 * 8 * 16_000);
  });

  it('keeps those of other rooms waiting in turns, and viewers of small steps not at all', () => {
    const rig = new Rig();
    const large = ['a', 'b', 'c'].flatMap((room) => rig.join(room, 5));
    const bytes = (room: string): number => (room === 'small' ? 1_000 : LARGE);
    rig.settle(bytes);
    expect(large.filter(({ sent }) => sent > 0).map(({ viewer }) => viewer.room)).toEqual(new Array(5).fill('a'));
    const small = rig.join('small', 50);
    rig.settle(bytes);
    expect(small.every(({ live }) => live)).toBe(true);
    for (const room of ['b', 'c']) {
      rig.pass(SLOW_CLOSE / 1_000 + 6);
      rig.settle(bytes);
      const begun = large.filter(({ sent, closedWith }) => sent > 0 && closedWith === undefined);
      expect(begun.map(({ viewer }) => viewer.room)).toEqual(new Array(5).fill(room));
    }
    // Of the others each frame was made once to learn its size, and once for all viewers that then got it.
    expect(rig.made).toBe(1 + 2 * 2);
  });

  it('that is read by a trickle is cut in bounded time', () => {
    const rig = new Rig();
    const [client] = rig.join('room', 1) as [Client];
    rig.settle(() => LARGE);
    let seconds = 0;
    while (client.closedWith === undefined && seconds < 1_000) {
      client.read(1_000);
      rig.settle(() => LARGE);
      rig.pass(1);
      seconds += 1;
    }
    expect(seconds).toBeLessThan(SLOW_CLOSE / 1_000 + LARGE / LIMITS.maxBackpressure + 2);
    expect(rig.bytes).toBe(0);
  });
});

describe('whatever viewers do', () => {
  it('the budget holds, nothing stays counted, and every viewer that reads becomes live', () => {
    const size = fc.constantFrom(0, 1_000, STEP, 2 * STEP, 130_000, 200_000, 900_000);
    const action = fc.oneof(
      fc.record({
        kind: fc.constant('join' as const),
        room: fc.nat(3),
        count: fc.integer({ min: 1, max: 12 }),
        reads: fc.boolean(),
      }),
      fc.record({ kind: fc.constant('read' as const), who: fc.nat(), bytes: fc.integer({ min: 1, max: 300_000 }) }),
      fc.record({ kind: fc.constant('leave' as const), who: fc.nat() }),
      fc.record({ kind: fc.constant('pass' as const), seconds: fc.integer({ min: 1, max: 40 }) }),
      fc.record({ kind: fc.constant('settle' as const) }),
    );
    fc.assert(
      fc.property(
        fc.array(size, { minLength: 4, maxLength: 4 }),
        fc.array(action, { maxLength: 40 }),
        (sizes, actions) => {
          const rig = new Rig();
          const bytes = (room: string): number => sizes[Number(room)] ?? 0;
          const largest = Math.max(...sizes);
          for (const step of actions) {
            const client = 'who' in step ? rig.clients[step.who % Math.max(1, rig.clients.length)] : undefined;
            if (step.kind === 'join') rig.join(String(step.room), step.count, step.reads);
            else if (step.kind === 'read') client?.read(step.bytes);
            else if (step.kind === 'leave') client?.leave();
            else if (step.kind === 'pass') rig.pass(step.seconds);
            else rig.settle(bytes);
            expect(rig.bytes).toBeLessThanOrEqual(SHARE + largest + 16_000);
            expect(rig.bytes).toBeGreaterThanOrEqual(0);
          }
          for (
            let i = 0;
            i < 400 && rig.clients.some(({ closedWith, live }) => closedWith === undefined && !live);
            i += 1
          ) {
            rig.settle(bytes);
            rig.pass(2);
            for (const client of rig.clients) client.read(500_000);
          }
          for (const { closedWith, live, mixed, viewer } of rig.clients) {
            expect(mixed).toBe(false);
            expect(closedWith !== undefined || live).toBe(true);
            expect(viewer.closed).toBe(closedWith !== undefined);
          }
          for (const client of rig.clients) client.leave();
          rig.settle(bytes);
          expect([rig.bytes, rig.waiting]).toEqual([0, 0]);
        },
      ),
      {
        numRuns: 200,
        // A large frame came, found no room for its first piece, and was asked for again and again.
        examples: [
          [
            [900_000, 200_000, 0, 130_000],
            [
              { kind: 'join', room: 0, count: 1, reads: true },
              { kind: 'join', room: 1, count: 1, reads: false },
              { kind: 'join', room: 3, count: 4, reads: false },
            ],
          ],
        ],
      },
    );
  });
});
