/** The SDK in a real browser, on its own WebSocket and DecompressionStream, against a real server. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { deflateRawSync } from 'node:zlib';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { rolldown } from 'rolldown';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { findsBrowser, openBrowser } from '../testing/browser.ts';
import { type ServerProcess, startProcess } from '../testing/server-process.ts';
import type { HandshakeReport } from './handshake-report.ts';
import type { connect } from './index.ts';
import type { WebSocketConstructor, WebSocketLike } from './link.ts';
import type { RoomConnection } from './room-connection.ts';

/** A lost link is followed after 95 s, longer than any test waits. */
const NEVER = { first: 100_000, most: 100_000 };

const ENTRY = fileURLToPath(new URL('index.ts', import.meta.url));

/** What the page of the test gives its `window`. */
interface ClientWindow {
  readonly volley: { readonly connect: typeof connect };
  room: RoomConnection;
  texts: string[];
  states: string[];
  /** WebSockets that were made. */
  sockets: number;
  /** Close codes of those that have ended. */
  codes: number[];
  reports: HandshakeReport[];
}

declare const window: ClientWindow;
declare const WebSocket: new (...args: ConstructorParameters<WebSocketConstructor>) => WebSocketLike & EventTarget;

describe.skipIf(!findsBrowser('the SDK in a browser'))('the SDK in a browser', () => {
  let browser: Browser;
  let script: string;
  let server: ServerProcess;
  let context: BrowserContext;
  let page: Page;

  beforeAll(async () => {
    const bundle = await rolldown({ input: ENTRY, logLevel: 'warn' });
    const { output } = await bundle.generate({ format: 'iife', name: 'volley' });
    await bundle.close();
    script = output[0].code;
    browser = await openBrowser();
  });

  afterAll(() => browser?.close());

  afterEach(async () => {
    await context?.close();
    await server?.stop('SIGKILL');
  });

  /** A page that watches the room `demo`. */
  async function open(backoff = NEVER, args: readonly string[] = []): Promise<void> {
    server = await startProcess(['--interval', '20', '--workers', '1', ...args]);
    await server.post('demo', [{ text: 'before' }], '?wait=stored');
    context = await browser.newContext();
    page = await context.newPage();
    await page.addScriptTag({ content: script });
    await page.evaluate(
      ([url, backoff]) => {
        class Counted extends WebSocket {
          constructor(address: string, protocols: string[]) {
            super(address, protocols);
            window.sockets += 1;
            this.addEventListener('close', (event) => window.codes.push((event as unknown as { code: number }).code));
          }
        }
        Object.assign(window, { texts: [], states: [], sockets: 0, codes: [], reports: [] });
        const options = { url, room: 'demo', history: 10, backoff, random: () => 0.9, WebSocket: Counted };
        const room = window.volley.connect(options);
        window.room = room;
        room.on('comment', ({ text }) => window.texts.push(text));
        room.on('state', (state) => window.states.push(state));
      },
      [server.viewerUrl, backoff] as const,
    );
    await seen(['before']);
  }

  /** Waits until exactly these comments have come. */
  async function seen(texts: readonly string[]): Promise<void> {
    await page.waitForFunction((count) => window.texts.length >= count, texts.length);
    expect(await page.evaluate(() => window.texts)).toStrictEqual(texts);
  }

  it('inflates what comes, and gives answers to what is sent', async () => {
    await open();
    const sent = await page.evaluate(() =>
      Promise.all([window.room.send({ text: '神之感动' }), window.room.send({ text: '' })]),
    );
    expect(sent).toMatchObject([{ id: '2.0', seq: 2 }, { refused: 'TEXT_INVALID' }]);
    await seen(['before', '神之感动']);
    expect(await page.evaluate(() => [window.room.codec, window.room.state])).toStrictEqual(['deflate', 'live']);
  });

  it('takes another link as soon as the browser is online again, and nothing is lost or doubled', async () => {
    await open();
    await context.setOffline(true);
    await server.post('demo', [{ text: 'while offline' }], '?wait=stored');
    await context.setOffline(false);
    await page.waitForFunction(() => window.states.filter((state) => state === 'live').length === 2);
    await server.post('demo', [{ text: 'after' }], '?wait=stored');
    await page.waitForFunction(() => window.texts.includes('after'));
    await seen(['before', 'while offline', 'after']);
  });

  it('is told 1012 when the server stops, and asks again', async () => {
    await open({ first: 100, most: 3_000 });
    await server.stop('SIGTERM');
    await page.waitForFunction(() => window.sockets >= 2);
    expect(await page.evaluate(() => [window.states, window.codes[0]])).toStrictEqual([['live', 'reconnecting'], 1012]);
  });

  it('tells what a page may see of a server that refuses it, and of one that is gone', async () => {
    await open();
    const ask = (url: string): Promise<HandshakeReport> =>
      page.evaluate((address) => {
        const backoff = { first: 10, most: 30 };
        const room = window.volley.connect({ url: address, room: 'demo', backoff });
        return new Promise<HandshakeReport>((told) => {
          room.on('blocked', (report) => {
            room.close();
            told(report);
          });
        });
      }, url);
    expect(await ask(`${server.viewerUrl}/elsewhere`)).toMatchObject({
      attempts: 3,
      answer: 'read',
      code: 'NOT_FOUND',
    });
    await server.stop('SIGKILL');
    expect(await ask(server.viewerUrl)).toMatchObject({ attempts: 3, answer: 'none' });
  });

  it('takes no more of a deflate bomb than a message may have', async () => {
    await open();
    const bomb = deflateRawSync(Buffer.alloc(100_000_000));
    const attacker = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    attacker.on('connection', (socket) => {
      socket.send(JSON.stringify({ type: 'welcome', room: 'demo', seq: 0, viewers: 1, interval: 1_000 }));
      socket.send(bomb);
    });
    try {
      await once(attacker, 'listening');
      const { port } = attacker.address() as AddressInfo;
      const code = await page.evaluate((url) => {
        const room = window.volley.connect({ url, room: 'demo' });
        return new Promise<string>((told) => {
          room.on('fault', (error) => {
            room.close();
            told(error.code);
          });
        });
      }, `ws://127.0.0.1:${port}`);
      expect(code).toBe('TOO_LARGE');
    } finally {
      attacker.close();
    }
  });
});
