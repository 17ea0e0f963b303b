/** The real DPlayer in a real browser, on a page of another origin, against a real server. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { findsBrowser, openBrowser } from '../testing/browser.ts';
import { type ServerProcess, startProcess } from '../testing/server-process.ts';
import { ViewerClient } from '../testing/viewer-client.ts';
import { PlayerSite, type PlayerWindow, shownBy } from './dplayer-site.fixture.ts';

declare const window: PlayerWindow;

describe.skipIf(!findsBrowser('DPlayer in a browser'))('a stock DPlayer on another origin', () => {
  let browser: Browser;
  let site: PlayerSite;
  let open: ServerProcess;
  let closed: ServerProcess;
  let viewer: ViewerClient | undefined;

  beforeAll(async () => {
    browser = await openBrowser();
    site = await PlayerSite.start(browser);
    // One by one, so that each that runs is known when the next fails to start.
    open = await startProcess(['--workers', '1', '--cors-origins', site.origin]);
    closed = await startProcess(['--workers', '1']);
  });

  afterEach(async () => {
    await viewer?.close();
    viewer = undefined;
    for (const context of browser.contexts()) await context.close();
  });

  afterAll(async () => {
    await Promise.all([browser?.close(), open?.stop(), closed?.stop()]);
    site?.stop();
  });

  async function firstNotice(page: Page): Promise<string | undefined> {
    await page.waitForFunction(() => window.notices.length > 0);
    return page.evaluate(() => window.notices[0]);
  }

  async function textsOf(server: ServerProcess, room: string): Promise<string[]> {
    const answer = await fetch(`${server.apiUrl}/rooms/${room}/comments`);
    return ((await answer.json()) as { comments: { text: string }[] }).comments.map(({ text }) => text);
  }

  it('shows what was said before, as text', async () => {
    const attack = '<img src=x onerror="window.attacks = 1">';
    await open.post(
      'film',
      [
        { text: 'first', extra: 'dplayer:0.1' },
        { text: attack, mode: 'top', color: 0x00ff7f, name: '"><b>', extra: 'dplayer:0.2' },
        { text: `'&lt;' & "弹幕"`, mode: 'bottom', extra: 'dplayer:0.3' },
      ],
      '?wait=stored',
    );
    const page = await site.open(open, 'film', { maximum: 1_000 });
    await page.evaluate(() => window.dp.play());
    const shown = await shownBy(page, 3);
    expect(shown.map(({ text }) => text)).toEqual(['first', attack, `'&lt;' & "弹幕"`]);
    expect(shown.map(({ elements }) => elements)).toEqual([0, 0, 0]);
    expect(shown.map(({ classes }) => /danmaku-(right|top|bottom)/.exec(classes)?.[1])).toEqual([
      'right',
      'top',
      'bottom',
    ]);
    expect(shown[1]?.color).toBe('rgb(0, 255, 127)');
    expect(await page.evaluate(() => [window.attacks, window.notices.length])).toEqual([0, 0]);
  });

  it('sends what is typed: viewers get it, and so does the next player', async () => {
    viewer = new ViewerClient(open.viewerUrl, 'show');
    await viewer.welcome();
    const page = await site.open(open, 'show', { user: 'Tom "T" <Cat>' });
    await page.evaluate(() => window.dp.play());
    await page.locator('.dplayer-comment-icon').click();
    await page.locator('.dplayer-comment-setting-icon').click();
    await page.locator('.dplayer-comment-setting-type input[value="1"] + span').click();
    await page.locator('.dplayer-comment-setting-color input[value="#e54256"] + span').click();
    const input = page.locator('.dplayer-comment-input');
    await input.fill('<b>gj</b> & 神');
    await input.press('Enter');
    // DPlayer empties its form when the answer was good.
    await page.waitForFunction(() => window.shown.length > 0);
    await viewer.until(() => viewer?.comments.length === 1);
    await expect.poll(() => input.inputValue()).toBe('');
    expect(viewer.comments[0]).toMatchObject({
      text: '<b>gj</b> & 神',
      name: 'Tom "T" <Cat>',
      mode: 'top',
      color: 0xe54256,
      extra: expect.stringMatching(/^dplayer:\d+(\.\d{1,3})?$/),
    });
    expect(viewer.faults).toEqual([]);

    const next = await site.open(open, 'show');
    await next.evaluate(() => window.dp.play());
    expect(await shownBy(next, 1)).toMatchObject([{ text: '<b>gj</b> & 神', color: 'rgb(229, 66, 86)', elements: 0 }]);
  });

  it('sends what the page says in the words of DPlayer’s manual', async () => {
    viewer = new ViewerClient(open.viewerUrl, 'manual');
    await viewer.welcome();
    const page = await site.open(open, 'manual');
    await page.evaluate(() => window.dp.danmaku.send({ text: 'amazing', color: '#b7daff', type: 'bottom' }));
    await viewer.until(() => viewer?.comments.length === 1);
    expect(viewer.comments[0]).toMatchObject({ text: 'amazing', color: 0xb7daff, mode: 'bottom', name: 'DIYgod' });
  });

  it('shows why a comment was refused, and nothing is stored', async () => {
    const page = await site.open(open, 'strict');
    await page.evaluate(() => window.dp.danmaku.send({ text: 'x'.repeat(201), color: 0xffffff, type: 0 }));
    expect(await firstNotice(page)).toMatch(/^text is too long: 201 characters, at most 200 are allowed/);
    expect(await textsOf(open, 'strict')).toEqual([]);
  });

  it('shows why an id is none', async () => {
    expect(await firstNotice(await site.open(open, 'a/b'))).toMatch(/^id must be 1 to 64/);
  });

  it('is kept out by the browser where --cors-origins does not name the page', async () => {
    await closed.post('film', [{ text: 'secret', extra: 'dplayer:0' }], '?wait=stored');
    const page = await site.open(closed, 'film');
    expect(await firstNotice(page)).toBe('Danmaku load failed');
    await page.evaluate(() => window.dp.play());
    await page.evaluate(() => window.dp.danmaku.send({ text: 'mine', color: 0xffffff, type: 0 }));
    await page.waitForFunction(() => window.notices.length > 1);
    // DPlayer draws what it sends before it knows.
    expect((await shownBy(page, 1)).map(({ text }) => text)).toEqual(['mine']);
    expect(await textsOf(closed, 'film')).toEqual(['secret']);
  });
});
