/** The SDK in a real browser, on its own WebSocket and DecompressionStream, against a real server. */
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { rolldown } from 'rolldown';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { findsBrowser, openBrowser } from '../browser.fixture.ts';
import { type ServerProcess, startProcess } from '../server-process.fixture.ts';
import type { connect } from './index.ts';
import type { RoomConnection } from './room-connection.ts';
import type { WebSocketConstructor } from './websocket-like.ts';

const ENTRY = fileURLToPath(new URL('index.ts', import.meta.url));

/** What the page of the test gives its `window`. */
interface ClientWindow {
  readonly volley: { readonly connect: typeof connect };
  room: RoomConnection;
  texts: string[];
  states: string[];
  /** WebSockets that were made. */
  sockets: number;
}

declare const window: ClientWindow;
declare const WebSocket: WebSocketConstructor;

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
  async function open(args: readonly string[] = []): Promise<void> {
    server = await startProcess(['--interval', '20', '--workers', '1', ...args]);
    await server.post('demo', [{ text: 'before' }], '?wait=stored');
    context = await browser.newContext();
    page = await context.newPage();
    await page.addScriptTag({ content: script });
    await page.evaluate((url) => {
      class Counted extends WebSocket {
        constructor(address: string, protocols: string[]) {
          super(address, protocols);
          window.sockets += 1;
        }
      }
      Object.assign(window, { texts: [], states: [], sockets: 0 });
      // A lost link is followed after 90 s, longer than any test waits.
      const backoff = { first: 100_000, most: 100_000 };
      const options = { url, room: 'demo', history: 10, backoff, random: () => 0.9, WebSocket: Counted };
      const room = window.volley.connect(options);
      window.room = room;
      room.on('comment', ({ text }) => window.texts.push(text));
      room.on('state', (state) => window.states.push(state));
    }, server.viewerUrl);
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

  it('asks again within the second that close code 1012 stands for, not after the backoff of a lost link', async () => {
    await open();
    await server.stop('SIGTERM');
    await page.waitForFunction(() => window.sockets >= 2);
    expect(await page.evaluate(() => window.states)).toStrictEqual(['live', 'reconnecting']);
  });
});
