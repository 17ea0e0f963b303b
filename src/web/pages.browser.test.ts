/** A small case of each page in a real browser; the rest is in the long tests beside the pages. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findsBrowser, openBrowser } from '../browser.fixture.ts';
import { ServerHere } from '../server-here.fixture.ts';
import { LivePage } from './live/live-page.fixture.ts';

describe.skipIf(!findsBrowser('the pages'))('in a real browser', () => {
  let browser: Browser;
  let server: ServerHere;

  beforeAll(async () => {
    browser = await openBrowser();
    server = await ServerHere.start(['--workers', '1', '--interval', '200']);
  });

  afterAll(async () => {
    await browser.close();
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
});
