/** The dashboard's connection in a real browser, against a real server. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { findsBrowser, openBrowser } from '../../browser.fixture.ts';
import { type ServerProcess, startProcess } from '../../server-process.fixture.ts';
import { becomesLive, openDashboard, PATIENT } from './dashboard-page.fixture.ts';

/** Connections that a browser has for one host. */
const MOST_CONNECTIONS = 6;

describe.skipIf(!findsBrowser('the stream of the dashboard'))('the stream of a dashboard', () => {
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
    await Promise.all([browser?.close(), server?.stop()]);
  });

  /** Tells the page that it is hidden, or seen again: a browser without a window hides none. */
  async function hide(page: Page, hidden: boolean): Promise<void> {
    await page.evaluate((now) => {
      Object.defineProperty(document, 'hidden', { configurable: true, value: now });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
  }

  async function shownAt(page: Page): Promise<number> {
    return Number(await page.locator('#updated').getAttribute('data-at'));
  }

  it('takes no connection while nobody sees the page, however many there are', async () => {
    const context = await browser.newContext();
    for (let i = 0; i <= MOST_CONNECTIONS; i += 1) {
      const page = await context.newPage();
      await page.goto(`${server.apiUrl}/dashboard`, PATIENT);
      await becomesLive(page);
      await hide(page, true);
    }
  });

  it('brings what was missed when the page is seen again, with the room that was open', async () => {
    const { page, faults } = await openDashboard(browser, server.apiUrl, '?room=lobby');
    const asked: URLSearchParams[] = [];
    page.on('request', (request) => asked.push(new URL(request.url()).searchParams));
    const { page: other } = await openDashboard(browser, server.apiUrl);
    await hide(page, true);
    const last = await shownAt(page);
    await expect.poll(() => shownAt(other), PATIENT).toBeGreaterThan(last + 3_000);
    expect(await shownAt(page)).toBe(last);
    expect(asked).toEqual([]);
    await hide(page, false);
    await expect.poll(() => shownAt(page), PATIENT).toBeGreaterThan(last + 3_000);
    expect(asked.map((query) => [...query])).toEqual([
      [
        ['since', String(last)],
        ['room', 'lobby'],
      ],
    ]);
    expect(await page.locator('#link').getAttribute('data-state')).toBe('live');
    expect(faults).toEqual([]);
  });

  it('begins when a page that was opened behind others is seen', async () => {
    const context = await browser.newContext();
    await context.addInitScript(() => {
      Object.defineProperty(document, 'hidden', { configurable: true, value: true });
    });
    const page = await context.newPage();
    const asked: string[] = [];
    page.on('request', (request) => asked.push(new URL(request.url()).pathname));
    await page.goto(`${server.apiUrl}/dashboard`, { waitUntil: 'networkidle' });
    expect(asked).not.toContain('/dashboard/stream');
    await hide(page, false);
    await becomesLive(page);
  });
});
