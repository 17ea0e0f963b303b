/** What an operator can read on the dashboard, in a real browser and against a real server that has just begun. */
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { findsBrowser, openBrowser } from '../../browser.fixture.ts';
import { type ServerProcess, startProcess } from '../../server-process.fixture.ts';
import { ViewerClient } from '../../viewer-client.fixture.ts';
import { becomesLive, openDashboard, PATIENT, textOf } from './dashboard-page.fixture.ts';

/** How far what was written on the charts stood out over their right edge, in px. */
interface WritingWindow {
  readonly writing: { texts: number; most: number };
}

describe.skipIf(!findsBrowser('the look of the dashboard'))('on the dashboard', () => {
  let browser: Browser;
  let server: ServerProcess;

  beforeAll(async () => {
    browser = await openBrowser();
    server = await startProcess(['--workers', '4']);
  });

  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
  });

  afterAll(async () => {
    await Promise.all([browser?.close(), server?.stop()]);
  });

  it('words stand in place of a chart where nothing was refused', async () => {
    const { page } = await openDashboard(browser, server.apiUrl);
    await page.getByText('Nothing was refused.').waitFor();
    expect(await page.locator('#refused .plot').isVisible()).toBe(false);
    expect(await page.locator('#viewers .plot').isVisible()).toBe(true);
    await page.getByText('Nobody watches a room.').waitFor();
  });

  it('the rooms of the made-up crowd stand by their comments as long as nobody watches one', async () => {
    const demo = await startProcess(['--workers', '1', '--demo']);
    try {
      const { page } = await openDashboard(browser, demo.apiUrl);
      await page.getByRole('button', { name: 'lakeside' }).waitFor(PATIENT);
      expect(await page.isChecked('input[name="order"][value="comments"]')).toBe(true);
      await page.locator('#comments li[data-line="made up (--demo)"] .total', { hasText: /^[1-9]/ }).waitFor(PATIENT);
      expect(await textOf(page, '#comments li[data-line="over HTTP"] .total')).toBe('0 in all');
      const viewer = new ViewerClient(demo.viewerUrl, 'night-train', { codec: 'json' });
      await viewer.welcome();
      await expect.poll(() => page.isChecked('input[name="order"][value="viewers"]'), PATIENT).toBe(true);
      await viewer.close();
    } finally {
      await demo.stop();
    }
  });

  it('each line has dashes of its own in the legend', async () => {
    const { page } = await openDashboard(browser, server.apiUrl);
    const dashes = await page
      .locator('#cpu .swatch line')
      .evaluateAll((lines) => lines.map((line) => line.getAttribute('stroke-dasharray')));
    expect(dashes).toHaveLength(5);
    expect(new Set(dashes).size).toBe(5);
  });

  it('no time is cut at the right edge of a chart', async () => {
    const page = await (await browser.newContext()).newPage();
    await page.addInitScript(() => {
      const writing: WritingWindow['writing'] = { texts: 0, most: Number.NEGATIVE_INFINITY };
      Object.assign(window, { writing });
      const { fillText } = CanvasRenderingContext2D.prototype;
      CanvasRenderingContext2D.prototype.fillText = function (text, x, y, ...rest) {
        const end = this.textAlign === 'center' ? x + this.measureText(text).width / 2 : x;
        writing.texts += 1;
        writing.most = Math.max(writing.most, end - this.canvas.width);
        fillText.call(this, text, x, y, ...rest);
      };
    });
    await page.goto(`${server.apiUrl}/dashboard`);
    await becomesLive(page);
    await page.getByText('1 min', { exact: true }).click();
    const read = () => page.evaluate(() => (window as unknown as WritingWindow).writing);
    // Labels move by a second each second and are 10 s apart, so in 12 s each place near the edge was tried.
    const first = Number(await page.locator('#updated').getAttribute('data-at'));
    await page.waitForFunction((at) => Number(document.getElementById('updated')?.dataset.at) > at + 12_000, first, {
      timeout: 30_000,
    });
    const { texts, most } = await read();
    expect(texts).toBeGreaterThan(100);
    expect(most).toBeLessThanOrEqual(0);
  });

  it('the list of rooms is whole on a phone, whatever their names', async () => {
    const viewer = new ViewerClient(server.viewerUrl, 'x'.repeat(64), { codec: 'json' });
    await viewer.welcome();
    const { page } = await openDashboard(browser, server.apiUrl);
    await page.setViewportSize({ width: 375, height: 720 });
    await page.getByRole('button', { name: 'x'.repeat(64) }).waitFor();
    const hidden = () => page.locator('#rooms').evaluate((list) => list.scrollWidth - list.clientWidth);
    await expect.poll(hidden, PATIENT).toBe(0);
    await viewer.close();
  });
});
