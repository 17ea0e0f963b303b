/** The real DPlayer in a real browser, on a page of another origin, against a real server. */
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { findsBrowser, openBrowser } from '../browser.fixture.ts';
import { type ServerProcess, startProcess } from '../server-process.fixture.ts';
import { ViewerClient } from '../viewer-client.fixture.ts';
import { makeSilence } from '../wav.fixture.ts';

const require = createRequire(import.meta.url);

/** A danmaku that DPlayer put on the screen; it takes it off again when it has passed. */
interface Shown {
  readonly text: string;
  readonly color: string;
  readonly classes: string;
  /** Elements that DPlayer made of the text. */
  readonly elements: number;
}

/** What the page of the test gives its `window`. */
interface PlayerWindow {
  readonly shown: Shown[];
  readonly notices: string[];
  readonly attacks: number;
  readonly dp: {
    play(): void;
    readonly danmaku: { send(danmaku: object): void };
  };
}

declare const window: PlayerWindow;

/** `danmaku` is what a site would write; the rest looks on. */
function pageOf(danmaku: object): string {
  return `<!doctype html><meta charset="utf-8"><div id="player" style="width:800px;height:450px"></div>
<script src="/DPlayer.min.js"></script>
<script>
  var attacks = 0, shown = [], notices = [];
  var dp = new DPlayer({
    container: document.getElementById('player'),
    lang: 'en',
    video: { url: '/silence.wav' },
    danmaku: ${JSON.stringify(danmaku).replaceAll('<', '\\u003c')},
  });
  dp.on('notice_show', (notice) => notices.push(notice.innerText));
  new MutationObserver((records) => {
    for (const item of records.flatMap((record) => [...record.addedNodes])) {
      const [color, classes, elements] = [item.style.color, item.className, item.querySelectorAll('*').length];
      shown.push({ text: item.innerText, color, classes, elements });
    }
  }).observe(document.querySelector('.dplayer-danmaku'), { childList: true });
</script>`;
}

/** Serves the page, whose query is the `danmaku` of the player as JSON, the player and the sound. */
async function startSite(): Promise<Server> {
  const player = await readFile(require.resolve('dplayer/dist/DPlayer.min.js'));
  const silence = makeSilence();
  const site = createServer((request, response) => {
    const { pathname, search } = new URL(request.url ?? '/', 'http://site');
    if (pathname === '/DPlayer.min.js') response.setHeader('content-type', 'text/javascript').end(player);
    else if (pathname === '/silence.wav') response.setHeader('content-type', 'audio/wav').end(silence);
    else if (pathname === '/') {
      const danmaku = JSON.parse(decodeURIComponent(search.slice(1))) as object;
      response.setHeader('content-type', 'text/html').end(pageOf(danmaku));
    } else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
  return site;
}

describe.skipIf(!findsBrowser('DPlayer in a browser'))('a stock DPlayer on another origin', () => {
  let browser: Browser;
  let site: Server;
  let origin: string;
  let open: ServerProcess;
  let closed: ServerProcess;
  let viewer: ViewerClient | undefined;

  beforeAll(async () => {
    site = await startSite();
    origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
    // One by one, so that each that runs is known when the next fails to start.
    browser = await openBrowser();
    open = await startProcess(['--workers', '1', '--cors-origins', origin]);
    closed = await startProcess(['--workers', '1']);
  });

  afterEach(async () => {
    await viewer?.close();
    viewer = undefined;
    for (const context of browser.contexts()) await context.close();
  });

  afterAll(async () => {
    await Promise.all([browser?.close(), open?.stop(), closed?.stop()]);
    site?.closeAllConnections();
    site?.close();
  });

  /** Opens a page with a player on `room`, in a browser that has seen nothing before. */
  async function openPlayer(server: ServerProcess, room: string, danmaku: object = {}): Promise<Page> {
    const page = await (await browser.newContext()).newPage();
    const options = { id: room, api: `${server.apiUrl}/dplayer/`, ...danmaku };
    await page.goto(`${origin}/?${encodeURIComponent(JSON.stringify(options))}`);
    return page;
  }

  /** Waits until the player has shown `count` danmaku, and gives them. */
  async function shownBy(page: Page, count: number): Promise<Shown[]> {
    await page.waitForFunction((wanted) => window.shown.length >= wanted, count);
    return page.evaluate(() => window.shown);
  }

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
    const page = await openPlayer(open, 'film', { maximum: 1_000 });
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
    const page = await openPlayer(open, 'show', { user: 'Tom "T" <Cat>' });
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

    const next = await openPlayer(open, 'show');
    await next.evaluate(() => window.dp.play());
    expect(await shownBy(next, 1)).toMatchObject([{ text: '<b>gj</b> & 神', color: 'rgb(229, 66, 86)', elements: 0 }]);
  });

  it('sends what the page says in the words of DPlayer’s manual', async () => {
    viewer = new ViewerClient(open.viewerUrl, 'manual');
    await viewer.welcome();
    const page = await openPlayer(open, 'manual');
    await page.evaluate(() => window.dp.danmaku.send({ text: 'amazing', color: '#b7daff', type: 'bottom' }));
    await viewer.until(() => viewer?.comments.length === 1);
    expect(viewer.comments[0]).toMatchObject({ text: 'amazing', color: 0xb7daff, mode: 'bottom', name: 'DIYgod' });
  });

  it('shows why a comment was refused, and nothing is stored', async () => {
    const page = await openPlayer(open, 'strict');
    await page.evaluate(() => window.dp.danmaku.send({ text: 'x'.repeat(201), color: 0xffffff, type: 0 }));
    expect(await firstNotice(page)).toMatch(/^text is too long: 201 characters, at most 200 are allowed/);
    expect(await textsOf(open, 'strict')).toEqual([]);
  });

  it('shows why an id is none', async () => {
    expect(await firstNotice(await openPlayer(open, 'a/b'))).toMatch(/^id must be 1 to 64/);
  });

  it('is kept out by the browser where --cors-origins does not name the page', async () => {
    await closed.post('film', [{ text: 'secret', extra: 'dplayer:0' }], '?wait=stored');
    const page = await openPlayer(closed, 'film');
    expect(await firstNotice(page)).toBe('Danmaku load failed');
    await page.evaluate(() => window.dp.play());
    await page.evaluate(() => window.dp.danmaku.send({ text: 'mine', color: 0xffffff, type: 0 }));
    await page.waitForFunction(() => window.notices.length > 1);
    // DPlayer draws what it sends before it knows.
    expect((await shownBy(page, 1)).map(({ text }) => text)).toEqual(['mine']);
    expect(await textsOf(closed, 'film')).toEqual(['secret']);
  });
});
