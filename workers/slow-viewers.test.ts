import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createShardCounters, ShardCounters } from '../src/counters.ts';
import { CODECS, type CodecName } from '../src/frames/codec.ts';
import type { ShardLimits } from '../src/shards/messages.ts';
import { frame, handshake, OPCODE, RawClient } from '../src/testing/raw-client.ts';
import { ServerHere } from '../src/testing/server-here.ts';
import { type RunningServer, type ServerProcess, startProcess } from '../src/testing/server-process.ts';
import { ViewerClient } from '../src/testing/viewer-client.ts';
import { SlowViewers } from './slow-viewers.ts';
import { Viewer, type ViewerSocket } from './viewer.ts';

/** A push of these is about 0.86 MB as JSON and as msgpack: a few of them fill every buffer of the kernel's. */
const A_PUSH = 150;
const LIMITS = ['--max-text', '2000', '--max-batch', '200', '--interval', '20', '--memory-bytes', '33554432'];

async function join(server: RunningServer, codec: CodecName = 'json', query = ''): Promise<ViewerClient> {
  const viewer = new ViewerClient(server.viewerUrl, 'big', { codec, query });
  await viewer.welcome();
  return viewer;
}

/** Viewers that stop reading once they are welcome. */
async function joinAndPause(server: RunningServer, count: number): Promise<ViewerClient[]> {
  const viewers = await Promise.all(Array.from({ length: count }, () => join(server)));
  for (const { socket } of viewers) socket.pause();
  return viewers;
}

let posted = 0;

/** Pushes large batches and waits after each until `readers` have it, which are those that read. */
async function pushLarge(server: RunningServer, pushes: number, readers: readonly ViewerClient[]): Promise<void> {
  for (let i = 0; i < pushes; i += 1) {
    const seen = readers.map(({ comments }) => comments.length);
    const batch = Array.from({ length: A_PUSH }, () => {
      posted += 1;
      return { text: `${posted} ${'弹'.repeat(1_900)}` };
    });
    expect(await server.post('big', batch, '?wait=stored')).toMatchObject({ status: 201, body: { refused: [] } });
    await Promise.all(
      readers.map((reader, place) => reader.until(() => reader.comments.length === (seen[place] ?? 0) + A_PUSH)),
    );
  }
}

function drops(server: RunningServer, reason: 'backpressure' | 'skipped' | 'slow_close'): Promise<number> {
  return server.metric('volley_drops_total', `reason="${reason}"`);
}

/** Pushes until `count` more messages than at the beginning were dropped. */
async function pushUntilDropped(server: RunningServer, count: number, readers: readonly ViewerClient[]): Promise<void> {
  const before = await drops(server, 'backpressure');
  while ((await drops(server, 'backpressure')) < before + count) await pushLarge(server, 1, readers);
}

/** The numbers that the texts of a viewer's comments begin with. */
function numbers(viewer: ViewerClient): number[] {
  return viewer.comments.map(({ text }) => Number.parseInt(text, 10));
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

describe('a viewer that does not read', () => {
  let server: ServerProcess;

  beforeAll(async () => {
    server = await startProcess([...LIMITS, '--workers', '2']);
  });

  afterAll(async () => {
    expect(await server.stop()).toBe(0);
  });

  it('costs the others nothing, hears that it was skipped, and can fetch what it missed', async () => {
    const first = posted + 1;
    const readers = [
      await join(server),
      await join(server, 'msgpack'),
      await join(server, 'deflate'),
      await join(server),
    ];
    const [slow] = (await joinAndPause(server, 1)) as [ViewerClient];
    await pushUntilDropped(server, 3, readers);
    for (const reader of readers) {
      expect(reader.faults).toEqual([]);
      expect(numbers(reader)).toEqual(range(first, posted));
      expect(reader.messages.some(({ type }) => type === 'skipped')).toBe(false);
    }

    const newest = readers[0]?.seq ?? 0;
    slow.socket.resume();
    await slow.message(({ type }) => type === 'skipped');
    // What had been buffered came first, whole and in order.
    const reached = slow.seq;
    const read = slow.comments.length;
    expect(reached).toBeLessThan(newest);
    expect(slow.faults).toEqual([]);
    expect(numbers(slow)).toEqual(range(first, first + read - 1));
    expect(await drops(server, 'skipped')).toBe(1);

    await pushLarge(server, 1, [...readers, slow]);
    expect(slow.messages.at(-1)).toMatchObject({ type: 'batch', prev: newest });
    expect(slow.faults).toEqual([`prev ${newest} after seq ${reached}`]);
    expect(slow.messages.filter(({ type }) => type === 'skipped')).toHaveLength(1);

    const again = await join(server, 'deflate', `?since=${reached}`);
    await again.until(() => again.seq === readers[0]?.seq);
    expect(again.messages[0]).not.toHaveProperty('gap');
    expect(again.faults).toEqual([]);
    expect(numbers(again)).toEqual(range(first + read, posted));
    await Promise.all([...readers, slow, again].map((viewer) => viewer.close()));
  });

  it('does not grow the server’s memory', async () => {
    const reader = await join(server, 'msgpack');
    const slow = await joinAndPause(server, 10);
    await pushUntilDropped(server, 10, [reader]);
    const before = await server.metric('process_resident_memory_bytes');
    await pushLarge(server, 40, [reader]);
    const grown = (await server.metric('process_resident_memory_bytes')) - before;
    // Kept for each of the ten, 40 pushes would be 344 MB; the store fills up to 32 MiB.
    expect(grown / 1_048_576).toBeLessThan(172);
    expect(await drops(server, 'backpressure')).toBeGreaterThanOrEqual(400);
    expect(reader.faults).toEqual([]);
    for (const { socket } of slow) socket.terminate();
    await reader.close();
  });

  it('counts as a viewer no longer once it is gone, paused or not', async () => {
    const slow = await joinAndPause(server, 3);
    await pushUntilDropped(server, 3, []);
    expect(await server.metric('volley_viewers')).toBe(3);
    for (const { socket } of slow) socket.terminate();
    await vi.waitFor(async () => expect(await server.metric('volley_viewers')).toBe(0), { timeout: 10_000 });
  });
});

describe('a viewer that does not read for --slow-close', () => {
  let server: ServerHere;

  beforeAll(async () => {
    server = await ServerHere.start([...LIMITS, '--workers', '1', '--slow-close', '1500']);
  });

  afterAll(async () => {
    await server.stop();
  });

  async function slowClosed(count: number): Promise<void> {
    await vi.waitFor(async () => expect(await drops(server, 'slow_close')).toBe(count), { timeout: 10_000 });
  }

  it('is taken off the room and counted, and the others go on', async () => {
    const reader = await join(server);
    const slow = await joinAndPause(server, 2);
    await pushUntilDropped(server, 2, [reader]);
    await slowClosed(2);
    // Cut some seconds later, when they have had time to read why.
    await vi.waitFor(async () => expect(await server.metric('volley_viewers')).toBe(1), { timeout: 20_000 });
    const dropped = await drops(server, 'backpressure');
    await pushLarge(server, 2, [reader]);
    expect(await drops(server, 'backpressure')).toBe(dropped);
    expect(reader.faults).toEqual([]);
    for (const { socket } of slow) socket.terminate();
    await reader.close();
  });

  it('finds close code 4008 after what was buffered, when it reads again', async () => {
    const before = await drops(server, 'slow_close');
    const reader = await join(server);
    const [slow] = (await joinAndPause(server, 1)) as [ViewerClient];
    await pushUntilDropped(server, 1, [reader]);
    await slowClosed(before + 1);
    slow.socket.resume();
    expect(await slow.closed).toEqual({ code: 4008, reason: 'reads too slowly' });
    expect(slow.faults).toEqual([]);
    expect(slow.comments.length % A_PUSH).toBe(0);
    await reader.close();
  });
});

describe('a viewer that catches up on a batch of megabytes', () => {
  const GRACE = 2_000;
  let server: ServerProcess;

  beforeAll(async () => {
    server = await startProcess([...LIMITS, '--workers', '1', '--slow-close', String(GRACE), '--idle-timeout', '8']);
    await pushLarge(server, 2, []);
  });

  afterAll(async () => {
    expect(await server.stop()).toBe(0);
  });

  it('gets it whole, whatever the codec, comments meanwhile, and is live after it', async () => {
    const viewers = CODECS.map((codec) => new ViewerClient(server.viewerUrl, 'big', { codec, query: '?since=0' }));
    for (const { socket } of viewers) {
      socket.once('open', () => socket.send(JSON.stringify({ type: 'comment', ref: 'early', text: 'early' })));
    }
    const newest = posted;
    for (const viewer of viewers) {
      expect(await viewer.message(({ type }) => type === 'ack')).toMatchObject({ ref: 'early' });
      await viewer.until(() => numbers(viewer).includes(newest));
    }
    await server.post('big', { text: 'live' });
    for (const viewer of viewers) {
      await viewer.until(() => viewer.comments.at(-1)?.text === 'live');
      expect(viewer.faults).toEqual([]);
      expect(numbers(viewer).filter((number) => number > 0)).toEqual(range(newest - 2 * A_PUSH + 1, newest));
      await viewer.close();
    }
  });

  it('and reads nothing of it is closed after --slow-close, though it answers with pongs; memory stays', async () => {
    const before = await server.metric('process_resident_memory_bytes');
    const closes = await drops(server, 'slow_close');
    const clients = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const client = new RawClient(server.viewerUrl);
        client.socket.pause();
        client.send(handshake('/rooms/big?since=0'));
        await client.connected;
        return client;
      }),
    );
    const pongs = setInterval(() => {
      for (const client of clients) client.send(frame(OPCODE.pong, ''));
    }, 500);
    await vi.waitFor(async () => expect(await drops(server, 'slow_close')).toBe(closes + 100), 25_000);
    clearInterval(pongs);
    // The batches are 0.86 MB each: held for every one of these viewers they would be 170 MB.
    expect((await server.metric('process_resident_memory_bytes')) - before).toBeLessThan(60 * 1_048_576);
    expect(await server.metric('volley_catch_up_bytes')).toBe(0);
    expect(await server.metric('volley_viewers')).toBe(0);
    for (const { socket } of clients) socket.destroy();
  });
});

describe('a viewer that one large message alone puts over the limit', () => {
  /** A viewer with `buffered` bytes unread, and what its shard does about it. */
  function createSlow(buffered: number) {
    const calls: unknown[][] = [];
    const seat = { buffered };
    const socket = {
      getBufferedAmount: () => seat.buffered,
      send: (text: string) => void calls.push(['send', text]),
      unsubscribe: () => void calls.push(['unsubscribe']),
      end: (code: number) => void calls.push(['end', code]),
      close: () => void calls.push(['close']),
    };
    const viewer = new Viewer('room', 0, { kind: 'now' });
    viewer.open(socket as unknown as ViewerSocket);
    viewer.welcome('welcome');
    calls.length = 0;
    const counters = new ShardCounters(createShardCounters(1), 0);
    const limits = { maxBackpressure: 65_536, slowClose: 30_000 } as ShardLimits;
    return { viewer, seat, calls, counters, slow: new SlowViewers(limits, counters) };
  }

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['performance'] });
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  it('is closed after --slow-close, though nothing was dropped', () => {
    const { viewer, calls, counters, slow } = createSlow(3_000_000);
    slow.look([viewer]);
    vi.advanceTimersByTime(29_000);
    slow.sweep();
    expect(calls).toEqual([]);
    vi.advanceTimersByTime(1_000);
    slow.sweep();
    expect(calls).toEqual([['unsubscribe']]);
    expect(counters.get('closed')).toBe(1);
    vi.advanceTimersByTime(5_000);
    slow.sweep();
    expect(calls).toEqual([['unsubscribe'], ['close']]);
  });

  it('that reads it in time hears nothing of it', () => {
    const { viewer, seat, calls, slow } = createSlow(3_000_000);
    slow.look([viewer]);
    seat.buffered = 32_768;
    slow.drained(viewer);
    vi.advanceTimersByTime(60_000);
    slow.sweep();
    expect(calls).toEqual([]);
  });

  it('that missed something meanwhile hears so', () => {
    const { viewer, seat, calls, slow } = createSlow(3_000_000);
    slow.look([viewer]);
    slow.dropped(viewer);
    seat.buffered = 0;
    slow.drained(viewer);
    expect(calls).toEqual([['send', '{"type":"skipped"}']]);
  });
});
