/** The real players in a real browser, fed by the SDK's bundle from a real server. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { bundle } from '../../scripts/bundle.ts';
import { findsBrowser, makeSilence, openBrowser } from '../testing/browser.ts';
import { type ServerProcess, startProcess } from '../testing/server-process.ts';

const require = createRequire(import.meta.url);

type PlayerKind = 'danmaku' | 'danmaku-canvas' | 'dplayer' | 'artplayer';

interface Player {
  /** Its script, in node_modules. */
  readonly scripts: readonly string[];
  /** Makes `player` and `attach` in the page, and gives the element in which comments are. */
  readonly code: string;
}

const DANMAKU = (engine: string): Player => ({
  scripts: ['danmaku/dist/danmaku.min.js'],
  code: `const player = new Danmaku({ container: box, engine: '${engine}' }); const attach = sdk.attachDanmaku; window.stage = box;`,
});

const PLAYERS: Record<PlayerKind, Player> = {
  danmaku: DANMAKU('dom'),
  'danmaku-canvas': DANMAKU('canvas'),
  dplayer: {
    scripts: ['dplayer/dist/DPlayer.min.js'],
    code: `const player = new DPlayer({
        container: box, live: true, danmaku: true, lang: 'en', video: { url: '/silence.wav' },
        apiBackend: { read: (request) => request.success([]), send: () => {} },
      });
      const attach = sdk.attachDPlayer; window.stage = box.querySelector('.dplayer-danmaku');`,
  },
  artplayer: {
    scripts: ['artplayer/dist/artplayer.js', 'artplayer-plugin-danmuku/dist/artplayer-plugin-danmuku.js'],
    code: `const player = new Artplayer({
        container: box, url: '/silence.wav', isLive: true, muted: true, autoplay: true, lang: 'en',
        plugins: [artplayerPluginDanmuku({ danmuku: [] })],
      });
      await new Promise((done) => player.on('ready', done));
      await player.play();
      const attach = sdk.attachArtplayer; window.stage = player.template.$danmuku;`,
  },
};

/** The page of a player: `window.ready` when it has its welcome, `window.drawn` is what was drawn on a canvas. */
function pageOf({ scripts, code }: Player): string {
  return `<!doctype html><meta charset="utf-8"><div id="box" style="width:800px;height:450px"></div>
${scripts.map((script) => `<script src="/node_modules/${script}"></script>`).join('\n')}
<script type="module">
  import * as sdk from '/client.js';
  window.attacks = 0;
  window.drawn = [];
  const { fillText } = CanvasRenderingContext2D.prototype;
  CanvasRenderingContext2D.prototype.fillText = function (text, ...place) {
    window.drawn.push({ text, color: this.fillStyle, size: this.font });
    return fillText.call(this, text, ...place);
  };
  const box = document.getElementById('box');
  const query = new URLSearchParams(location.search);
  ${code}
  const room = sdk.connect({ url: query.get('url'), room: query.get('room') });
  const detach = attach(player, room, { perSecond: 1_000 });
  room.on('welcome', () => { window.ready = true; });
  Object.assign(window, { player, room, detach });
</script>`;
}

/** Serves `/KIND` for each player, and `client.js` from the folder `bundled`. The caller closes it. */
async function startAdapterSite(bundled: string): Promise<Server> {
  const silence = makeSilence();
  const root = join(require.resolve('danmaku/package.json'), '../..');
  const site = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://site');
    const player = (PLAYERS as Record<string, Player | undefined>)[pathname.slice(1)];
    const script = Object.values(PLAYERS)
      .flatMap(({ scripts }) => scripts)
      .find((name) => pathname === `/node_modules/${name}`);
    const sendScript = async (file: string): Promise<void> => {
      response.setHeader('content-type', 'text/javascript').end(await readFile(file));
    };
    if (player !== undefined) response.setHeader('content-type', 'text/html').end(pageOf(player));
    else if (script !== undefined) sendScript(join(root, script)).catch((error: Error) => response.destroy(error));
    else if (pathname === '/client.js')
      sendScript(join(bundled, 'client.js')).catch((error) => response.destroy(error));
    else if (pathname === '/silence.wav') response.setHeader('content-type', 'audio/wav').end(silence);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
  return site;
}

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
