import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeClock } from '../testing/clock.ts';
import {
  type AdaptedComment,
  type AdapterOptions,
  type ArtplayerLike,
  attachArtplayer,
  attachDanmaku,
  attachDPlayer,
  type DanmakuPlayer,
} from './adapters.ts';
import { EventListeners } from './event-listeners.ts';
import type { PlayableRoom } from './play-room.ts';

interface Events {
  welcome: { seq: number; interval: number; reset?: boolean };
  batch: { seq: number; comments: AdaptedComment[] };
  recall: readonly string[];
}

/** A room in the hands of a test; nothing in it is left out. */
class Room {
  readonly clock = new FakeClock();
  readonly events = new EventListeners<Events>();
  readonly options: AdapterOptions = { clock: this.clock, perSecond: 1_000_000 };

  /** A batch of comments said `spacing` ms apart, the last just now; their texts are their ids. */
  batch(seq: number, count: number, spacing = 0): void {
    const from = this.clock.now() - spacing * (count - 1);
    const plain = { mode: 'scroll', color: 0xffffff, size: 25 } as const;
    const comments = Array.from({ length: count }, (_, i) => ({
      ...plain,
      id: `${seq}.${i}`,
      text: `${seq}.${i}`,
      time: from + i * spacing,
    }));
    this.events.emit('batch', { seq, comments });
  }
}

interface Element {
  textContent: string | null;
  dir?: string;
}

/** A danmaku that never draws a frame: its comments wait, as in the real one. */
class StillDanmaku implements DanmakuPlayer {
  readonly engine: string;
  readonly comments: { text?: string; style?: object; render?: () => Element }[] = [];
  readonly _ = { position: 0 };

  constructor(engine: string) {
    this.engine = engine;
  }

  emit(comment: { text?: string; render?: () => never }): void {
    this.comments.push(comment);
  }

  get texts(): (string | null | undefined)[] {
    return this.comments.map(({ text, render }) => (render === undefined ? text : render().textContent));
  }
}

interface FakeDanmu {
  text: string;
  $ref?: Element | null;
}

/** An Artplayer whose plugin takes copies, and shows them when it is told to. */
class FakeArtplayer implements ArtplayerLike {
  readonly queue: FakeDanmu[] = [];
  readonly listeners = new Set<(danmu: FakeDanmu) => void>();
  readonly plugins = { artplayerPluginDanmuku: { emit: (danmu: FakeDanmu) => this.queue.push({ ...danmu }) } };

  on(_event: string, listener: (danmu: FakeDanmu) => void): void {
    this.listeners.add(listener);
  }

  off(_event: string, listener: (danmu: FakeDanmu) => void): void {
    this.listeners.delete(listener);
  }

  showAll(): void {
    for (const danmu of this.queue) {
      danmu.$ref = { textContent: danmu.text };
      for (const listener of this.listeners) listener(danmu);
    }
  }

  get texts(): (string | null | undefined)[] {
    return this.queue.map(({ $ref }) => $ref?.textContent);
  }
}

let room: Room;

beforeEach(() => {
  room = new Room();
  const createElement = (): object => ({ textContent: null, style: {} });
  vi.stubGlobal('document', Object.assign(new EventTarget(), { visibilityState: 'visible', createElement }));
});

afterEach(() => {
  vi.unstubAllGlobals();
});

/** What attaches a player of each kind to a room, and gives the texts that it was handed. */
const ATTACH: Record<string, (room: PlayableRoom<AdaptedComment>, options: AdapterOptions) => () => unknown[]> = {
  danmaku(from, options) {
    const player = new StillDanmaku('dom');
    attachDanmaku(player, from, options);
    return () => player.texts;
  },
  'danmaku on a canvas': (from, options) => {
    const player = new StillDanmaku('canvas');
    attachDanmaku(player, from, options);
    return () => player.texts;
  },
  DPlayer(from, options) {
    const texts: string[] = [];
    attachDPlayer({ danmaku: { draw: ({ text }) => texts.push(text) } }, from, options);
    return () => texts;
  },
  Artplayer(from, options) {
    const player = new FakeArtplayer();
    attachArtplayer(player, from, options);
    return () => player.queue.map(({ text }) => text);
  },
};

describe.each(Object.keys(ATTACH))('the adapter for %s', (name) => {
  it('never hands over a comment that is recalled while it waits for its time', async () => {
    const texts = ATTACH[name]?.(room.events, room.options);
    room.events.emit('welcome', { seq: 0, interval: 1_000 });
    room.batch(1, 3, 400);
    room.events.emit('recall', ['1.1']);
    await room.clock.advance(5_000);
    expect(texts?.()).toEqual(['1.0', '1.2']);
  });
});

describe('the adapter for danmaku', () => {
  it('hands over no more than 1,000 comments to a player that is hidden, and goes on when it is not', async () => {
    const player = new StillDanmaku('dom');
    attachDanmaku(player, room.events, room.options);
    room.events.emit('welcome', { seq: 0, interval: 1_000 });
    for (let seq = 1; seq <= 3; seq += 1) {
      room.batch(seq, 500);
      await room.clock.advance(2_000);
    }
    expect(player.comments).toHaveLength(1_000);
    player._.position = player.comments.length;
    room.batch(4, 1);
    await room.clock.advance(2_000);
    expect(player.texts).toEqual(['4.0']);
  });

  it('lets a text have its own direction, with either engine', async () => {
    const [elements, canvas] = [new StillDanmaku('dom'), new StillDanmaku('canvas')];
    for (const player of [elements, canvas]) attachDanmaku(player, room.events, room.options);
    room.events.emit('welcome', { seq: 0, interval: 1_000 });
    const plain = { mode: 'scroll', color: 0xffffff, size: 25, time: room.clock.now() } as const;
    const texts = ['שלום —', 'hello!'];
    room.events.emit('batch', { seq: 1, comments: texts.map((text, i) => ({ ...plain, id: `1.${i}`, text })) });
    await room.clock.advance(2_000);
    expect(elements.comments.map(({ render }) => render?.().dir)).toEqual(['auto', 'auto']);
    expect(canvas.comments.map(({ style }) => style)).toEqual([
      { fillStyle: '#ffffff', font: '25px sans-serif', direction: 'rtl', textAlign: 'left' },
      { fillStyle: '#ffffff', font: '25px sans-serif' },
    ]);
  });

  it('takes a recalled comment off the screen, also one that was not drawn yet', async () => {
    const player = new StillDanmaku('dom');
    attachDanmaku(player, room.events, room.options);
    room.events.emit('welcome', { seq: 0, interval: 1_000 });
    room.batch(1, 3);
    await room.clock.advance(2_000);
    const drawn = player.comments[0]?.render?.();
    room.events.emit('recall', ['1.0', '1.1', '99.0']);
    expect(drawn?.textContent).toBe('');
    expect(player.texts).toEqual(['', '', '1.2']);
  });

  it('leaves the comments of a room alone that has begun anew, whatever has their ids now', async () => {
    const player = new StillDanmaku('dom');
    attachDanmaku(player, room.events, room.options);
    room.events.emit('welcome', { seq: 0, interval: 1_000 });
    room.batch(1, 1);
    await room.clock.advance(2_000);
    room.events.emit('welcome', { seq: 1, interval: 1_000, reset: true });
    room.events.emit('recall', ['1.0']);
    expect(player.texts).toEqual(['1.0']);
  });
});

describe('the adapter for Artplayer', () => {
  it('takes a recalled comment off the screen, also one that comes there later, and no other', async () => {
    const player = new FakeArtplayer();
    const detach = attachArtplayer(player, room.events, room.options);
    room.events.emit('welcome', { seq: 0, interval: 1_000 });
    room.batch(1, 3);
    await room.clock.advance(2_000);
    player.queue.push({ text: 'of the site' });
    room.events.emit('recall', ['1.0']);
    player.showAll();
    expect(player.texts).toEqual(['', '1.1', '1.2', 'of the site']);
    room.events.emit('recall', ['1.1']);
    expect(player.texts).toEqual(['', '', '1.2', 'of the site']);
    detach();
    expect(player.listeners.size).toBe(0);
    // The video goes back, and the plugin shows all again.
    player.showAll();
    expect(player.texts).toEqual(['', '', '1.2', 'of the site']);
  });

  it('leaves nothing on the player where an option cannot be', () => {
    const player = new FakeArtplayer();
    expect(() => attachArtplayer(player, room.events, { ...room.options, backfill: -1 })).toThrow(RangeError);
    expect(player.listeners.size).toBe(0);
  });
});
