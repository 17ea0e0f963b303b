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
  vi.unstubAllGlobals();
});

describe('connecting', () => {
  it('asks for the room, with history and a token, on the subprotocol of the codec', () => {
    open({ clock, url: 'wss://example.test/live/', history: 50, token: 'a b', codec: 'msgpack' });
    const { url, protocol, binaryType } = FakeSocket.last;
    expect(url.href).toBe('wss://example.test/live/rooms/demo?token=a+b&history=50');
    expect([protocol, binaryType]).toStrictEqual(['volley.v1.msgpack', 'arraybuffer']);
  });

  it('takes deflate where nothing is said, and msgpack where it cannot be inflated', () => {
    expect(open({ clock, codec: undefined }).room.codec).toBe('deflate');
    vi.stubGlobal('DecompressionStream', undefined);
    expect(open({ clock, codec: undefined }).room.codec).toBe('msgpack');
    expect(open({ clock, codec: 'deflate' }).room.codec).toBe('msgpack');
    expect(FakeSocket.last.protocol).toBe('volley.v1.msgpack');
  });

  it.each([
    { room: 'a room' },
    { room: '..' },
    { room: '' },
    { url: 'http://127.0.0.1' },
    { url: 'nonsense' },
    { since: -1 },
    { history: 0.5 },
    { codec: 'xml' as 'json' },
    { staleAfter: 0 },
    { staleAfter: Number.NaN },
    { backoff: { first: 0, most: 1_000 } },
    { backoff: { first: 2_000, most: 1_000 } },
  ])('throws OPTION_INVALID at %j', (options) => {
    expect(() => open({ clock, ...options })).toThrow(expect.objectContaining({ code: 'OPTION_INVALID' }));
    expect(FakeSocket.made).toHaveLength(0);
  });

  it('throws NO_WEBSOCKET where there is none', () => {
    vi.stubGlobal('WebSocket', undefined);
    expect(() => open({ clock, WebSocket: undefined })).toThrow(expect.objectContaining({ code: 'NO_WEBSOCKET' }));
  });

  it('is live with the welcome', () => {
    const { room, told } = open({ clock });
    expect(room.state).toBe('connecting');
    FakeSocket.last.welcome(7, { viewers: 3 });
    expect([room.state, room.last, room.viewers]).toStrictEqual(['live', 7, 3]);
    expect(told.map(([name]) => name)).toStrictEqual(['state', 'welcome', 'viewers']);
  });

  it('takes nothing before the welcome: a link that begins otherwise is given up', async () => {
    const { room, told } = open({ clock });
    FakeSocket.last.batch(8, 7);
    expect([room.last, room.state, FakeSocket.last.closedWith]).toStrictEqual([undefined, 'reconnecting', 1000]);
    await clock.advance(500);
    FakeSocket.last.welcome(8);
    expect(told.map(([name]) => name)).toStrictEqual(['state', 'state', 'welcome', 'viewers']);
  });
});

describe('what is told', () => {
  it('is a batch with absolute times, then its comments', () => {
    const { told, room } = open({ clock });
    FakeSocket.last.welcome(7);
    FakeSocket.last.batch(8, 7, ['a', 'b']);
    const [batch] = only(told, 'batch');
    expect(batch).toMatchObject({ seq: 8, prev: 7, at: 1_000, viewers: 1 });
    expect(batch?.comments.map(({ text, time }) => [text, time])).toStrictEqual([
      ['a', 1_000],
      ['b', 1_001],
    ]);
    expect(only(told, 'comment')).toStrictEqual(batch?.comments);
    expect(told.slice(-3).map(([name]) => name)).toStrictEqual(['batch', 'comment', 'comment']);
    expect(room.last).toBe(8);
  });

  it('is how many watch, when it has changed', () => {
    const { told, room } = open({ clock });
    FakeSocket.last.welcome(7, { viewers: 3 });
    FakeSocket.last.say({ type: 'presence', seq: 7, viewers: 3 });
    FakeSocket.last.say({ type: 'presence', seq: 7, viewers: 9 });
    expect(only(told, 'viewers')).toStrictEqual([3, 9]);
    expect(room.viewers).toBe(9);
  });

  it('is a recall, a refusal that belongs to nothing, and no message of a later version', () => {
    const { told } = open({ clock });
    FakeSocket.last.welcome(7);
    const refused = { type: 'refused', code: 'BUSY', message: 'why' };
    for (const message of [{ type: 'recall', ids: ['7.0'] }, refused, { type: 'later' }]) FakeSocket.last.say(message);
    expect(told.slice(3)).toStrictEqual([
      ['recall', ['7.0']],
      ['refused', refused],
    ]);
  });

  it('is a gap of the welcome, after which the next batch fits', () => {
    const { told, room } = open({ clock, since: 2 });
    FakeSocket.last.welcome(9, { gap: { from: 3, to: 6 } });
    FakeSocket.last.batch(7, 6);
    expect(only(told, 'gap')).toStrictEqual([{ from: 3, to: 6 }]);
    expect([room.last, FakeSocket.made.length]).toStrictEqual([7, 1]);
  });

  it('is nothing twice: duplicates are counted, and of a batch that is partly known the rest is told', () => {
    const { told, room } = open({ clock, since: 4 });
    FakeSocket.last.welcome(6);
    FakeSocket.last.batch(5, 4);
    FakeSocket.last.batch(5, 4);
    const [one] = only(told, 'comment');
    const comments = ['5.0', '6.0'].map((id) => ({ ...one, id, at: 1 }));
    FakeSocket.last.say({ type: 'batch', seq: 6, prev: 4, at: 1_000, viewers: 1, comments });
    expect(only(told, 'comment').map(({ id }) => id)).toStrictEqual(['5.0', '6.0']);
    expect(only(told, 'batch').map(({ seq, prev }) => [seq, prev])).toStrictEqual([
      [5, 4],
      [6, 5],
    ]);
    expect(room.duplicates).toBe(1);
  });

  it('ends where a listener closes the connection', async () => {
    const { room, told } = open({ clock });
    const loop = (async () => {
      const texts: string[] = [];
      for await (const { text } of room) texts.push(text);
      return texts;
    })();
    FakeSocket.last.welcome(7);
    room.on('comment', ({ text }) => {
      if (text === 'b') room.close();
    });
    FakeSocket.last.batch(8, 7, ['a', 'b', 'c']);
    expect(only(told, 'comment').map(({ text }) => text)).toStrictEqual(['a', 'b']);
    expect(told.at(-1)).toStrictEqual(['state', 'closed']);
    expect(await loop).toStrictEqual(['a']);
    expect(FakeSocket.last.closedWith).toBe(1000);
    expect(clock.timers).toBe(0);
  });
});

describe('loops over the comments', () => {
  it('have a buffer each; leaving one ends neither the other nor the connection', async () => {
    const { room } = open({ clock });
    const other = room[Symbol.asyncIterator]();
    FakeSocket.last.welcome(0);
    const left = (async () => {
      for await (const { text } of room) return text;
      return undefined;
    })();
    FakeSocket.last.batch(1, 0, ['a', 'b']);
    expect(await left).toBe('a');
    FakeSocket.last.batch(2, 1, ['c']);
    const texts = [await other.next(), await other.next(), await other.next()].map(({ value }) => value?.text);
    expect(texts).toStrictEqual(['a', 'b', 'c']);
    expect(room.state).toBe('live');
  });

  it('lose the oldest beyond 10,000, which is counted', async () => {
    const { room } = open({ clock });
    const loop = room[Symbol.asyncIterator]();
    FakeSocket.last.welcome(0);
    const texts = Array.from({ length: 10_003 }, (_, i) => `${i}`);
    FakeSocket.last.batch(1, 0, texts);
    expect(room.overflow).toBe(3);
    expect((await loop.next()).value?.text).toBe('3');
  });

  it('are over at once on a closed connection', async () => {
    const { room } = open({ clock });
    room.close();
    for await (const _ of room) expect.unreachable();
    expect(room.state).toBe('closed');
  });
});
