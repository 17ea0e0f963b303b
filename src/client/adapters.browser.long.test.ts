/** The real players in a real browser, fed by the SDK's bundle from a real server. */
import { mkdtemp, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { bundle } from '../../scripts/bundle.ts';
import { findsBrowser, openBrowser } from '../browser.fixture.ts';
import { type ServerProcess, startProcess } from '../server-process.fixture.ts';
import { type PlayerKind, startAdapterSite } from './adapter-site.fixture.ts';

const ATTACK = '<img src=x onerror="window.attacks = 1">';
const ODD = `'&lt;' & "弹幕" </b>`;
const COMMENTS = [
  { text: ATTACK, mode: 'top', color: 0x00ff7f },
  { text: ODD, color: 0x0a0b0c, size: 40 },
  { text: 'black', mode: 'bottom', color: 0 },
];

/** A comment on the screen. */
interface Seen {
  readonly text: string;
  readonly color: string;
  readonly size: string;
  /** Elements that were made of the text. */
  readonly elements: number;
  /** Its left and top edge, and the middle of it, px from those of the player. */
  readonly left: number;
  readonly top: number;
  readonly middle: number;
}

interface Look {
  readonly textContent: string | null;
  readonly childElementCount: number;
  getBoundingClientRect(): { readonly left: number; readonly top: number; readonly width: number };
}

/** What the page of the test gives its `window`. */
declare const window: {
  readonly ready?: boolean;
  readonly attacks: number;
  readonly drawn: { readonly text: string; readonly color: string; readonly size: string }[];
  readonly stage: { querySelectorAll(selector: string): Iterable<Look> };
  readonly player: { readonly comments: unknown[]; emit(comment: object): void };
  readonly detach: () => void;
  readonly room: { on(event: 'batch', listener: () => void): void };
  getComputedStyle(element: Look): { readonly color: string; readonly fontSize: string };
};

describe.skipIf(!findsBrowser('the players'))('an adapter', () => {
  let browser: Browser;
  let site: Server;
  let server: ServerProcess;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'volley-bundle-'));
    await bundle(folder);
    site = await startAdapterSite(folder);
    browser = await openBrowser();
    server = await startProcess(['--workers', '1']);
  });

  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
  });

  afterAll(async () => {
    await Promise.all([browser?.close(), server?.stop()]);
    site?.closeAllConnections();
    site?.close();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  async function openPlayer(kind: PlayerKind): Promise<Page> {
    const page = await (await browser.newContext()).newPage();
    const query = new URLSearchParams({ url: server.viewerUrl, room: kind });
    await page.goto(`http://127.0.0.1:${(site.address() as AddressInfo).port}/${kind}?${query}`);
    await page.waitForFunction(() => window.ready === true);
    return page;
  }

  /** Posts the comments, and gives how each looks once it is on the screen. */
  async function seeAll(page: Page, kind: PlayerKind): Promise<Seen[]> {
    await server.post(kind, COMMENTS);
    const seen: Seen[] = [];
    for (const { text } of COMMENTS) {
      // Innermost: the one element whose whole text it is.
      const handle = await page.waitForFunction((wanted) => {
        const found = [...window.stage.querySelectorAll('*')].filter(({ textContent }) => textContent === wanted);
        return found.at(-1) ?? null;
      }, text);
      seen.push(
        await handle.evaluate((node) => {
          const element = node as Look;
          const { color, fontSize } = window.getComputedStyle(element);
          const { left, top, width } = element.getBoundingClientRect();
          const elements = element.childElementCount;
          return {
            text: element.textContent ?? '',
            color,
            size: fontSize,
            elements,
            left,
            top,
            middle: left + width / 2,
          };
        }),
      );
    }
    expect(seen.map(({ elements }) => elements)).toEqual([0, 0, 0]);
    expect(await page.evaluate(() => window.attacks)).toBe(0);
    return seen;
  }

  /** The first stands at the top, the last at the bottom, both in the middle; the second does not. */
  function expectModes(seen: readonly Seen[]): void {
    const [top, scroll, bottom] = seen;
    expect(top?.middle).toBeGreaterThan(390);
    expect(top?.middle).toBeLessThan(430);
    expect(top?.top).toBeLessThan(100);
    expect(bottom?.middle).toBeGreaterThan(390);
    expect(bottom?.middle).toBeLessThan(430);
    expect(bottom?.top).toBeGreaterThan(200);
    expect(scroll?.left).not.toBe(top?.left);
  }

  it('shows comments on danmaku as text, with their colours, sizes and modes', async () => {
    const page = await openPlayer('danmaku');
    const seen = await seeAll(page, 'danmaku');
    expect(seen.map(({ color }) => color)).toEqual(['rgb(0, 255, 127)', 'rgb(10, 11, 12)', 'rgb(0, 0, 0)']);
    expect(seen.map(({ size }) => size)).toEqual(['25px', '40px', '25px']);
    expectModes(seen);
  });

  it('shows them on danmaku’s canvas', async () => {
    const page = await openPlayer('danmaku-canvas');
    await server.post('danmaku-canvas', COMMENTS);
    await page.waitForFunction((count) => window.drawn.length >= count, COMMENTS.length);
    expect(await page.evaluate(() => window.drawn)).toEqual([
      { text: ATTACK, color: '#00ff7f', size: '25px sans-serif' },
      { text: ODD, color: '#0a0b0c', size: '40px sans-serif' },
      { text: 'black', color: '#000000', size: '25px sans-serif' },
    ]);
  });

  it('lets danmaku forget what it has shown', async () => {
    const page = await openPlayer('danmaku');
    await page.evaluate(() => {
      for (let i = 0; i < 1_500; i += 1) window.player.emit({ text: '' });
    });
    expect(await page.evaluate(() => window.player.comments.length)).toBeGreaterThanOrEqual(1_500);
    await seeAll(page, 'danmaku');
    expect(await page.evaluate(() => window.player.comments.length)).toBeLessThan(10);
  });

  it('shows comments on DPlayer, live, as text, with their colours and modes', async () => {
    const page = await openPlayer('dplayer');
    const seen = await seeAll(page, 'dplayer');
    // DPlayer takes 0 for no colour.
    expect(seen.map(({ color }) => color)).toEqual(['rgb(0, 255, 127)', 'rgb(10, 11, 12)', 'rgb(0, 0, 1)']);
    expectModes(seen);
  });

  it('shows comments on Artplayer as text, with their colours, sizes and modes', async () => {
    const page = await openPlayer('artplayer');
    const seen = await seeAll(page, 'artplayer');
    expect(seen.map(({ color }) => color)).toEqual(['rgb(0, 255, 127)', 'rgb(10, 11, 12)', 'rgb(0, 0, 0)']);
    expect(seen.map(({ size }) => size)).toEqual(['25px', '40px', '25px']);
    expectModes(seen);
  });

  it.each(['danmaku', 'artplayer'] as const)(
    'takes a recalled comment off %s, and shows what comes then',
    async (kind) => {
      const page = await openPlayer(kind);
      const shows = (text: string, wanted = true): Promise<unknown> =>
        page.waitForFunction(
          ([searched, is]) =>
            [...window.stage.querySelectorAll('*')].some(({ textContent }) => textContent === searched) === is,
          [text, wanted] as const,
        );
      const comments = ['stays', 'goes'].map((text) => ({ text, mode: 'top' }));
      const { body } = await server.post(kind, comments, '?wait=stored');
      await shows('stays');
      await shows('goes');
      const gone = await fetch(`${server.apiUrl}/rooms/${kind}/comments/${body.ids?.[1]}`, { method: 'DELETE' });
      expect(gone.status).toBe(204);
      await shows('goes', false);
      await shows('stays');
      await server.post(kind, [{ text: 'comes' }]);
      await shows('comes');
    },
  );

  it('shows nothing any more once it is detached', async () => {
    const page = await openPlayer('danmaku');
    const came = page.evaluate(() => {
      window.detach();
      return new Promise<void>((resolve) => window.room.on('batch', resolve));
    });
    await server.post('danmaku', [{ text: 'unseen' }]);
    await came;
    expect(await page.evaluate(() => window.player.comments.length)).toBe(0);
  });
});
