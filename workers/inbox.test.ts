import type { MessagePort } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createShardCounters, ShardCounters } from '../src/counters.ts';
import { JSON_CODEC } from '../src/frames/codec.ts';
import type { FromShard, ShardLimits, ShardTurn } from '../src/shards/messages.ts';
import { Inbox } from './inbox.ts';
import { Outbox } from './outbox.ts';
import { Senders } from './senders.ts';
import { Viewer, type ViewerSocket } from './viewer.ts';

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

interface Heard {
  readonly type: string;
  readonly code?: string;
  readonly ref?: string;
  readonly first?: number;
  readonly count?: number;
}

/** A viewer on a socket that writes down what it hears. */
interface Seat {
  readonly viewer: Viewer;
  readonly heard: Heard[];
  closed: number | 'cut' | undefined;
}

function createInbox(limits: Partial<ShardLimits> = {}) {
  const turns: ShardTurn[] = [];
  const port = { postMessage: (message: FromShard) => void turns.push(message as ShardTurn) };
  const counters = new ShardCounters(createShardCounters(1), 0);
  const outbox = new Outbox(port as unknown as MessagePort);
  const senders = new Senders({ ...LIMITS, ...limits }, outbox, counters);
  const inbox = new Inbox(senders, counters);
  const seat = (room = 'room'): Seat => {
    const viewer = new Viewer(room, JSON_CODEC, { kind: 'now' });
    const seat: Seat = { viewer, heard: [], closed: undefined };
    const socket = {
      send: (text: string) => void (text.startsWith('{') && seat.heard.push(JSON.parse(text) as Heard)),
      end: (code: number) => {
        seat.closed = code;
      },
      close: () => {
        seat.closed = 'cut';
      },
    };
    viewer.open(socket as unknown as ViewerSocket);
    viewer.welcome('welcome');
    return seat;
  };
  /** What main has been handed: the texts. */
  const posted = (): string[] => turns.flatMap(({ comments }) => comments?.texts ?? []);
  return { inbox, senders, counters, seat, posted, turns };
}

type Rig = ReturnType<typeof createInbox>;

function bytesOf(text: string): ArrayBuffer {
  return new Uint8Array(Buffer.from(text)).buffer;
}

/** Hands messages over as uWebSockets.js does: one after the other, until the socket is closed. Gives how many. */
function send({ inbox }: Rig, { viewer }: Seat, messages: readonly string[], isBinary = false): number {
  for (const [i, message] of messages.entries()) {
    if (viewer.closed) return i;
    inbox.receive(viewer, bytesOf(message), isBinary);
  }
  return messages.length;
}

function comments(count: number, name = 'c'): string[] {
  return Array.from({ length: count }, (_, i) => JSON.stringify({ type: 'comment', ref: `${name}${i}`, text: name }));
}

/** One turn of the loop: what was set for it runs, what that sets runs in the next. */
function turn(): void {
  vi.advanceTimersToNextTimer();
}

function settle(): void {
  vi.runAllTimers();
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setImmediate', 'clearImmediate', 'performance'] });
});

afterEach(() => {
  vi.useRealTimers();
});

describe('messages', () => {
  it('are handled as they come while there are few', () => {
    const rig = createInbox();
    const seat = rig.seat();
    send(rig, seat, comments(256));
    settle();
    expect(rig.posted()).toHaveLength(256);
    expect(seat.heard).toEqual([]);
    expect(rig.counters.get('messagesReceived')).toBe(256);
  });

  it('that are many wait for later turns, in order, and none is lost', () => {
    const rig = createInbox({ maxPending: 10_000 });
    const seats = Array.from({ length: 130 }, () => rig.seat());
    for (const [i, seat] of seats.entries()) send(rig, seat, comments(30, `s${i}`));
    settle();
    const posted = rig.posted();
    expect(posted).toHaveLength(3_900);
    for (const [i, { viewer }] of seats.entries()) {
      expect(viewer.traffic).toMatchObject({ received: 30, unanswered: 30 });
      expect(posted.filter((text) => text === `s${i}`)).toHaveLength(30);
    }
    expect(rig.counters.get('RATE_LIMITED')).toBe(0);
  });

  it('of one that comes new are not kept waiting by a flood', () => {
    const rig = createInbox({ maxPending: 100_000 });
    const flood = Array.from({ length: 200 }, () => rig.seat());
    for (const seat of flood) send(rig, seat, comments(32, 'flood'));
    turn();
    const before = rig.posted().length;
    const calm = rig.seat('other');
    send(rig, calm, comments(1, 'calm'));
    turn();
    turn();
    expect(rig.posted().length).toBeLessThan(before + 2_100);
    expect(rig.posted()).toContain('calm');
    settle();
    expect(rig.posted()).toHaveLength(200 * 32 + 1);
  });

  it('of a viewer that has left are handed on', () => {
    const rig = createInbox();
    const others = Array.from({ length: 40 }, () => rig.seat());
    for (const seat of others) send(rig, seat, comments(128, 'other'));
    const seat = rig.seat();
    send(rig, seat, comments(3, 'goodbye'));
    seat.viewer.gone();
    settle();
    expect(rig.posted().filter((text) => text === 'goodbye')).toHaveLength(3);
  });

  it('that wait are handled at once by a flush', () => {
    const rig = createInbox();
    const seat = rig.seat();
    send(rig, seat, comments(384));
    rig.inbox.flush();
    expect(seat.viewer.traffic?.waiting).toEqual([]);
    expect(seat.viewer.traffic?.unanswered).toBe(256);
  });
});

describe('a turn', () => {
  it('handles so much and no more, whatever arrives', () => {
    const rig = createInbox({ maxPending: 1_000_000 });
    for (let i = 0; i < 200; i += 1) send(rig, rig.seat(), comments(32));
    turn();
    turn();
    const turns = rig.turns.map(({ comments }) => comments?.texts.length ?? 0);
    for (const size of turns) expect(size).toBeLessThanOrEqual(2_048 + 1_024 + 8);
  });

  it('counts bytes too', () => {
    const rig = createInbox();
    const long = JSON.stringify({ type: 'comment', text: 'x', pad: 'x'.repeat(4_000) });
    for (let i = 0; i < 40; i += 1) send(rig, rig.seat(), new Array<string>(30).fill(long));
    turn();
    expect(rig.posted().length).toBeLessThan(800);
    settle();
    expect(rig.posted()).toHaveLength(1_200);
  });
});

describe('a viewer whose messages are refused', () => {
  it('hears of each at first, and then how many were dropped', () => {
    const rig = createInbox();
    const seat = rig.seat();
    send(rig, seat, new Array<string>(40).fill('x'));
    turn();
    const told = seat.heard.filter(({ code }) => code === 'NOT_JSON');
    expect(told).toHaveLength(32);
    expect(seat.heard.slice(32)).toEqual([
      expect.objectContaining({ type: 'refused', code: 'RATE_LIMITED', first: 33, count: 8, retryAfterMs: 3_000 }),
    ]);
    expect(rig.counters.get('NOT_JSON')).toBe(32);
    expect(rig.counters.get('RATE_LIMITED')).toBe(8);
    expect(seat.closed).toBeUndefined();
  });

  it('is closed with 1008 when it goes on, long before all of a read was looked at', () => {
    const rig = createInbox();
    const seat = rig.seat();
    expect(send(rig, seat, new Array<string>(75_000).fill('x'))).toBe(48);
    expect(seat.closed).toBe(1008);
  });

  it.each([
    ['that look like objects and are none', '{x}', false],
    ['that are no objects', '[]', false],
    ['that are binary', 'x', true],
    ['that are too large', 'x'.repeat(5_000), false],
  ])('is closed with 1008 for hundreds %s', (_what, message, isBinary) => {
    const rig = createInbox();
    const seat = rig.seat();
    for (let i = 0; i < 10; i += 1) {
      send(rig, seat, new Array<string>(30).fill(message), isBinary);
      turn();
    }
    expect(seat.closed).toBe(1008);
    expect(seat.viewer.traffic?.received).toBeLessThan(100);
  });

  it('is cut without a code when dozens of others were closed just before', () => {
    const rig = createInbox();
    const flood = (): number | 'cut' | undefined => {
      const seat = rig.seat();
      send(rig, seat, new Array<string>(100).fill('x'));
      return seat.closed;
    };
    expect(Array.from({ length: 40 }, flood)).toEqual([
      ...new Array<number>(8).fill(1008),
      ...new Array<string>(32).fill('cut'),
    ]);
    expect(rig.counters.get('floodClosed')).toBe(32);
    vi.advanceTimersByTime(16_000);
    expect(flood()).toBe(1008);
  });

  it('is forgiven as time passes', () => {
    const rig = createInbox();
    const seat = rig.seat();
    for (let second = 0; second < 60; second += 1) {
      send(rig, seat, new Array<string>(16).fill('x'));
      settle();
      vi.advanceTimersByTime(1_000);
    }
    expect(seat.heard).toHaveLength(60 * 16);
    expect(seat.closed).toBeUndefined();
  });

  it('may be refused a hundred comments a second for as long as it likes', () => {
    const rig = createInbox({ maxPending: 1 });
    const seat = rig.seat();
    for (let tenth = 0; tenth < 600; tenth += 1) {
      send(rig, seat, comments(10));
      settle();
      vi.advanceTimersByTime(100);
    }
    expect(seat.heard.every(({ code }) => code === 'ROOM_BUSY')).toBe(true);
    expect(seat.heard).toHaveLength(6_000 - 1);
    expect(seat.closed).toBeUndefined();
  });

  it('may send again after retryAfterMs whatever --interval is', () => {
    const rig = createInbox({ maxPending: 1, interval: 50 });
    const seat = rig.seat();
    for (let i = 0; i < 200; i += 1) {
      send(rig, seat, comments(44));
      settle();
      vi.advanceTimersByTime(50);
    }
    expect(seat.heard.every(({ code }) => code === 'ROOM_BUSY')).toBe(true);
    expect(seat.closed).toBeUndefined();
  });

  it('hears which messages were dropped, so that with the others each has one answer', () => {
    const rig = createInbox();
    const seat = rig.seat();
    send(rig, seat, comments(400));
    settle();
    const dropped = seat.heard.filter(({ code }) => code === 'RATE_LIMITED');
    const busy = seat.heard.filter(({ code }) => code === 'BUSY').map(({ ref }) => ref);
    const named = dropped.flatMap(({ first = 0, count = 0 }) =>
      Array.from({ length: count }, (_, i) => `c${first - 1 + i}`),
    );
    expect(rig.posted()).toHaveLength(256);
    expect([...busy, ...named].sort()).toEqual(Array.from({ length: 400 - 256 }, (_, i) => `c${i + 256}`).sort());
    expect(named.length).toBeGreaterThan(0);
  });

  it('hears of those too that were dropped while they waited', () => {
    const rig = createInbox();
    const seat = rig.seat();
    send(rig, seat, [...comments(256), ...new Array<string>(60).fill('{"type":}')]);
    settle();
    const told = seat.heard.filter(({ code }) => code === 'NOT_JSON').length;
    const [dropped, ...more] = seat.heard.filter(({ code }) => code === 'RATE_LIMITED');
    expect(more).toEqual([]);
    expect(told).toBe(32);
    expect(dropped).toMatchObject({ first: 256 + told + 1, count: 60 - told });
    expect(rig.counters.get('RATE_LIMITED')).toBe(60 - told);
  });

  it('costs its share of what main refuses too', () => {
    const rig = createInbox();
    const seat = rig.seat();
    for (let round = 0; round < 20 && seat.closed === undefined; round += 1) {
      const first = rig.turns.length === 0 ? 1 : 1 + rig.posted().length;
      send(rig, seat, comments(64));
      settle();
      const failed = Array.from({ length: rig.posted().length - first + 1 }, (_, i) => ({
        number: first + i,
        code: 'ROOM_BUSY' as const,
      }));
      rig.senders.deliver({ kind: 'receipts', stored: new Float64Array(), failed });
    }
    expect(seat.closed).toBe(1008);
  });
});

describe('pings and pongs', () => {
  it('now and then cost a viewer nothing, and no memory', () => {
    const rig = createInbox();
    const seats = [rig.seat(), rig.seat()];
    for (let i = 0; i < 1_000; i += 1) {
      for (const { viewer } of seats) rig.inbox.control(viewer);
      settle();
    }
    for (const { viewer, closed } of seats) {
      expect(viewer.traffic).toBeUndefined();
      expect(closed).toBeUndefined();
    }
  });

  it('in a flood close it with 1008', () => {
    const rig = createInbox();
    const seat = rig.seat();
    let sent = 0;
    for (; sent < 10_000 && !seat.viewer.closed; sent += 1) rig.inbox.control(seat.viewer);
    expect(seat.closed).toBe(1008);
    expect(sent).toBeLessThan(100);
  });
});

describe('quotas', () => {
  /** A room's viewers send all that they may; gives what they were refused with. */
  function fill(rig: Rig, room: string, viewers: number): Set<string | undefined> {
    const codes = new Set<string | undefined>();
    for (let i = 0; i < viewers; i += 1) {
      const seat = rig.seat(room);
      send(rig, seat, comments(200));
      settle();
      for (const { code } of seat.heard) codes.add(code);
    }
    return codes;
  }

  it('nest: what one hot room takes leaves the others theirs', () => {
    const rig = createInbox();
    expect(fill(rig, 'hot', 60)).toEqual(new Set(['ROOM_BUSY']));
    // The last quarter is for viewers with fewer than two waiting.
    expect(rig.posted().length).toBeGreaterThan(3_700);
    expect(rig.posted().length).toBeLessThan(4_000);
    const quiet = rig.seat('quiet');
    send(rig, quiet, comments(200));
    settle();
    expect(quiet.heard).toEqual([]);
  });

  it('leave something to a room with nothing waiting, however many hot rooms there are', () => {
    const rig = createInbox({ maxPending: 1_000 });
    for (let room = 0; room < 20; room += 1) {
      const codes = fill(rig, `hot${room}`, 8);
      codes.delete('ROOM_BUSY');
      expect(codes).toEqual(new Set());
    }
    for (let room = 0; room < 100; room += 1) {
      const quiet = rig.seat(`quiet${room}`);
      send(rig, quiet, comments(1));
      settle();
      expect(quiet.heard).toEqual([]);
    }
  });

  it('are counted right over thousands of rooms that come and go', () => {
    const rig = createInbox({ maxPending: 4 });
    const full = Array.from({ length: 4 }, () => rig.seat('full'));
    for (const seat of full) send(rig, seat, comments(1));
    settle();
    for (let i = 0; i < 1_500; i += 1) {
      send(rig, rig.seat(`room${i}`), comments(1));
      settle();
      rig.senders.deliver({ kind: 'receipts', stored: Float64Array.of(5 + i, 1, 0), failed: [] });
    }
    for (const seat of [...full, rig.seat('full')]) {
      send(rig, seat, comments(1));
      settle();
      expect(seat.heard.at(-1)?.code).toBe('ROOM_BUSY');
    }
  });

  it('leave something to a viewer of a hot room that has nothing waiting', () => {
    const rig = createInbox();
    fill(rig, 'hot', 40);
    const calm = rig.seat('hot');
    send(rig, calm, comments(1));
    settle();
    expect(calm.heard).toEqual([]);
  });
});
