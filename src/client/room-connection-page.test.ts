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
