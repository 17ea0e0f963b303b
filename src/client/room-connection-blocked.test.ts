import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeClock } from '../clock.fixture.ts';
import { FakeSocket } from './fake-socket.fixture.ts';
import type { Fetch } from './handshake-report.ts';
import { closeAll, only, open } from './room-connection.fixture.ts';

let clock: FakeClock;
let asked: string[];

beforeEach(() => {
  clock = new FakeClock();
  asked = [];
});

afterEach(() => {
  closeAll();
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
