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
