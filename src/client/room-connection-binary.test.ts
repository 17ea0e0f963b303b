import { deflateRawSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeClock, settle } from '../clock.fixture.ts';
import { encodeBatch } from '../frames/batch.ts';
import { encodeMsgpackFrame } from '../frames/codecs.ts';
import { FakeSocket } from './fake-socket.fixture.ts';
import { inflate } from './frame-decoder.ts';
import { closeAll, only, open } from './room-connection.fixture.ts';

let clock: FakeClock;

beforeEach(() => {
  clock = new FakeClock();
});

afterEach(() => {
  closeAll();
  vi.unstubAllGlobals();
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
