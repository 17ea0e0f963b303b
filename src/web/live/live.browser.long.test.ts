/** The live page in a real browser, against a real server. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setInterval } from 'node:timers/promises';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { findBarriers, findsBrowser, makeWav, openBrowser, WAV_RATE } from '../../testing/browser.ts';
import { type ServerProcess, startProcess } from '../../testing/server-process.ts';
import { LivePage, postStored } from './live-page.fixture.ts';

describe.skipIf(!findsBrowser('the live page'))('the live page', () => {
  let browser: Browser;
  let server: ServerProcess;

  beforeAll(async () => {
    browser = await openBrowser();
    server = await startProcess(['--workers', '1']);
  });

  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
  });

  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });

  it('shows two readers each other’s comments, and marks their own', async () => {
    const one = await LivePage.open(browser, server, '?room=two');
    const other = await LivePage.open(browser, server, '?room=two');
    for (const live of [one, other]) {
      await live.becomes('live');
      await live.openList();
    }
    await one.send('hello from one');
    await other.send('hello from the other');
    for (const live of [one, other]) {
      await live.lists('hello from one');
      await live.lists('hello from the other');
      await live.flies('hello from the other');
      expect(live.faults).toEqual([]);
    }
    await one.says(/^Sent\.$/);
    expect(await one.page.$$eval('#log-list li.own span', (own) => own.map((text) => text.textContent))).toEqual([
      'hello from one',
    ]);
    await expect.poll(() => one.page.textContent('#online')).toBe('2 online');
    expect(await one.page.title()).toBe('two · volley');
  });

  it('sends the colour and the place that were chosen, by keyboard alone', async () => {
    const live = await LivePage.open(browser, server, '?room=keys');
    await live.becomes('live');
    const { keyboard } = live.page;
    await live.page.focus('#send-text');
    await keyboard.type('from the keyboard');
    // The button, the colours, the places: one stop each. The name comes last.
    for (const key of ['Tab', 'Tab', 'ArrowRight', 'Tab', 'ArrowRight', 'Shift+Tab', 'Shift+Tab', 'Enter'])
      await keyboard.press(key);
    await live.says(/^Sent\.$/);
    const kept = await (await fetch(`${server.apiUrl}/rooms/keys/comments`)).json();
    expect(kept).toMatchObject({ comments: [{ text: 'from the keyboard', color: 0xffd166, mode: 'top' }] });
  });

  it('keeps the name and the colour of the last visit, and sends them', async () => {
    const live = await LivePage.open(browser, server, '?room=name');
    await live.becomes('live');
    await live.page.check('input[name="color"][value="ff8fab"]', { force: true });
    await live.page.fill('#send-name', '  Ana <b>  ');
    await live.page.press('#send-name', 'Tab');
    await live.page.reload();
    await live.becomes('live');
    await live.openList();
    await live.send('it is me');
    await live.lists('it is me');
    expect(await live.page.textContent('#log-list .name')).toBe('Ana <b>');
    const kept = await (await fetch(`${server.apiUrl}/rooms/name/comments`)).json();
    expect(kept).toMatchObject({ comments: [{ name: 'Ana <b>', color: 0xff8fab }] });
  });

  it('goes on after the server was started again, with no comment lost or doubled', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'volley-live-'));
    const args = ['--workers', '1', '--interval', '100', '--store', `level:${folder}`];
    let own = await startProcess(args);
    try {
      const live = await LivePage.open(browser, own, '?room=kept');
      await live.becomes('live');
      await live.openList();
      const ids = await postStored(own, 'kept', ['before 1', 'before 2']);
      await live.listsIds(ids);
      const ports = [new URL(own.viewerUrl).port, new URL(own.apiUrl).port];
      await own.stop();
      await live.becomes('reconnecting');
      own = await startProcess([...args, '--port', `${ports[0]}`, '--api-port', `${ports[1]}`]);
      for (let i = 0; i < 20; i += 1) ids.push(...(await postStored(own, 'kept', [`after ${i}`])));
      await live.becomes('live');
      ids.push(...(await postStored(own, 'kept', ['the last'])));
      await live.listsIds(ids);
      expect(new Set(ids).size).toBe(23);
      expect(live.faults).toEqual([]);
    } finally {
      await own.stop();
      await rm(folder, { recursive: true });
    }
  }, 60_000);

  it('forgets what it had when the room begins anew: ids of then are other comments’ now', async () => {
    const args = ['--workers', '1', '--interval', '100', '--store', 'memory'];
    let own = await startProcess(args);
    try {
      const live = await LivePage.open(browser, own, '?room=anew');
      await live.becomes('live');
      await live.openList();
      await live.send('my own');
      await live.says(/^Sent\.$/);
      const [recalled] = await postStored(own, 'anew', ['goes']);
      await live.flies('goes');
      await fetch(`${own.apiUrl}/rooms/anew/comments/${recalled}`, { method: 'DELETE' });
      await live.listsIds(['1.0']);
      expect(await live.ownIds()).toEqual(['1.0']);
      const ports = [new URL(own.viewerUrl).port, new URL(own.apiUrl).port];
      await own.stop();
      await live.becomes('reconnecting');
      own = await startProcess([...args, '--port', `${ports[0]}`, '--api-port', `${ports[1]}`]);
      await live.becomes('live');
      await live.listsIds([]);
      const ids = [...(await postStored(own, 'anew', ['first'])), ...(await postStored(own, 'anew', ['second']))];
      expect(ids).toEqual(['1.0', recalled]);
      await live.listsIds(ids);
      await live.flies('second');
      expect(await live.ownIds()).toEqual([]);
      expect(live.faults).toEqual([]);
    } finally {
      await own.stop();
    }
  }, 60_000);

  it('goes on after it was offline, with no comment lost or doubled', async () => {
    const live = await LivePage.open(browser, server, '?room=tunnel');
    await live.becomes('live');
    await live.openList();
    const ids = await postStored(server, 'tunnel', ['before the tunnel']);
    await live.listsIds(ids);
    await live.page.context().setOffline(true);
    for (const when of ['first', 'then']) ids.push(...(await postStored(server, 'tunnel', [`${when} 1`, `${when} 2`])));
    await live.page.context().setOffline(false);
    await expect.poll(() => live.sockets).toBe(2);
    ids.push(...(await postStored(server, 'tunnel', ['after the tunnel'])));
    await live.listsIds(ids);
    await live.becomes('live');
    await live.send('and I can write');
    await live.lists('and I can write');
  });

  it('keeps its pace under 1,000 comments a second, or says how many it left out', async () => {
    const live = await LivePage.open(browser, server, '?room=flood');
    await live.becomes('live');
    await live.openList();
    let flooding = true;
    const flood = (async (): Promise<number> => {
      let posted = 0;
      // By the clock: waiting after each post would make them fewer than 1,000 a second.
      for await (const next of setInterval(100, 100)) {
        if (!flooding) break;
        const texts = Array.from({ length: next }, (_, i) => ({ text: `flood ${posted + i}` }));
        expect((await server.post('flood', texts)).status).toBe(202);
        posted += next;
      }
      return posted;
    })();
    await live.flies('flood 0');
    const rate = await live.frameRate(4_000);
    flooding = false;
    const posted = await flood;
    await live.lists(`flood ${posted - 1}`);
    const leftOut = await live.leftOut();
    // No picture has room for as many, so the density limit is what keeps the pace; it must say so.
    expect(leftOut, `${rate} frames a second, ${posted} posted`).toBeGreaterThan(0);
    expect(await live.page.textContent('#left-out')).toMatch(
      /^[\d,]+ left out: more came than the picture has room for$/,
    );
    expect(leftOut).toBeLessThan(posted);
    expect((await live.flying()).length).toBeLessThan(400);
    expect((await live.ids()).length).toBe(200);
    expect(live.faults).toEqual([]);
  }, 60_000);

  it('shows markup as the text that it is', async () => {
    const live = await LivePage.open(browser, server, '?room=markup');
    await live.becomes('live');
    await live.openList();
    const attack = '<img src=x onerror="document.title=\'owned\'"><b>bold</b>';
    await server.post('markup', { text: attack, name: '<i>name</i>' });
    await live.lists(attack);
    await live.flies(attack);
    expect(await live.page.textContent('#log-list .name')).toBe('<i>name</i>');
    expect(await live.page.$$('#log-list img, #log-list i, .stage img, .stage b')).toEqual([]);
    expect(await live.page.title()).toBe('markup · volley');
  });

  it('takes recalled comments off the list and off the screen', async () => {
    const live = await LivePage.open(browser, server, '?room=recall');
    await live.becomes('live');
    await live.openList();
    const [kept, gone] = await postStored(server, 'recall', ['this stays', 'this goes']);
    await live.flies('this goes');
    const answer = await fetch(`${server.apiUrl}/rooms/recall/comments/${gone}`, { method: 'DELETE' });
    expect(answer.status).toBe(204);
    await live.listsIds([`${kept}`]);
    await expect.poll(() => live.flying()).not.toContain('this goes');
    // The renderer is still at work.
    await server.post('recall', { text: 'and this comes' });
    await live.flies('and this comes');
    expect(live.faults).toEqual([]);
  });

  it('says why a comment was refused, gives it back, and says when to try again', async () => {
    const narrow = await startProcess([
      '--workers',
      '1',
      '--interval',
      '5000',
      '--max-pending',
      '1',
      '--max-text',
      '20',
    ]);
    try {
      const live = await LivePage.open(browser, narrow, '?room=narrow');
      await live.becomes('live');
      await live.send('   ');
      await live.says(/^Write something first\.$/);
      await live.send('x'.repeat(21));
      await live.says(/^Too long by 1 character\.$/);
      await live.page.press('#send-text', 'x');
      await live.says(/^Too long by 2 characters\.$/);
      await live.page.fill('#send-text', 'mended');
      await live.says(/^$/);
      await live.send('x'.repeat(21));
      expect(await live.page.textContent('#send-counter')).toBe('21/20');
      await live.send('a\u0007b');
      await live.says(/control character \(U\+0007\)/);
      expect(await live.page.inputValue('#send-text')).toBe('a\u0007b');
      await live.send('goes out at once');
      await live.says(/^Sent\.$/);
      await live.send('waits');
      await live.send('is one too many');
      await live.says(/Too many people are writing.*Try again in 5 seconds\.$/);
      expect(await live.page.inputValue('#send-text')).toBe('is one too many');
      expect(await live.page.textContent('#send-button')).toMatch(/^Send \(\d\)$/);
      await live.page.press('#send-text', 'Enter');
      await live.says(/^Try again in \d seconds?\.$/);
      expect(await live.page.getAttribute('#send-result', 'aria-live')).toBe('polite');
      await expect.poll(() => live.page.textContent('#send-button'), { timeout: 10_000 }).toBe('Send');
      await live.page.press('#send-text', 'Enter');
      await live.says(/^Sent\.$/);
    } finally {
      await narrow.stop();
    }
  }, 60_000);

  it('is alive at the first look with --demo, whose crowd is no viewer and ends with the server', async () => {
    const demo = await startProcess(['--workers', '1', '--demo']);
    try {
      const live = await LivePage.open(browser, demo);
      await live.becomes('live');
      await expect.poll(async () => (await live.flying()).length, { timeout: 20_000 }).toBeGreaterThan(5);
      expect(await live.page.textContent('#online')).toBe('1 online');
      expect(await live.page.title()).toBe('demo · volley');
      expect(await demo.metric('volley_viewers')).toBe(1);
      expect(live.faults).toEqual([]);
    } finally {
      expect(await demo.stop()).toBe(0);
    }
  }, 60_000);
});

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

  it('reads comments aloud only when asked to', async () => {
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
