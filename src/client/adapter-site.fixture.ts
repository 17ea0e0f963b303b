/** A site with players of several kinds, each fed by the SDK's bundle; the packages come from node_modules. */
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { makeSilence } from '../wav.fixture.ts';

const require = createRequire(import.meta.url);

export type PlayerKind = 'danmaku' | 'danmaku-canvas' | 'dplayer' | 'artplayer';

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
export async function startAdapterSite(bundled: string): Promise<Server> {
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
