/** How the live page looks, sounds and moves, in a real browser. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { findsBrowser, openBrowser } from '../../browser.fixture.ts';
import { type ServerProcess, startProcess } from '../../server-process.fixture.ts';
import { makeWav, WAV_RATE } from '../../wav.fixture.ts';
import { findBarriers } from '../axe.fixture.ts';
import { LivePage, postStored } from './live-page.fixture.ts';

/** How far the page's video has come, s. */
function playedTime({ page }: LivePage): Promise<number> {
  return page.$eval('#video', (video) => (video as HTMLVideoElement).currentTime);
}

/** A second of a tone. */
function makeTone(): Buffer {
  return makeWav(Uint8Array.from({ length: WAV_RATE }, (_, i) => 128 + 40 * Math.sin(i / 3)));
}

/** A hundred frames of MP3, 2.6 seconds: 128 kbit/s, 44.1 kHz, one channel, nothing but zeros in them. */
function makeSilence(): Buffer {
  const frame = Buffer.alloc(417);
  frame.writeUInt32BE(0xff_fb_90_c4);
  return Buffer.concat(new Array<Buffer>(100).fill(frame));
}

/** What moves in the picture, whatever flies over it. */
function motionOf(live: LivePage): Promise<string[]> {
  return live.page.$eval('#scene', (scene) => scene.getAnimations({ subtree: true }).map(({ playState }) => playState));
}

describe.skipIf(!findsBrowser('the look of the live page'))('the look of the live page', () => {
  let browser: Browser;
  let server: ServerProcess;
  let elsewhere: Server;
  let origin: string;

  beforeAll(async () => {
    elsewhere = createServer((request, response) => {
      response.setHeader('access-control-allow-origin', '*');
      if (request.url === '/tone.wav') response.setHeader('content-type', 'audio/wav').end(makeTone());
      else if (request.url === '/live.m3u8') {
        response.end('#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:2.6,\nsegment.mp3\n#EXT-X-ENDLIST\n');
      } else if (request.url === '/segment.mp3') response.end(makeSilence());
      else if (request.url === '/page.mp4') response.setHeader('content-type', 'text/html').end('<p>no film</p>');
      else if (request.url === '/odd.m3u8') response.end('no playlist');
      else if (request.url === '/noise.m3u8') {
        response.end('#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:2.6,\nnoise.ts\n#EXT-X-ENDLIST\n');
      } else if (request.url === '/noise.ts') response.end(Buffer.alloc(1_000));
      else if (request.url === '/codec.m3u8') {
        response.end('#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=128000,CODECS="none.1"\nlive.m3u8\n');
      } else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
    origin = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}`;
    browser = await openBrowser();
    server = await startProcess(['--workers', '1']);
  });

  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
  });

  afterAll(async () => {
    await browser?.close();
    await server?.stop();
    elsewhere?.close();
  });

  for (const colorScheme of ['light', 'dark'] as const) {
    it(`has no serious barrier in ${colorScheme}, with everything open`, async () => {
      const live = await LivePage.open(browser, server, '?room=axe', { colorScheme });
      await live.becomes('live');
      await live.openList();
      await postStored(server, 'axe', ['one comment', 'and another']);
      await live.send('my own');
      await live.lists('my own');
      await live.flies('my own');
      await live.send(' ');
      await live.says(/./);
      expect(await findBarriers(live.page)).toEqual([]);
      const dark = await live.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      expect(dark).toBe(colorScheme === 'dark' ? 'rgb(11, 16, 22)' : 'rgb(244, 246, 248)');
    });

    it(`has no serious barrier in ${colorScheme}, with a room that cannot be`, async () => {
      const live = await LivePage.open(browser, server, '?room=not+a+room', { colorScheme });
      await live.becomes('invalid');
      expect(await live.page.textContent('#notice')).toContain('“not a room” cannot be a room');
      expect(await live.page.isDisabled('#send-text')).toBe(true);
      expect(await findBarriers(live.page)).toEqual([]);
    });
  }

  for (const width of [320, 768]) {
    it(`needs no scrolling sideways on a screen of ${width} px`, async () => {
      const live = await LivePage.open(browser, server, `?room=${'long-name.'.repeat(6)}${width}`, {
        viewport: { width, height: 640 },
      });
      await live.becomes('live');
      await live.openList();
      await live.send('a word of sixty letters: '.concat('w'.repeat(60)));
      await live.says(/^Sent\.$/);
      await expect.poll(() => live.ids()).toHaveLength(1);
      const widest = await live.page.evaluate(() => {
        const ends = [...document.querySelectorAll('body *')]
          .filter((element) => element.closest('.stage') === null)
          .map((element) => element.getBoundingClientRect().right);
        return Math.max(document.documentElement.scrollWidth, ...ends);
      });
      expect(widest).toBeLessThanOrEqual(width);
    });
  }

  it('lists the comments and moves nothing where less motion is wanted, until it is asked to', async () => {
    const live = await LivePage.open(browser, server, '?room=calm', { reducedMotion: 'reduce' });
    await live.becomes('live');
    await postStored(server, 'calm', ['be still']);
    await live.lists('be still');
    expect(await live.flying()).toEqual([]);
    expect(await live.page.getAttribute('#fly-toggle', 'aria-pressed')).toBe('false');
    expect(await motionOf(live)).toEqual([]);
    await live.page.click('#fly-toggle');
    await postStored(server, 'calm', ['now fly']);
    await live.flies('now fly');
  });

  it('moves its picture otherwise', async () => {
    const live = await LivePage.open(browser, server, '?room=moving');
    expect(await motionOf(live)).toEqual(['running']);
    expect(await live.page.getAttribute('#log-toggle', 'aria-expanded')).toBe('false');
  });

  it('reads comments aloud only to who wants that', async () => {
    const live = await LivePage.open(browser, server, '?room=aloud');
    await live.openList();
    expect(await live.page.getAttribute('#log', 'aria-live')).toBe('off');
    await live.page.check('#log-aloud');
    expect(await live.page.getAttribute('#log', 'aria-live')).toBe('polite');
  });

  it('plays a file from another site in place of its picture', async () => {
    const live = await LivePage.open(browser, server, `?room=film&src=${encodeURIComponent(`${origin}/tone.wav`)}`);
    await expect.poll(() => playedTime(live), { timeout: 10_000 }).toBeGreaterThan(0);
    expect(await live.page.isVisible('#scene')).toBe(false);
    await live.becomes('live');
    expect(live.faults).toEqual([]);
  });

  it('lets hls.js play a playlist, which it loads only then', async () => {
    const live = await LivePage.open(browser, server, `?room=hls&src=${encodeURIComponent(`${origin}/live.m3u8`)}`);
    await expect.poll(() => playedTime(live), { timeout: 10_000 }).toBeGreaterThan(0);
    expect(live.faults).toEqual([]);
    const loaded = (): Promise<string[]> =>
      live.page.evaluate(() => performance.getEntriesByType('resource').map(({ name }) => new URL(name).pathname));
    expect(await loaded()).toEqual(expect.arrayContaining(['/hls.js', '/segment.mp3']));
    await live.page.goto(`${server.apiUrl}/?room=hls`);
    await live.becomes('live');
    expect(await loaded()).not.toContain('/hls.js');
  });

  it('says why a stream cannot be played', async () => {
    const host = new URL(origin).host;
    const nobody = 'http://127.0.0.1:1';
    for (const [url, why] of [
      [`${origin}/odd.m3u8`, 'what came is no HLS playlist'],
      [`${origin}/noise.m3u8`, 'this browser cannot decode it'],
      [`${origin}/codec.m3u8`, 'this browser has none of its codecs'],
      [`${origin}/nothing.m3u8`, `${host} answers 404`],
      [`${nobody}/a.m3u8`, '127.0.0.1:1 does not answer, or does not let this page read its answer (CORS)'],
      [`${origin}/nothing.mp4`, `${host} answers 404`],
      [`${origin}/page.mp4`, `${host} sends text/html, which this browser does not play`],
      [`${nobody}/a.mp4`, '127.0.0.1:1 does not answer'],
    ] as const) {
      const live = await LivePage.open(browser, server, `?room=odd&src=${encodeURIComponent(url)}`);
      const notice = (): Promise<string | null> => live.page.textContent('#notice');
      await expect.poll(notice, { timeout: 10_000, message: url }).toBe(`This stream cannot be played here: ${why}.`);
      await live.becomes('live');
      expect(live.faults, url).toEqual([]);
      await live.page.context().close();
    }
  }, 60_000);

  for (const button of ['#full-toggle', 'the player’s own'] as const) {
    it(`keeps the comments over the picture that fills the screen by ${button}`, async () => {
      const live = await LivePage.open(browser, server, `?room=full&src=${encodeURIComponent(`${origin}/tone.wav`)}`);
      await live.becomes('live');
      // The player's own button is none of the page's elements; it does what this does.
      if (button === '#full-toggle') await live.page.click(button);
      else await live.page.$eval('#video', (video) => video.requestFullscreen());
      await expect.poll(() => live.page.getAttribute('#full-toggle', 'aria-pressed')).toBe('true');
      await postStored(server, 'full', ['over all of it']);
      await live.flies('over all of it');
      // In what fills the screen, or in the layer above it.
      const isSeen = await live.page.$eval('#stage', (stage) => {
        const { width, height } = stage.getBoundingClientRect();
        const fills = width === innerWidth && height > innerHeight - 20;
        return fills && (document.fullscreenElement?.contains(stage) === true || stage.matches(':popover-open'));
      });
      expect(isSeen).toBe(true);
      await live.page.evaluate(() => document.exitFullscreen());
      await expect.poll(() => live.page.getAttribute('#full-toggle', 'aria-pressed')).toBe('false');
      expect(await live.page.$eval('#stage', (stage) => stage.matches(':popover-open'))).toBe(false);
      expect(live.faults).toEqual([]);
    });
  }

  it('prints nothing over anything while there is room, at the top, at the bottom and between', async () => {
    const live = await LivePage.open(browser, server, '?room=lanes');
    await live.becomes('live');
    const modes = ['top', 'bottom', 'scroll'] as const;
    const posted = Array.from({ length: 6 }, (_, i) => ({ text: `number ${i}`, mode: modes[i % 3], size: 20 + 4 * i }));
    await server.post('lanes', posted);
    await expect.poll(async () => (await live.flying()).length, { timeout: 5_000 }).toBe(posted.length);
    const overlaps = await live.page.$$eval('.flying', (items) => {
      const boxes = items.map((item) => ({ text: item.textContent, box: item.getBoundingClientRect() }));
      return boxes.flatMap(({ text, box }, i) =>
        boxes
          .slice(i + 1)
          .filter(
            ({ box: other }) =>
              box.left < other.right && other.left < box.right && box.top < other.bottom && other.top < box.bottom,
          )
          .map((other) => `${text} and ${other.text}`),
      );
    });
    expect(overlaps).toEqual([]);
  });

  for (const [width, height] of [
    [390, 844],
    [844, 390],
  ] as const) {
    it(`shows picture, list and box at once on a phone of ${width} × ${height}, all large enough for a finger`, async () => {
      const live = await LivePage.open(browser, server, '?room=phone', { viewport: { width, height } });
      await live.becomes('live');
      for (const id of ['stage', 'log-panel', 'send', 'send-button']) {
        const box = await live.page.locator(`#${id}`).boundingBox();
        expect(box?.width, id).toBeGreaterThan(80);
        expect((box?.y ?? height) + (box?.height ?? 0), id).toBeLessThanOrEqual(height);
      }
      await live.page.click('#send-choices summary');
      const small = await live.page.$$eval('a, button, summary, input', (controls) =>
        controls
          .map((control) => control.closest('label') ?? control)
          .map((target) => ({ target, box: target.getBoundingClientRect() }))
          .filter(({ box }) => box.width > 1 && (box.width < 44 || box.height < 44))
          .map(({ target, box }) => `${target.outerHTML} ${box.width} × ${box.height}`),
      );
      expect(small).toEqual([]);
    });
  }

  it('leads to the dashboard and to the rooms, and back', async () => {
    const other = await LivePage.open(browser, server, '?room=linked');
    await other.becomes('live');
    const live = await LivePage.open(browser, server, '?room=linked');
    await live.becomes('live');
    await live.page.getByRole('link', { name: 'Dashboard' }).click();
    await live.page.getByRole('heading', { name: 'Room linked' }).waitFor();
    await live.page.getByRole('link', { name: 'Watch it' }).click();
    await live.becomes('live');
    await live.page.getByRole('link', { name: 'Rooms' }).click();
    await live.page.getByRole('link', { name: 'Watch linked' }).click();
    await live.becomes('live');
    expect(await live.page.title()).toBe('linked · volley');
    const icon = await live.page.getAttribute('link[rel="icon"]', 'href');
    expect((await fetch(`${server.apiUrl}${icon}`)).headers.get('content-type')).toBe('image/svg+xml');
  });

  it('works at an IPv6 address, and may ask the viewers’ port why it refuses', async () => {
    const six = await startProcess(['--workers', '1', '--host', '::1']);
    try {
      const live = await LivePage.open(browser, six, '?room=six');
      expect(live.page.url()).toMatch(/^http:\/\/\[::1\]:/);
      await live.becomes('live');
      await live.send('over IPv6');
      await live.flies('over IPv6');
      const asked = `${six.viewerUrl.replace('ws:', 'http:')}/rooms/six?since=x`;
      const answer = await live.page.evaluate(async (url) => (await fetch(url)).json(), asked);
      expect(answer).toMatchObject({ code: 'SINCE_INVALID' });
      expect(live.faults).toEqual([]);
    } finally {
      await six.stop();
    }
  });

  it('plays nothing that is not http or https', async () => {
    const live = await LivePage.open(browser, server, '?room=odd');
    for (const source of ['javascript:alert(1)', 'file:///etc/passwd', 'data:video/mp4,x', 'no address']) {
      await live.page.goto(`${server.apiUrl}/?room=odd&src=${encodeURIComponent(source)}`);
      await live.becomes('live');
      const notice = await live.page.textContent('#notice');
      expect(notice, source).toBe('This address cannot be played: only http and https are.');
      expect(await live.page.$eval('#video', (video) => (video as HTMLVideoElement).src)).toBe('');
      expect(await live.page.isVisible('#scene')).toBe(true);
    }
  });

  it('keeps its picture’s size when there is something to say beside the box', async () => {
    const live = await LivePage.open(browser, server, '?room=steady');
    await live.becomes('live');
    const height = (): Promise<number> => live.page.$eval('#stage', (stage) => stage.clientHeight);
    const before = await height();
    await live.send(' ');
    await live.says(/./);
    expect(await height()).toBe(before);
  });
});
