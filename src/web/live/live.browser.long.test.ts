/** The live page in a real browser, against a real server. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setInterval } from 'node:timers/promises';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { findsBrowser, openBrowser } from '../../browser.fixture.ts';
import { type ServerProcess, startProcess } from '../../server-process.fixture.ts';
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
