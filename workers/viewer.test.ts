import { describe, expect, it } from 'vitest';
import { JSON_CODEC, MSGPACK_CODEC } from '../src/frames/codec.ts';
import { PIECE_BYTES, Viewer, ViewerList, type ViewerSocket } from './viewer.ts';

/** A viewer on a socket that writes down what is called on it. */
function createViewer(): { viewer: Viewer; calls: unknown[][] } {
  const calls: unknown[][] = [];
  const note =
    (name: string) =>
    (...given: unknown[]): void => {
      calls.push([name, ...given]);
    };
  const socket = {
    send: note('send'),
    sendFirstFragment: note('first'),
    sendFragment: note('next'),
    sendLastFragment: note('last'),
    ping: note('ping'),
    end: note('end'),
    close: note('close'),
    subscribe: note('subscribe'),
    unsubscribe: note('unsubscribe'),
    getBufferedAmount: () => 7,
  };
  const viewer = new Viewer('room', MSGPACK_CODEC, { kind: 'now' });
  viewer.open(socket as unknown as ViewerSocket);
  return { viewer, calls };
}

describe('a viewer', () => {
  it('hears its welcome first, then what was said to it before, in order', () => {
    const { viewer, calls } = createViewer();
    viewer.sendText('one');
    viewer.sendText('two');
    expect(calls).toEqual([]);
    viewer.welcome('welcome');
    viewer.sendText('three');
    expect(calls.map(([, text]) => text)).toEqual(['welcome', 'one', 'two', 'three']);
  });

  it('is closed with 1008 when more than 256 messages wait for its welcome', () => {
    const { viewer, calls } = createViewer();
    for (let i = 0; i < 256; i += 1) viewer.sendText(`${i}`);
    expect(calls).toEqual([]);
    viewer.sendText('one too many');
    expect(calls).toEqual([['end', 1008, 'too many messages before they could be answered']]);
    expect(viewer.closed).toBe(true);
  });

  it('gets frames as binary messages and subscribes to the topic of its codec and room', () => {
    const { viewer, calls } = createViewer();
    const frame = new Uint8Array([1]);
    viewer.sendFrame(frame);
    viewer.subscribe();
    viewer.unsubscribe();
    expect(calls).toEqual([
      ['send', frame, true],
      ['subscribe', 'msgpack:room'],
      ['unsubscribe', 'msgpack:room'],
    ]);
    expect(viewer.point).toBeUndefined();
  });

  it('is sent a large frame in pieces, and hears nothing else before the last', () => {
    const { viewer, calls } = createViewer();
    viewer.welcome('welcome');
    const frame = Uint8Array.from({ length: 2 * PIECE_BYTES + 1 }, (_, i) => i);
    let offset = viewer.sendPiece(frame, 0);
    viewer.sendText('held');
    viewer.ping('allowed');
    offset = viewer.sendPiece(frame, offset);
    expect(viewer.sendPiece(frame, offset)).toBe(frame.length);
    viewer.sendText('free');
    expect(calls).toEqual([
      ['send', 'welcome', false],
      ['first', frame.subarray(0, PIECE_BYTES), true],
      ['ping', 'allowed'],
      ['next', frame.subarray(PIECE_BYTES, 2 * PIECE_BYTES)],
      ['last', frame.subarray(2 * PIECE_BYTES)],
      ['send', 'held', false],
      ['send', 'free', false],
    ]);
  });

  it('may be closed twice, and after that nothing reaches its socket', () => {
    const { viewer, calls } = createViewer();
    viewer.close(1012, 'restarting');
    viewer.close(4008, 'again');
    viewer.cut();
    viewer.sendText('late');
    viewer.sendFrame(new Uint8Array([1]));
    viewer.subscribe();
    expect(calls).toEqual([['end', 1012, 'restarting']]);
    expect(viewer.buffered).toBe(0);
  });

  it('that is gone leaves its socket alone', () => {
    const { viewer, calls } = createViewer();
    viewer.gone();
    viewer.close(1012, 'restarting');
    viewer.welcome('late');
    expect(calls).toEqual([]);
  });
});

function createViewers(count: number): Viewer[] {
  return Array.from({ length: count }, (_, i) => new Viewer(`room-${i}`, JSON_CODEC, { kind: 'now' }));
}

describe('the list of viewers', () => {
  it('holds the viewers that were added and not deleted, in whatever order they leave', () => {
    const list = new ViewerList();
    const viewers = createViewers(6);
    const [a, b, c, d, e, f] = viewers as [Viewer, Viewer, Viewer, Viewer, Viewer, Viewer];
    for (const viewer of viewers) list.add(viewer);
    // One in the middle, the first, the last, one that was moved to another place, the last but one, the last of all.
    for (const [leaves, left] of [
      [c, [a, b, d, e, f]],
      [a, [b, d, e, f]],
      [e, [b, d, f]],
      [f, [b, d]],
      [b, [d]],
      [d, []],
    ] as const) {
      expect(list.delete(leaves)).toBe(true);
      expect(new Set(list.all())).toEqual(new Set<Viewer>(left));
    }
  });

  it('says that one is not in it: never added, gone already, or in another list', () => {
    const list = new ViewerList();
    const other = new ViewerList();
    const [a, b, c] = createViewers(3) as [Viewer, Viewer, Viewer];
    list.add(a);
    other.add(b);
    expect([list.delete(b), list.delete(c), list.delete(a), list.delete(a)]).toEqual([false, false, true, false]);
    expect(list.all()).toEqual([]);
    expect(other.all()).toEqual([b]);
  });

  it('may lose viewers while all of them are gone through', () => {
    const list = new ViewerList();
    const viewers = createViewers(5);
    for (const viewer of viewers) list.add(viewer);
    const seen = [];
    for (const viewer of list.all()) {
      seen.push(viewer);
      list.delete(viewer);
    }
    expect(seen).toEqual(viewers);
  });
});
