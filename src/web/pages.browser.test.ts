/** A small case of each page, and of DPlayer, in a real browser; the rest is in the long tests beside what they test. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PlayerSite, type PlayerWindow, shownBy } from '../intake/dplayer-site.fixture.ts';
import { findsBrowser, openBrowser } from '../testing/browser.ts';
import { ServerHere } from '../testing/server-here.ts';
import { ViewerClient } from '../testing/viewer-client.ts';
import { LivePage } from './live/live-page.fixture.ts';

declare const window: PlayerWindow;

describe.skipIf(!findsBrowser('the pages'))('in a real browser', () => {
  let browser: Browser;
  let server: ServerHere;
  let site: PlayerSite;

  beforeAll(async () => {
    browser = await openBrowser();
    site = await PlayerSite.start(browser);
    server = await ServerHere.start(['--workers', '1', '--interval', '200', '--cors-origins', site.origin]);
  });

  afterAll(async () => {
    await browser.close();
    site.stop();
    await server.stop();
  });

  it('the live page shows what is said, as text', async () => {
    const live = await LivePage.open(browser, server, '?room=small');
    await live.becomes('live');
    await live.openList();
    const text = '<img src=x onerror=alert(1)>';
    expect((await server.post('small', { text }, '?wait=stored')).status).toBe(201);
    await live.lists(text);
    expect(live.faults).toEqual([]);
    await live.page.context().close();
  });

  it('the dashboard shows a room that somebody watches', async () => {
    const live = await LivePage.open(browser, server, '?room=watched');
    await live.becomes('live');
    const page = await (await browser.newContext()).newPage();
    await page.goto(`${server.apiUrl}/dashboard`);
    await page.getByText('watched', { exact: true }).first().waitFor();
    await page.context().close();
    await live.page.context().close();
  });

  it('a stock DPlayer of another origin shows what was said before, and sends what is said', async () => {
    const attack = '<img src=x onerror="window.attacks = 1">';
    await server.post('film', { text: attack, mode: 'top', color: 0x00ff7f, extra: 'dplayer:0.1' }, '?wait=stored');
    const viewer = new ViewerClient(server.viewerUrl, 'film');
    await viewer.welcome();
    const page = await site.open(server, 'film');
    await page.evaluate(() => window.dp.play());
    expect(await shownBy(page, 1)).toMatchObject([{ text: attack, elements: 0, color: 'rgb(0, 255, 127)' }]);
    await page.evaluate(() => window.dp.danmaku.send({ text: 'amazing', color: '#b7daff', type: 'bottom' }));
    await viewer.until(() => viewer.comments.length === 1);
    expect(viewer.comments[0]).toMatchObject({ text: 'amazing', color: 0xb7daff, mode: 'bottom', name: 'DIYgod' });
    await viewer.close();
    await page.context().close();
  });
});
