import { deflateRawSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeClock } from '../clock.fixture.ts';
import { FakeSocket } from './fake-socket.fixture.ts';
import { closeAll, only, open } from './room-connection.fixture.ts';

let clock: FakeClock;

beforeEach(() => {
  clock = new FakeClock();
});

afterEach(() => {
  closeAll();
});

function exact(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}

/** msgpack of nothing but arrays of 33 million elements: a decoder that reserves so many is at the end of the heap soon. */
function nestedArrays(bytes: number): ArrayBuffer {
  return exact(Buffer.alloc(bytes, Uint8Array.of(0xdd, 0x01, 0xff, 0xff, 0xff)));
}

describe('a server that sends too much', () => {
  it('has its link ended for a text of more than maxMessage, and is asked again as after a lost link', async () => {
    const { told } = open({ clock, maxMessage: 1_000 });
    FakeSocket.last.welcome(7);
    FakeSocket.last.batch(8, 7, ['x'.repeat(1_000)]);
    expect(only(told, 'fault')).toMatchObject([{ code: 'TOO_LARGE', message: 'a message of over 1000 bytes' }]);
    expect(FakeSocket.last.closedWith).toBe(1000);
    await clock.advance(499);
    expect(FakeSocket.made).toHaveLength(1);
    await clock.advance(1);
    expect([FakeSocket.made.length, FakeSocket.last.url.search]).toStrictEqual([2, '?since=7']);
  });

  it.each(['msgpack', 'deflate'] as const)(
    'has its link ended for as many bytes on %s, and the codec stays',
    async (codec) => {
      const { told, room } = open({ clock, codec, maxMessage: 1_000 });
      FakeSocket.last.welcome(7);
      FakeSocket.last.say(new ArrayBuffer(1_001));
      expect(only(told, 'fault')).toMatchObject([{ code: 'TOO_LARGE' }]);
      await clock.advance(500);
      expect([FakeSocket.made.length, room.codec]).toStrictEqual([2, codec]);
    },
  );

  it('has its link ended for a small message that inflates to more', async () => {
    const { told, room } = open({ clock, codec: 'deflate', maxMessage: 10_000 });
    FakeSocket.last.welcome(7);
    FakeSocket.last.say(exact(deflateRawSync(Buffer.alloc(1_000_000))));
    await vi.waitFor(() => expect(only(told, 'fault')).toMatchObject([{ code: 'TOO_LARGE' }]), { timeout: 15_000 });
    await clock.advance(500);
    expect([FakeSocket.made.length, room.codec]).toStrictEqual([2, 'deflate']);
  });

  it('has its link ended where `ws` has seen it first', async () => {
    const { told } = open({ clock });
    FakeSocket.last.welcome(7);
    FakeSocket.last.onerror?.({ error: { code: 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH' } });
    expect(only(told, 'fault')).toMatchObject([{ code: 'TOO_LARGE' }]);
  });

  it('tells `ws` how large a message may be', () => {
    open({ clock, maxMessage: 5_000 });
    expect(FakeSocket.last.options).toStrictEqual({ maxPayload: 5_000, perMessageDeflate: false });
  });

  it.each([1_000, 1_000_000])('is not believed %i bytes of arrays within arrays', (bytes) => {
    const { told } = open({ clock, codec: 'msgpack' });
    FakeSocket.last.welcome(7);
    FakeSocket.last.say(nestedArrays(bytes));
    expect(only(told, 'fault')).toMatchObject([{ code: 'UNREADABLE' }]);
  });

  it('has its link ended when over 10,000 messages wait to be inflated, and nothing is lost', async () => {
    const { told } = open({ clock, codec: 'deflate' });
    FakeSocket.last.welcome(7);
    for (let i = 0; i < 10_001; i += 1) FakeSocket.last.say(new ArrayBuffer(1));
    expect(only(told, 'fault')).toStrictEqual([]);
    FakeSocket.last.say({ type: 'presence', seq: 7, viewers: 1 });
    expect(only(told, 'fault')).toMatchObject([{ code: 'TOO_MANY_WAITING' }]);
    await clock.advance(500);
    expect([FakeSocket.made.length, FakeSocket.last.url.search]).toStrictEqual([2, '?since=7']);
  });

  it('has its link ended when twice the largest message waits to be inflated', () => {
    const { told } = open({ clock, codec: 'deflate', maxMessage: 1_000 });
    FakeSocket.last.welcome(7);
    // The first is being inflated and waits no longer.
    for (let i = 0; i < 3; i += 1) FakeSocket.last.say(new ArrayBuffer(1_000));
    expect(only(told, 'fault')).toStrictEqual([]);
    FakeSocket.last.say(new ArrayBuffer(1));
    expect(only(told, 'fault')).toMatchObject([{ code: 'TOO_MANY_WAITING' }]);
  });
});

describe('a server that leaves something out on every link', () => {
  /** Plays such a server for so many ms: a batch that fits, and one after a hole; gives the links that it was opened. */
  async function skipFor(ms: number): Promise<number> {
    let served: FakeSocket | undefined;
    for (let passed = 0; passed < ms; passed += 50) {
      for (let socket = FakeSocket.last; socket !== served; socket = FakeSocket.last) {
        served = socket;
        const since = Number(socket.url.searchParams.get('since') ?? 0);
        socket.welcome(since);
        socket.batch(since + 1, since);
        socket.batch(since + 9, since + 8);
      }
      await clock.advance(50);
    }
    return FakeSocket.made.length;
  }

  it('is asked at once twelve times, and then as often as one that is away', async () => {
    const { told } = open({ clock, random: () => 0 });
    expect(await skipFor(8_000)).toBeLessThanOrEqual(17);
    expect(only(told, 'fault')[0]).toMatchObject({ code: 'TOO_MANY_LINKS' });
  });

  it('is asked fewer than thirty times in any minute, whatever the jitter', async () => {
    open({ clock, random: () => 0 });
    let before = await skipFor(60_000);
    expect(before).toBeLessThan(30);
    for (let minute = 1; minute < 3; minute += 1) {
      const made = await skipFor(60_000);
      expect(made - before).toBeLessThan(30);
      before = made;
    }
  });

  it('is asked as seldom when it tells `skipped` each time', async () => {
    open({ clock });
    for (let i = 0; i < 600; i += 1) {
      if (FakeSocket.last.closedWith === undefined) {
        const since = Number(FakeSocket.last.url.searchParams.get('since') ?? 0);
        FakeSocket.last.welcome(since);
        FakeSocket.last.batch(since + 1, since);
        FakeSocket.last.say({ type: 'skipped' });
      }
      await clock.advance(100);
    }
    expect(FakeSocket.made.length).toBeLessThan(30);
  });
});

describe('a server that answers no comment', () => {
  it('is sent 256, and the next are refused', async () => {
    const { room } = open({ clock });
    FakeSocket.last.welcome(7);
    const sent = Array.from({ length: 256 }, () => room.send({ text: 'a' }).catch(({ code }) => code));
    expect(await room.send({ text: 'a' })).toMatchObject({ refused: 'BUSY' });
    expect(FakeSocket.last.sent).toHaveLength(256);
    FakeSocket.last.say({ type: 'ack', ref: FakeSocket.last.sent[0]?.ref, id: '8.0', seq: 8 });
    expect(await sent[0]).toStrictEqual({ id: '8.0', seq: 8 });
    sent.push(room.send({ text: 'a' }).catch(({ code }) => code));
    expect(FakeSocket.last.sent).toHaveLength(257);
    room.close();
    expect(new Set((await Promise.all(sent)).slice(1))).toStrictEqual(new Set(['CLOSED']));
  });
});
