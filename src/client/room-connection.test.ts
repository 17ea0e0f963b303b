import { deflateRawSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { encodeBatch } from '../frames/batch.ts';
import { encodeMsgpackFrame } from '../frames/codecs.ts';
import { FakeClock, settle } from '../testing/clock.ts';
import { FakeSocket } from './fake-socket.fixture.ts';
import { inflate } from './frame-decoder.ts';
import type { Fetch } from './handshake-report.ts';
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

describe('coming back', () => {
  it('resumes after the last batch, within the backoff', async () => {
    const { room, told } = open({ clock });
    FakeSocket.last.welcome(7);
    FakeSocket.last.batch(8, 7);
    for (const pause of [500, 2_500, 7_500]) {
      FakeSocket.last.end(1006);
      expect(room.state).toBe('reconnecting');
      const made = FakeSocket.made.length;
      await clock.advance(pause - 1);
      expect(FakeSocket.made).toHaveLength(made);
      await clock.advance(1);
      expect(FakeSocket.made).toHaveLength(made + 1);
      expect(FakeSocket.last.url.search).toBe('?since=8');
    }
    FakeSocket.last.welcome(8);
    FakeSocket.last.end(1006);
    expect(only(told, 'state')).toStrictEqual(['live', 'reconnecting', 'live', 'reconnecting']);
  });

  it('asks less and less where every link dies soon after its welcome, whatever it has brought', async () => {
    open({ clock });
    FakeSocket.last.welcome(0);
    for (const [i, pause] of [500, 2_500, 7_500, 7_500, 7_500].entries()) {
      FakeSocket.last.batch(i + 1, i);
      await clock.advance(4_999);
      FakeSocket.last.end(1006);
      await clock.advance(pause - 1);
      expect(FakeSocket.made).toHaveLength(i + 1);
      await clock.advance(1);
      expect(FakeSocket.made).toHaveLength(i + 2);
      FakeSocket.last.welcome(i + 1);
    }
  });

  it('comes back soon again once a link has held for five seconds', async () => {
    open({ clock });
    for (const pause of [500, 2_500, 7_500]) {
      FakeSocket.last.end(1006);
      await clock.advance(pause);
    }
    FakeSocket.last.welcome(7);
    await clock.advance(5_000);
    FakeSocket.last.end(1006);
    await clock.advance(500);
    expect(FakeSocket.made).toHaveLength(5);
  });

  it('follows a first handshake that was refused as well', async () => {
    const { room } = open({ clock, history: 5 });
    FakeSocket.last.end(1006);
    await clock.advance(500);
    expect([FakeSocket.made.length, FakeSocket.last.url.search]).toStrictEqual([2, '?history=5']);
    FakeSocket.last.welcome(0);
    expect(room.state).toBe('live');
  });

  it.each([
    [1012, 2_500],
    [4008, 500],
    [1008, 30_000],
    [4001, 30_000],
  ])('waits after close code %i for %i ms, and keeps the codec', async (code, pause) => {
    open({ clock, codec: 'deflate', random: () => 0.5 });
    FakeSocket.last.welcome(7);
    FakeSocket.last.end(code);
    await clock.advance(pause - 1);
    expect(FakeSocket.made).toHaveLength(1);
    await clock.advance(1);
    expect(FakeSocket.made).toHaveLength(2);
    expect(FakeSocket.last.protocol).toBe('volley.v1.msgpack.deflate');
  });

  it('forgets the last batch when the room has begun anew', async () => {
    const { room, told } = open({ clock, since: 40 });
    FakeSocket.last.welcome(2, { reset: true });
    FakeSocket.last.batch(1, 0);
    FakeSocket.last.batch(2, 1);
    expect(room.last).toBe(2);
    expect(only(told, 'welcome')[0]?.reset).toBe(true);
    expect(only(told, 'comment')).toHaveLength(2);
  });

  it('goes at once to another link for batches that are missing, drops the rest of this one, and loses nothing', () => {
    const { told } = open({ clock });
    FakeSocket.last.welcome(7);
    FakeSocket.last.batch(8, 7, ['8']);
    const old = FakeSocket.last;
    old.batch(11, 10, ['11']);
    old.batch(12, 11, ['12']);
    expect([FakeSocket.made.length, FakeSocket.last.url.search, old.closedWith]).toStrictEqual([2, '?since=8', 1000]);
    FakeSocket.last.welcome(12);
    FakeSocket.last.batch(10, 8, ['10']);
    FakeSocket.last.batch(12, 10, ['11', '12']);
    expect(only(told, 'comment').map(({ text }) => text)).toStrictEqual(['8', '10', '11', '12']);
    expect(only(told, 'gap')).toStrictEqual([]);
  });

  it('tells of a gap where the next link has the same batches missing', async () => {
    const { told, room } = open({ clock });
    FakeSocket.last.welcome(7);
    FakeSocket.last.batch(11, 10);
    await clock.advance(500);
    expect(FakeSocket.last.url.search).toBe('?since=7');
    FakeSocket.last.welcome(11);
    FakeSocket.last.batch(11, 10);
    expect(only(told, 'gap')).toStrictEqual([{ from: 8, to: 10 }]);
    expect([room.last, room.state, FakeSocket.made.length]).toStrictEqual([11, 'live', 2]);
  });

  it('resumes when a presence is ahead', () => {
    open({ clock });
    FakeSocket.last.welcome(7);
    FakeSocket.last.batch(8, 7);
    FakeSocket.last.say({ type: 'presence', seq: 9, viewers: 1 });
    expect([FakeSocket.made.length, FakeSocket.last.url.search]).toStrictEqual([2, '?since=8']);
  });

  it('resumes within a second when messages were skipped, answers perhaps among them', async () => {
    const { room, told } = open({ clock });
    FakeSocket.last.welcome(7);
    FakeSocket.last.batch(8, 7);
    const sent = room.send({ text: 'a' });
    FakeSocket.last.say({ type: 'skipped' });
    await expect(sent).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    expect(only(told, 'skipped')).toHaveLength(1);
    expect(FakeSocket.made).toHaveLength(1);
    await clock.advance(1_000);
    expect(FakeSocket.made).toHaveLength(2);
  });

  it('does not hammer a server that has messages skipped on every link', async () => {
    open({ clock });
    FakeSocket.last.welcome(7);
    FakeSocket.last.say({ type: 'skipped' });
    expect(FakeSocket.made).toHaveLength(1);
    await clock.advance(500);
    expect(FakeSocket.made).toHaveLength(2);
  });
});

describe('a history', () => {
  it('is exactly as many comments as were asked for, told when all of it has come, and then what is new', () => {
    const { room, told } = open({ clock, history: 3 });
    FakeSocket.last.welcome(8);
    FakeSocket.last.batch(7, 6, ['a', 'b', 'c', 'd']);
    expect([told.filter(([name]) => name === 'batch' || name === 'comment'), room.last]).toStrictEqual([[], 7]);
    FakeSocket.last.batch(8, 7, ['e']);
    FakeSocket.last.batch(9, 8, ['f']);
    expect(only(told, 'comment').map(({ text }) => text)).toStrictEqual(['c', 'd', 'e', 'f']);
    expect(only(told, 'batch').map(({ seq, comments }) => [seq, comments.length])).toStrictEqual([
      [7, 2],
      [8, 1],
      [9, 1],
    ]);
  });

  it('goes to loops as it is told', async () => {
    const { room } = open({ clock, history: 1 });
    const loop = room[Symbol.asyncIterator]();
    FakeSocket.last.welcome(7);
    FakeSocket.last.batch(7, 6, ['a', 'b']);
    expect((await loop.next()).value?.text).toBe('b');
  });

  it('is as long where it takes two links', async () => {
    const { told } = open({ clock, history: 3 });
    FakeSocket.last.welcome(8);
    FakeSocket.last.batch(7, 6, ['a', 'b', 'c', 'd']);
    FakeSocket.last.end(1006);
    await clock.advance(500);
    expect(FakeSocket.last.url.search).toBe('?since=7');
    FakeSocket.last.welcome(9);
    FakeSocket.last.batch(8, 7, ['e']);
    FakeSocket.last.batch(9, 8, ['f']);
    expect(only(told, 'comment').map(({ text }) => text)).toStrictEqual(['c', 'd', 'e', 'f']);
  });

  it('is told before the gap that its rest has become', async () => {
    const { told } = open({ clock, history: 3 });
    FakeSocket.last.welcome(8);
    FakeSocket.last.batch(7, 6, ['a', 'b']);
    FakeSocket.last.end(1006);
    await clock.advance(500);
    FakeSocket.last.welcome(8, { gap: { from: 8, to: 8 } });
    const names = told.map(([name]) => name).filter((name) => name === 'comment' || name === 'gap');
    expect(names).toStrictEqual(['comment', 'comment', 'gap']);
  });

  it('has nothing of a room that has begun anew meanwhile', async () => {
    const { told } = open({ clock, history: 3 });
    FakeSocket.last.welcome(8);
    FakeSocket.last.batch(7, 6, ['a']);
    FakeSocket.last.end(1006);
    await clock.advance(500);
    FakeSocket.last.welcome(1, { reset: true });
    FakeSocket.last.batch(1, 0, ['z']);
    expect(only(told, 'comment').map(({ text }) => text)).toStrictEqual(['z']);
  });

  it('does not cut what a resume brings', () => {
    const { told } = open({ clock, history: 1, since: 6 });
    FakeSocket.last.welcome(8);
    FakeSocket.last.batch(7, 6, ['a', 'b']);
    FakeSocket.last.batch(8, 7, ['c']);
    expect(only(told, 'comment').map(({ text }) => text)).toStrictEqual(['a', 'b', 'c']);
  });
});

describe('a link on which nothing is heard', () => {
  it('is stale after a while, closed, and followed by another', async () => {
    const { room, told } = open({ clock, staleAfter: 40_000 });
    FakeSocket.last.welcome(7);
    await clock.advance(39_999);
    FakeSocket.last.say({ type: 'presence', seq: 7, viewers: 1 });
    await clock.advance(39_999);
    expect(room.state).toBe('live');
    await clock.advance(1);
    expect([room.state, FakeSocket.last.closedWith]).toStrictEqual(['stale', 1000]);
    await clock.advance(500);
    expect([FakeSocket.made.length, room.state]).toStrictEqual([2, 'reconnecting']);
    FakeSocket.last.welcome(7);
    expect(only(told, 'state')).toStrictEqual(['live', 'stale', 'reconnecting', 'live']);
  });

  it('is given up in the handshake too', async () => {
    const { room } = open({ clock, staleAfter: 5_000 });
    await clock.advance(5_500);
    expect([FakeSocket.made.length, room.state]).toStrictEqual([2, 'reconnecting']);
  });
});

describe('sending', () => {
  it('gives the ack, or the refusal as a value', async () => {
    const { room, told } = open({ clock });
    FakeSocket.last.welcome(7);
    const stored = room.send({ text: 'a', mode: 'top', color: 255, size: 30, extra: 'gift:1', name: 'Ana' });
    const refused = room.send({ text: '' });
    const [first, second] = FakeSocket.last.sent;
    expect(first).toStrictEqual({
      type: 'comment',
      ref: first?.ref,
      text: 'a',
      mode: 'top',
      color: 255,
      size: 30,
      extra: 'gift:1',
      name: 'Ana',
    });
    FakeSocket.last.say({ type: 'refused', ref: second?.ref, code: 'TEXT_INVALID', message: 'why' });
    FakeSocket.last.say({ type: 'ack', ref: first?.ref, id: '8.0', seq: 8 });
    expect(await stored).toStrictEqual({ id: '8.0', seq: 8 });
    expect(await refused).toStrictEqual({ refused: 'TEXT_INVALID', message: 'why' });
    expect(only(told, 'refused')).toStrictEqual([]);
  });

  it('rejects NOT_CONNECTED where there is no link, and the comment is not sent later', async () => {
    const { room } = open({ clock });
    await expect(room.send({ text: 'a' })).rejects.toMatchObject({ code: 'NOT_CONNECTED' });
    // Open, but not welcome yet.
    FakeSocket.last.readyState = 1;
    await expect(room.send({ text: 'a' })).rejects.toMatchObject({ code: 'NOT_CONNECTED' });
    FakeSocket.last.welcome(7);
    FakeSocket.last.end(1006);
    await expect(room.send({ text: 'a' })).rejects.toMatchObject({ code: 'NOT_CONNECTED' });
    await clock.advance(500);
    FakeSocket.last.welcome(7);
    expect(FakeSocket.made.flatMap(({ sent }) => sent)).toStrictEqual([]);
  });

  it('rejects CONNECTION_LOST when the link is lost before the answer, and does not send it again', async () => {
    const { room } = open({ clock });
    FakeSocket.last.welcome(7);
    const sent = room.send({ text: 'a' });
    FakeSocket.last.end(1006);
    await expect(sent).rejects.toMatchObject({ name: 'VolleyClientError', code: 'CONNECTION_LOST' });
    await clock.advance(500);
    FakeSocket.last.welcome(7);
    expect(FakeSocket.last.sent).toStrictEqual([]);
  });

  it('rejects CLOSED at close, and after it', async () => {
    const { room } = open({ clock });
    FakeSocket.last.welcome(7);
    const sent = room.send({ text: 'a' });
    room.close();
    room.close();
    await expect(sent).rejects.toMatchObject({ code: 'CLOSED' });
    await expect(room.send({ text: 'b' })).rejects.toMatchObject({ code: 'CLOSED' });
  });

  it('refuses by itself what would cost the link', async () => {
    const { room } = open({ clock });
    FakeSocket.last.welcome(7);
    expect(await room.send({ text: '弹'.repeat(30_000) })).toMatchObject({ refused: 'TOO_LARGE' });
    expect(FakeSocket.last.sent).toStrictEqual([]);
  });
});

/** A deflated or plain frame of one comment. */
function frame(seq: number, prev: number, text: string, deflated = true): ArrayBuffer {
  const draft = { text, mode: 0, color: 0, size: 25, user: '', name: '', extra: '', at: 1_000 };
  const bytes = encodeMsgpackFrame([{ seq, prev, bytes: encodeBatch([draft]).bytes }], 1);
  return Uint8Array.from(deflated ? deflateRawSync(bytes) : bytes).buffer;
}

describe('binary batches', () => {
  it('are inflated in the order in which they came, what is text among them', async () => {
    const { room, told } = open({ clock, codec: 'deflate' });
    FakeSocket.last.welcome(0);
    const sent = room.send({ text: 'mine' });
    for (let seq = 1; seq <= 5; seq += 1)
      FakeSocket.last.say(frame(seq, seq - 1, `${seq}`.repeat(seq % 2 ? 5_000 : 1)));
    FakeSocket.last.say({ type: 'recall', ids: ['5.0'] });
    FakeSocket.last.say({ type: 'ack', ref: FakeSocket.last.sent[0]?.ref, id: '5.0', seq: 5 });
    // The close was read after all this: what came before it counts, the ack above all.
    FakeSocket.last.end(1012);
    expect(await sent).toStrictEqual({ id: '5.0', seq: 5 });
    await vi.waitFor(() => expect(room.state).toBe('reconnecting'));
    expect(only(told, 'comment').map(({ text }) => text[0])).toStrictEqual(['1', '2', '3', '4', '5']);
    expect(told.slice(-2).map(([name]) => name)).toStrictEqual(['recall', 'state']);
  });

  it('fall back to msgpack for good when they cannot be inflated, and nothing is lost', async () => {
    const { room, told } = open({ clock, codec: 'deflate' });
    FakeSocket.last.welcome(0);
    FakeSocket.last.say(frame(1, 0, 'one'));
    FakeSocket.last.say(Uint8Array.of(0xff, 0xff, 0xff).buffer);
    FakeSocket.last.say(frame(3, 2, 'three'));
    await vi.waitFor(() => expect(only(told, 'fault')).toHaveLength(1));
    await clock.advance(0);
    expect([FakeSocket.last.protocol, FakeSocket.last.url.search]).toStrictEqual(['volley.v1.msgpack', '?since=1']);
    FakeSocket.last.welcome(3);
    FakeSocket.last.say(frame(2, 1, 'two', false));
    FakeSocket.last.say(frame(3, 2, 'three', false));
    expect(only(told, 'comment').map(({ text }) => text)).toStrictEqual(['one', 'two', 'three']);
    FakeSocket.last.end(1006);
    await clock.advance(500);
    expect([FakeSocket.last.protocol, room.codec]).toStrictEqual(['volley.v1.msgpack', 'msgpack']);
  });

  it('fall back from msgpack to JSON; and what is not readable even then is not asked for soon', async () => {
    const { told } = open({ clock, codec: 'msgpack' });
    FakeSocket.last.welcome(0);
    FakeSocket.last.say(Uint8Array.of(0xc1).buffer);
    await clock.advance(0);
    expect(FakeSocket.last.protocol).toBe('volley.v1.json');
    FakeSocket.last.welcome(0);
    FakeSocket.last.say('nonsense');
    await clock.advance(29_999);
    expect(FakeSocket.made).toHaveLength(2);
    await clock.advance(1);
    expect(FakeSocket.made).toHaveLength(3);
    expect(only(told, 'fault')).toHaveLength(2);
  });

  it('are not told any more once the connection is closed while they are inflated', async () => {
    const { room, told } = open({ clock, codec: 'deflate' });
    FakeSocket.last.welcome(0);
    const bytes = frame(1, 0, 'one'.repeat(1_000));
    FakeSocket.last.say(bytes);
    room.close();
    // Begun after the link's own, so it is ready after it.
    await inflate(bytes, 1_000_000);
    await settle();
    expect(only(told, 'comment')).toStrictEqual([]);
  });

  it('are not taken from a link that was given up while they were inflated', async () => {
    const page = new EventTarget();
    vi.stubGlobal('addEventListener', page.addEventListener.bind(page));
    vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page));
    const { room, told } = open({ clock, codec: 'deflate' });
    FakeSocket.last.welcome(0);
    const bytes = frame(1, 0, 'one'.repeat(1_000));
    FakeSocket.last.say(bytes);
    for (const type of ['offline', 'online']) page.dispatchEvent(new Event(type));
    await inflate(bytes, 1_000_000);
    await settle();
    await clock.advance(1_000);
    expect([FakeSocket.made.length, room.last, only(told, 'comment')]).toStrictEqual([2, 0, []]);
  });
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

describe('a machine that sleeps', () => {
  it('has another link within two seconds of waking up, and misses nothing', async () => {
    const { room, told } = open({ clock });
    FakeSocket.last.welcome(7);
    await clock.advance(1_000);
    clock.sleep(8 * 3_600_000);
    expect(room.state).toBe('live');
    await clock.advance(2_000);
    expect([FakeSocket.made.length, FakeSocket.last.url.search]).toStrictEqual([2, '?since=7']);
    FakeSocket.last.welcome(9);
    FakeSocket.last.batch(9, 7);
    expect(only(told, 'comment').map(({ id }) => id)).toStrictEqual(['9.0']);
  });

  it('does not sit out a pause that had begun before', async () => {
    open({ clock, random: () => 0.999 });
    for (const pause of [1_000, 5_000]) {
      FakeSocket.last.end(1006);
      await clock.advance(pause);
    }
    FakeSocket.last.end(1006);
    const made = FakeSocket.made.length;
    clock.sleep(60_000);
    await clock.advance(2_000);
    expect(FakeSocket.made).toHaveLength(made + 1);
  });

  it('keeps its link when it has slept for less than five seconds, or its clock was set back', async () => {
    open({ clock });
    FakeSocket.last.welcome(7);
    for (const ms of [5_000, -3_600_000]) {
      clock.sleep(ms);
      await clock.advance(4_000);
    }
    expect(FakeSocket.made).toHaveLength(1);
  });

  it('has no timer left once the connection is closed', async () => {
    const { room } = open({ clock });
    FakeSocket.last.welcome(7);
    await clock.advance(10_000);
    room.close();
    expect(clock.timers).toBe(0);
  });
});

describe('in a page', () => {
  const page = Object.assign(new EventTarget(), {
    document: Object.assign(new EventTarget(), { visibilityState: '' }),
  });

  beforeEach(() => {
    vi.stubGlobal('addEventListener', page.addEventListener.bind(page));
    vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page));
    vi.stubGlobal('document', page.document);
  });

  function show(state: 'visible' | 'hidden'): void {
    page.document.visibilityState = state;
    page.document.dispatchEvent(new Event('visibilitychange'));
  }

  it('connects at once when the browser is online again, and only once', async () => {
    open({ clock });
    FakeSocket.last.welcome(7);
    FakeSocket.last.end(1006);
    page.dispatchEvent(new Event('offline'));
    page.dispatchEvent(new Event('online'));
    expect(FakeSocket.made).toHaveLength(2);
    await clock.advance(30_000);
    expect(FakeSocket.made).toHaveLength(2);
  });

  it('takes another link for one that was open while the browser was offline', () => {
    open({ clock });
    FakeSocket.last.welcome(7);
    page.dispatchEvent(new Event('online'));
    expect(FakeSocket.made).toHaveLength(1);
    page.dispatchEvent(new Event('offline'));
    page.dispatchEvent(new Event('online'));
    expect([FakeSocket.made.length, FakeSocket.last.url.search]).toStrictEqual([2, '?since=7']);
    page.dispatchEvent(new Event('online'));
    expect(FakeSocket.made).toHaveLength(2);
  });

  it('connects at once when it becomes visible after its link has died', () => {
    open({ clock });
    FakeSocket.last.welcome(7);
    FakeSocket.last.end(1006);
    show('hidden');
    expect(FakeSocket.made).toHaveLength(1);
    show('visible');
    expect(FakeSocket.made).toHaveLength(2);
  });

  it.each([1008, 4001])('keeps the pause that close code %i asks for, whatever the browser tells', async (code) => {
    open({ clock });
    FakeSocket.last.welcome(7);
    FakeSocket.last.end(code);
    page.dispatchEvent(new Event('offline'));
    page.dispatchEvent(new Event('online'));
    show('hidden');
    show('visible');
    await clock.advance(29_999);
    expect(FakeSocket.made).toHaveLength(1);
    await clock.advance(1);
    expect(FakeSocket.made).toHaveLength(2);
    // That pause is over: the next one is of this side's choice.
    FakeSocket.last.end(1006);
    show('visible');
    expect(FakeSocket.made).toHaveLength(3);
  });

  it.each(['visible', 'online'])('takes another link at once when it is %s after nothing ran for over 5 s', (event) => {
    const { room } = open({ clock });
    const tell = (): unknown => (event === 'online' ? page.dispatchEvent(new Event(event)) : show('visible'));
    FakeSocket.last.welcome(7);
    clock.jump(7_000);
    tell();
    expect([room.state, FakeSocket.made.length]).toStrictEqual(['live', 1]);
    clock.jump(7_001);
    tell();
    expect([room.state, FakeSocket.made.length]).toStrictEqual(['reconnecting', 2]);
  });

  it('keeps a link that was heard while the page could not run', () => {
    const { room } = open({ clock });
    FakeSocket.last.welcome(7);
    clock.jump(60_000);
    FakeSocket.last.say({ type: 'presence', seq: 7, viewers: 1 });
    show('visible');
    expect([room.state, FakeSocket.made.length]).toStrictEqual(['live', 1]);
  });

  it('keeps a link that is quiet while the page runs, until it is stale', async () => {
    const { room } = open({ clock });
    FakeSocket.last.welcome(7);
    await clock.advance(39_000);
    show('visible');
    expect([room.state, FakeSocket.made.length]).toStrictEqual(['live', 1]);
    await clock.advance(1_000);
    expect(room.state).toBe('stale');
  });

  it('is caught up at once when it is visible or online after the machine has slept', () => {
    open({ clock });
    FakeSocket.last.welcome(7);
    clock.sleep(6_000);
    show('visible');
    expect([FakeSocket.made.length, FakeSocket.last.url.search]).toStrictEqual([2, '?since=7']);
    clock.sleep(6_000);
    page.dispatchEvent(new Event('online'));
    expect(FakeSocket.made).toHaveLength(3);
  });

  it('does not open more than twelve links a minute, however often it comes and goes', async () => {
    open({ clock });
    FakeSocket.last.welcome(7);
    for (let i = 0; i < 100; i += 1) {
      page.dispatchEvent(new Event('offline'));
      page.dispatchEvent(new Event('online'));
    }
    expect(FakeSocket.made).toHaveLength(13);
    await clock.advance(60_000);
    page.dispatchEvent(new Event('offline'));
    page.dispatchEvent(new Event('online'));
    expect(FakeSocket.made.length).toBeGreaterThan(13);
  });

  it('hears nothing of the page once it is closed', () => {
    const { room } = open({ clock });
    FakeSocket.last.end(1006);
    room.close();
    page.dispatchEvent(new Event('offline'));
    page.dispatchEvent(new Event('online'));
    show('visible');
    expect(FakeSocket.made).toHaveLength(1);
  });
});

let asked: string[] = [];

beforeEach(() => {
  asked = [];
});

/** A fetch that gives these answers by mode; where there is none, it fails as a browser's does. */
function answers(byMode: { readonly [mode in 'cors' | 'no-cors']?: Response }): Fetch {
  return async (url, { mode }) => {
    asked.push(`${mode} ${url}`);
    const response = byMode[mode];
    if (response === undefined) throw new TypeError('Failed to fetch');
    return response.clone();
  };
}

const NOBODY = answers({});

function answer(status: number): Fetch {
  return answers({ cors: new Response('', { status }) });
}

function problem(status: number, code: string, detail: string): Response {
  const body = JSON.stringify({ type: 'about:blank', status, code, detail });
  const headers = { 'content-type': 'application/problem+json', 'content-length': `${body.length}` };
  return new Response(body, { status, headers });
}

/** Refuses so many handshakes, one after the other. */
async function refuse(times: number): Promise<void> {
  for (let i = 0; i < times; i += 1) {
    FakeSocket.last.end(1006);
    await clock.advance(30_000);
  }
}

describe('handshakes that are refused', () => {
  it('are told after three in a row, with the server’s own reason', async () => {
    const { told } = open({
      clock,
      since: 7,
      fetch: answers({ cors: problem(401, 'TOKEN_INVALID', 'the token is too old') }),
    });
    await refuse(2);
    expect(only(told, 'blocked')).toStrictEqual([]);
    await refuse(1);
    expect(asked).toStrictEqual(['cors http://127.0.0.1:9000/rooms/demo?since=7']);
    expect(only(told, 'blocked')).toStrictEqual([
      {
        attempts: 3,
        answer: 'read',
        status: 401,
        code: 'TOKEN_INVALID',
        message: '127.0.0.1:9000 answers 401 TOKEN_INVALID: the token is too old',
      },
    ]);
  });

  it('are told again each time that there were twice as many', async () => {
    const { told } = open({ clock, fetch: answer(403) });
    await refuse(25);
    expect(only(told, 'blocked').map(({ attempts, message }) => [attempts, message])).toStrictEqual(
      [3, 6, 12, 24].map((attempts) => [attempts, '127.0.0.1:9000 answers 403']),
    );
  });

  it('slow the attempts down to one in 15 to 30 s where the server is there', async () => {
    open({ clock, fetch: answer(431) });
    for (const pause of [500, 2_500, 7_500, 22_500, 22_500]) {
      FakeSocket.last.end(1006);
      const made = FakeSocket.made.length;
      await clock.advance(pause - 1);
      expect(FakeSocket.made).toHaveLength(made);
      await clock.advance(1);
      expect(FakeSocket.made).toHaveLength(made + 1);
    }
  });

  it.each([
    ['nobody answers', NOBODY],
    ['a proxy answers 502', answer(502)],
  ])('do not slow them down where %s, for a server that restarts comes back', async (_, fetch) => {
    open({ clock, fetch });
    await refuse(20);
    FakeSocket.last.end(1006);
    const made = FakeSocket.made.length;
    await clock.advance(7_500);
    expect(FakeSocket.made).toHaveLength(made + 1);
  });

  it('slow them down after six where the page may not see the answer: it may have been a proxy’s until then', async () => {
    const { told } = open({ clock, fetch: answers({ 'no-cors': new Response('') }) });
    for (const [i, pause] of [500, 2_500, 7_500, 7_500, 7_500, 7_500, 22_500].entries()) {
      FakeSocket.last.end(1006);
      await clock.advance(pause);
      expect(FakeSocket.made, `after ${i + 1}`).toHaveLength(i + 2);
    }
    expect(asked.slice(0, 2)).toStrictEqual([
      'cors http://127.0.0.1:9000/rooms/demo',
      'no-cors http://127.0.0.1:9000/healthz',
    ]);
    expect(only(told, 'blocked').at(-1)).toMatchObject({ attempts: 6, answer: 'hidden' });
  });

  it('are told as such where nobody answers, or a page may not ask', async () => {
    const { told } = open({ clock, url: 'wss://example.test/live', fetch: NOBODY });
    await refuse(3);
    expect(asked).toStrictEqual([
      'cors https://example.test/live/rooms/demo',
      'no-cors https://example.test/live/healthz',
    ]);
    const message = 'nobody answers at example.test, or this page may not ask';
    expect(only(told, 'blocked')).toStrictEqual([{ attempts: 3, answer: 'none', message }]);
  });

  it('say what may stand between, where the server would take the room', async () => {
    const { told } = open({
      clock,
      fetch: answers({ cors: problem(426, 'UPGRADE_REQUIRED', 'a room is a WebSocket') }),
    });
    await refuse(3);
    expect(only(told, 'blocked')[0]).toMatchObject({
      status: 426,
      message: expect.stringContaining('a proxy before it'),
    });
  });

  it('are told without the reason where the answer is not small JSON, and it is not read', async () => {
    const text = vi.fn(() => Promise.resolve('{}'));
    const huge = {
      status: 403,
      headers: new Headers({ 'content-type': 'application/json', 'content-length': '4097' }),
      text,
    };
    const { told } = open({ clock, fetch: () => Promise.resolve(huge) });
    await refuse(3);
    expect(only(told, 'blocked')).toStrictEqual([
      { attempts: 3, answer: 'read', status: 403, message: '127.0.0.1:9000 answers 403' },
    ]);
    expect(text).not.toHaveBeenCalled();
  });

  it('count from nothing again once one was accepted, and the pauses are short again', async () => {
    const { told } = open({ clock, fetch: answer(403) });
    await refuse(3);
    FakeSocket.last.welcome(7);
    await clock.advance(5_000);
    await refuse(1);
    FakeSocket.last.end(1006);
    const made = FakeSocket.made.length;
    await clock.advance(2_500);
    expect([FakeSocket.made.length, only(told, 'blocked').length]).toStrictEqual([made + 1, 1]);
  });

  it('are not those of a server that accepts, and then closes', async () => {
    const { told } = open({ clock, fetch: answer(403) });
    for (let i = 0; i < 5; i += 1) {
      FakeSocket.last.accept();
      await refuse(1);
    }
    expect([asked, only(told, 'blocked')]).toStrictEqual([[], []]);
  });

  it('are told when the server does not answer within ten seconds either', async () => {
    const fetch: Fetch = (_, { signal: given }) => {
      const signal = given as AbortSignal;
      return new Promise((_resolve, reject) => {
        if (signal.aborted) reject(signal.reason);
        signal.addEventListener('abort', () => reject(signal.reason));
      });
    };
    const { told } = open({ clock, fetch });
    for (const pause of [500, 2_500, 9_999]) {
      FakeSocket.last.end(1006);
      await clock.advance(pause);
    }
    expect(only(told, 'blocked')).toStrictEqual([]);
    await clock.advance(1);
    expect(only(told, 'blocked')).toMatchObject([{ attempts: 3, answer: 'none' }]);
  });

  it('are not asked about any more once the connection is closed', async () => {
    let signal: AbortSignal | undefined;
    const fetch: Fetch = (_, options) => {
      signal = options.signal as AbortSignal;
      return new Promise(() => {});
    };
    const { room } = open({ clock, fetch });
    await refuse(3);
    expect(signal?.aborted).toBe(true);
    FakeSocket.last.end(1006);
    room.close();
    expect([signal?.aborted, clock.timers]).toStrictEqual([true, 0]);
  });
});
