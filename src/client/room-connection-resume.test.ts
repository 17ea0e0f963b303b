import { afterEach, beforeEach, describe, expect, it } from 'vitest';
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
