/** A page with the real DPlayer, on an origin of its own. */
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import { makeSilence } from '../testing/browser.ts';
import type { RunningServer } from '../testing/server-process.ts';

declare const window: PlayerWindow;

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
export interface PlayerWindow {
  readonly shown: Shown[];
  readonly notices: string[];
  readonly attacks: number;
  readonly dp: {
    play(): void;
    readonly danmaku: { send(danmaku: object): void };
  };
}

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

export class PlayerSite {
  readonly origin: string;
  readonly #browser: Browser;
  readonly #site: Server;

  private constructor(browser: Browser, site: Server) {
    this.#browser = browser;
    this.#site = site;
    this.origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
  }

  static async start(browser: Browser): Promise<PlayerSite> {
    return new PlayerSite(browser, await startSite());
  }

  /** Opens a page with a player on `room`, in a browser that has seen nothing before. */
  async open(server: RunningServer, room: string, danmaku: object = {}): Promise<Page> {
    const page = await (await this.#browser.newContext()).newPage();
    const options = { id: room, api: `${server.apiUrl}/dplayer/`, ...danmaku };
    await page.goto(`${this.origin}/?${encodeURIComponent(JSON.stringify(options))}`);
    return page;
  }

  stop(): void {
    this.#site.closeAllConnections();
    this.#site.close();
  }
}

/** Waits until the player has shown `count` danmaku, and gives them. */
export async function shownBy(page: Page, count: number): Promise<Shown[]> {
  await page.waitForFunction((wanted) => window.shown.length >= wanted, count);
  return page.evaluate(() => window.shown);
}
