import { afterEach, describe, expect, it, vi } from 'vitest';
import { FakeClock } from '../testing/clock.ts';
import { EventListeners } from './event-listeners.ts';
import { type PlayRoomOptions, playRoom } from './play-room.ts';
import type { Playable } from './playout.ts';

interface Events {
  welcome: { seq: number; interval: number; reset?: boolean };
  batch: { seq: number; comments: Playable[] };
  recall: readonly string[];
}

/** A room that is played, and what is shown of it. */
class Play {
  readonly clock = new FakeClock();
  readonly room = new EventListeners<Events>();
  readonly shown: string[] = [];
  readonly played;

  constructor(options: Partial<PlayRoomOptions> = {}) {
    this.played = playRoom(this.room, { show: ({ id }) => this.shown.push(id), clock: this.clock, ...options });
  }

  /** A batch of comments that were said just now, `spacing` ms apart. */
  batch(seq: number, ids: readonly string[], spacing = 0): void {
    const from = this.clock.now() - spacing * (ids.length - 1);
    this.room.emit('batch', { seq, comments: ids.map((id, i) => ({ id, time: from + i * spacing })) });
  }
}

describe('a room that is played', () => {
  it('shows what is new and not what was there before', async () => {
    const play = new Play();
    play.room.emit('welcome', { seq: 7, interval: 1_000 });
    play.batch(7, ['7.0']);
    play.batch(8, ['8.0']);
    await play.clock.advance(5_000);
    expect(play.shown).toEqual(['8.0']);
    expect(play.played.playout.dropped).toBe(0);
  });

  it('shows what is said after the room has begun anew, whose seqs are lower', async () => {
    const play = new Play();
    play.room.emit('welcome', { seq: 600, interval: 1_000 });
    play.batch(601, ['601.0']);
    await play.clock.advance(5_000);
    play.room.emit('welcome', { seq: 1, interval: 1_000, reset: true });
    play.batch(2, ['2.0']);
    await play.clock.advance(5_000);
    expect(play.shown).toEqual(['601.0', '2.0']);
    expect(play.played.playout.dropped).toBe(0);
  });

  it('shows what was there before where that is asked for', async () => {
    const play = new Play({ backfill: true });
    play.room.emit('welcome', { seq: 7, interval: 1_000 });
    play.batch(7, ['5.0', '6.0', '7.0'], 60_000);
    await play.clock.advance(5_000);
    play.batch(8, ['8.0']);
    expect(play.shown).toEqual(['5.0', '6.0', '7.0', '8.0']);
  });

  it('shows the newest of it where so many are asked for, in however many batches they come', async () => {
    const play = new Play({ backfill: 3 });
    play.room.emit('welcome', { seq: 7, interval: 1_000 });
    play.batch(5, ['4.0', '5.0'], 60_000);
    play.batch(6, ['6.0', '6.1']);
    await play.clock.advance(1_000);
    expect(play.shown).toEqual([]);
    play.room.emit('recall', ['6.1']);
    play.batch(7, ['7.0']);
    await play.clock.advance(1_000);
    expect(play.shown).toEqual(['5.0', '6.0', '7.0']);
    play.batch(8, ['8.0']);
    await play.clock.advance(5_000);
    expect(play.shown).toEqual(['5.0', '6.0', '7.0', '8.0']);
    expect(play.played.playout.dropped).toBe(0);
  });

  it('shows what there is of it before what is new, where its end does not come', async () => {
    const play = new Play({ backfill: 2 });
    play.room.emit('welcome', { seq: 7, interval: 1_000 });
    play.batch(5, ['4.0', '5.0']);
    // What was in batch 7 is recalled; the message that reaches past it has the end of history too.
    play.batch(8, ['6.0', '8.0']);
    await play.clock.advance(5_000);
    expect(play.shown).toEqual(['5.0', '6.0', '8.0']);
    expect(play.played.playout.dropped).toBe(0);
  });

  it.each([100, 60_000])('shows none of it that comes with what is new, %i ms apart', async (spacing) => {
    const play = new Play();
    play.room.emit('welcome', { seq: 7, interval: 1_000 });
    play.batch(9, ['5.0', '6.0', '7.0', '9.0'], spacing);
    await play.clock.advance(5_000);
    play.batch(10, ['10.0']);
    await play.clock.advance(5_000);
    expect(play.shown).toEqual(['9.0', '10.0']);
    expect(play.played.playout.dropped).toBe(0);
  });

  it('shows the newest of it before what is new, where both come in one message', async () => {
    const play = new Play({ backfill: 3 });
    play.room.emit('welcome', { seq: 7, interval: 1_000 });
    play.batch(4, ['3.0', '4.0']);
    play.batch(9, ['5.0', '6.0', '7.0', '8.0', '9.0'], 100);
    await play.clock.advance(5_000);
    expect(play.shown).toEqual(['5.0', '6.0', '7.0', '8.0', '9.0']);
    expect(play.played.playout.dropped).toBe(0);
  });

  it('takes comments whose ids are not ours for what their batch is', async () => {
    const play = new Play({ backfill: 1 });
    play.room.emit('welcome', { seq: 7, interval: 1_000 });
    play.batch(7, ['a', '1']);
    play.batch(9, ['b', '2']);
    await play.clock.advance(5_000);
    expect(play.shown).toEqual(['1', 'b', '2']);
  });

  it('shows none of it where the room begins anew before its end', async () => {
    const play = new Play({ backfill: true });
    play.room.emit('welcome', { seq: 7, interval: 1_000 });
    play.batch(6, ['6.0']);
    play.room.emit('welcome', { seq: 2, interval: 1_000, reset: true });
    play.batch(2, ['2.0']);
    await play.clock.advance(5_000);
    expect(play.shown).toEqual(['2.0']);
  });

  it.each([-1, 0.5, Number.NaN])('takes no backfill of %d comments', (backfill) => {
    expect(() => new Play({ backfill })).toThrow(RangeError);
  });

  it('shows what was missed over a reconnect', async () => {
    const play = new Play();
    play.room.emit('welcome', { seq: 7, interval: 1_000 });
    play.batch(8, ['8.0']);
    play.room.emit('welcome', { seq: 10, interval: 1_000 });
    play.batch(10, ['9.0', '10.0'], 500);
    await play.clock.advance(5_000);
    expect(play.shown).toEqual(['8.0', '9.0', '10.0']);
  });

  it('that was connected before shows what was missed over a reconnect too', async () => {
    const clock = new FakeClock();
    const room = Object.assign(new EventListeners<Events>(), { state: 'live', last: 7 });
    const shown: string[] = [];
    playRoom(room, { show: ({ id }) => shown.push(id), clock });
    room.emit('welcome', { seq: 8, interval: 1_000 });
    room.emit('batch', { seq: 8, comments: [{ id: '8.0', time: clock.now() }] });
    expect(shown).toEqual(['8.0']);
  });

  it('never shows what is recalled before it was shown', async () => {
    const play = new Play();
    play.room.emit('welcome', { seq: 0, interval: 1_000 });
    play.batch(1, ['1.0', '1.1', '1.2'], 400);
    play.room.emit('recall', ['1.1', '99.0']);
    await play.clock.advance(5_000);
    expect(play.shown).toEqual(['1.0', '1.2']);
  });

  it('takes its interval from the welcome, unless it was given one', async () => {
    for (const [options, waited] of [
      [{}, 5_000],
      [{ interval: 1_000 }, 1_250],
    ] as const) {
      const play = new Play(options);
      play.room.emit('welcome', { seq: 0, interval: 4_000 });
      // A room that has been going on: its newest comment waits for an interval and the slack.
      play.batch(1, ['1.0', '1.1', '1.2'], 600);
      await play.clock.advance(waited - 1);
      expect(play.shown).not.toContain('1.2');
      await play.clock.advance(2);
      expect(play.shown).toContain('1.2');
    }
  });

  it('shows nothing more once it is detached, and sets no timer', async () => {
    const play = new Play();
    play.room.emit('welcome', { seq: 0, interval: 1_000 });
    play.batch(1, ['1.0', '1.1'], 900);
    play.played.detach();
    play.batch(2, ['2.0']);
    await play.clock.advance(5_000);
    expect(play.shown).toEqual([]);
    expect(play.clock.timers).toBe(0);
  });
});

describe('a page that nobody can see', () => {
  afterEach(() => {
    vi.unstubAllGlobals();
  });

  it('shows nothing and sets no timer, and goes on with the last seconds when it is seen again', async () => {
    const page = Object.assign(new EventTarget(), { visibilityState: 'hidden' });
    vi.stubGlobal('document', page);
    const play = new Play();
    play.room.emit('welcome', { seq: 0, interval: 1_000 });
    for (let seq = 1; seq <= 20; seq += 1) {
      play.batch(seq, [`${seq}.0`, `${seq}.1`], 500);
      expect(play.clock.timers).toBe(0);
      await play.clock.advance(1_000);
    }
    expect(play.shown).toEqual([]);
    page.visibilityState = 'visible';
    page.dispatchEvent(new Event('visibilitychange'));
    await play.clock.advance(5_000);
    expect(play.shown.at(-1)).toBe('20.1');
    expect(play.shown.length).toBeLessThanOrEqual(8);
    expect(play.shown.length + play.played.playout.dropped).toBe(40);

    play.played.detach();
    page.visibilityState = 'hidden';
    page.dispatchEvent(new Event('visibilitychange'));
    page.visibilityState = 'visible';
    page.dispatchEvent(new Event('visibilitychange'));
    expect(play.clock.timers).toBe(0);
  });
});
