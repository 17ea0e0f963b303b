/**
 * Pictures of the pages, for whoever changes one to look at: `node dist/scripts/screenshots.js FOLDER`, after a build.
 * Three screens, light and dark, of a server with the crowd of `--demo`.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { openBrowser } from '../src/testing/browser.ts';
import { startProcess } from '../src/testing/server-process.ts';

const SCREENS = [
  { width: 1_280, height: 800 },
  { width: 390, height: 844 },
  { width: 844, height: 390 },
] as const;

/** What is opened, and what must be there before it is a picture of anything. */
const SHOTS: readonly {
  readonly name: string;
  readonly path: string;
  readonly ready: (page: Page) => Promise<unknown>;
}[] = [
  {
    name: 'live',
    path: '/',
    ready: (page) => page.locator('.flying').nth(8).waitFor({ state: 'attached' }),
  },
  {
    name: 'live-open',
    // Quiet enough that nothing that is said is left out.
    path: '/?room=lakeside',
    ready: async (page) => {
      await page.locator('#link[data-state="live"]').waitFor();
      if ((await page.getAttribute('#log-toggle', 'aria-expanded')) === 'false') await page.click('#log-toggle');
      await page.$eval('#send-choices', (choices) => choices.setAttribute('open', ''));
      await page.fill('#send-name', 'Ana');
      for (const mode of ['top', 'bottom', 'scroll']) {
        await page.check(`input[name="mode"][value="${mode}"]`, { force: true });
        await page.fill('#send-text', `said at the place: ${mode}`);
        await page.press('#send-text', 'Enter');
        await page.locator('#send-result', { hasText: /^Sent\.$/ }).waitFor();
      }
      await page.locator('.flying.own').first().waitFor();
      await page.fill('#send-text', 'x'.repeat(203));
      await page.press('#send-text', 'Enter');
    },
  },
  { name: 'live-no-room', path: '/?room=not+a+room', ready: (page) => page.locator('#notice').waitFor() },
  {
    name: 'dashboard',
    path: '/dashboard',
    ready: (page) => page.locator('#rooms-body tr').nth(2).waitFor(),
  },
  {
    name: 'dashboard-rooms',
    path: '/dashboard#rooms',
    ready: (page) => page.locator('#rooms-body tr').first().waitFor(),
  },
  {
    name: 'dashboard-room',
    path: '/dashboard?room=demo',
    ready: (page) => page.locator('#updated[data-at]').waitFor(),
  },
];

async function shoot(browser: Browser, apiUrl: string, folder: string): Promise<void> {
  for (const viewport of SCREENS) {
    for (const colorScheme of ['light', 'dark'] as const) {
      const context = await browser.newContext({ viewport, colorScheme, hasTouch: viewport.width < 1_000 });
      const page = await context.newPage();
      for (const { name, path, ready } of SHOTS) {
        await page.goto('about:blank');
        await page.goto(`${apiUrl}${path}`);
        await ready(page);
        const file = `${name}-${viewport.width}x${viewport.height}-${colorScheme}.png`;
        await page.screenshot({ path: join(folder, file) });
      }
      await context.close();
    }
  }
}

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('give the folder that the pictures go to');
await mkdir(folder, { recursive: true });
const server = await startProcess(['--workers', '1', '--demo']);
const browser = await openBrowser();
try {
  await shoot(browser, server.apiUrl, folder);
} finally {
  await browser.close();
  await server.stop();
}
