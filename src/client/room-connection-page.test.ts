import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeClock } from '../clock.fixture.ts';
import { FakeSocket } from './fake-socket.fixture.ts';
import { closeAll, open } from './room-connection.fixture.ts';

let clock: FakeClock;

beforeEach(() => {
  clock = new FakeClock();
});

afterEach(() => {
  closeAll();
  vi.unstubAllGlobals();
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

  it('looks whether the link is stale when it becomes visible: its timers may have stood still', () => {
    const { room } = open({ clock });
    FakeSocket.last.welcome(7);
    show('visible');
    expect(room.state).toBe('live');
    clock.jump(40_000);
    show('visible');
    expect(room.state).toBe('stale');
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
