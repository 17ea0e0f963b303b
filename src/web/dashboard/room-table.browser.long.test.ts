/** The list of the busiest rooms in a real browser, against a real server. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { findsBrowser, openBrowser } from '../../browser.fixture.ts';
import { type ServerProcess, startProcess } from '../../server-process.fixture.ts';
import { ViewerClient } from '../../viewer-client.fixture.ts';
import { openDashboard, PATIENT, textOf } from './dashboard-page.fixture.ts';

describe.skipIf(!findsBrowser('the list of rooms'))('in the list of the busiest rooms', () => {
  let browser: Browser;
  let server: ServerProcess;
  let viewers: ViewerClient[] = [];

  beforeAll(async () => {
    browser = await openBrowser();
    server = await startProcess(['--workers', '1']);
  });

  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
    await Promise.all(viewers.map((viewer) => viewer.close()));
    viewers = [];
  });

  afterAll(async () => {
    await Promise.all([browser?.close(), server?.stop()]);
  });

  const listed = (page: Page): Promise<string[]> => page.locator('.room-name').allTextContents();
  const viewersOf = (page: Page, room: string): Promise<string> =>
    textOf(page, `#rooms-body tr:has(button:text-is("${room}")) td >> nth=0`);

  async function seat(room: string, count: number): Promise<void> {
    const seated = Array.from({ length: count }, () => new ViewerClient(server.viewerUrl, room, { codec: 'json' }));
    viewers.push(...seated);
    await Promise.all(seated.map((viewer) => viewer.welcome()));
  }

  it('nothing moves under a pointer that moves, and everything under one that rests', async () => {
    await seat('first', 2);
    await seat('second', 1);
    const { page } = await openDashboard(browser, server.apiUrl);
    await expect.poll(() => listed(page), PATIENT).toEqual(['first', 'second']);
    const first = page.getByRole('button', { name: 'first', exact: true });
    await first.hover();
    const box = await first.boundingBox();
    if (box === null) throw new Error('the list is not there');
    let step = 0;
    const wiggle = async (): Promise<string> => {
      step += 1;
      await page.mouse.move(box.x + (step % 20), box.y + box.height / 2);
      return viewersOf(page, 'second');
    };
    await wiggle();
    await seat('second', 2);
    await expect.poll(wiggle, PATIENT).toBe('3');
    expect(await listed(page)).toEqual(['first', 'second']);
    await expect.poll(() => listed(page), PATIENT).toEqual(['second', 'first']);
  });

  it('the room that has the focus keeps it, wherever it goes, and until the focus goes on', async () => {
    await seat('first', 3);
    await seat('second', 2);
    await seat('third', 1);
    const { page } = await openDashboard(browser, server.apiUrl);
    await expect.poll(() => listed(page), PATIENT).toEqual(['first', 'second', 'third']);
    await page.getByRole('button', { name: 'second', exact: true }).focus();
    await page.evaluate(() => {
      document.addEventListener('focusout', () => document.body.classList.add('focus-was-lost'));
    });
    await seat('third', 3);
    await expect.poll(() => listed(page), PATIENT).toEqual(['third', 'first', 'second']);
    await Promise.all(viewers.splice(3, 2).map((viewer) => viewer.close()));
    await expect.poll(() => viewersOf(page, 'second'), PATIENT).toBe('–');
    expect(await listed(page)).toEqual(['third', 'first', 'second']);
    expect(await page.evaluate(() => [document.activeElement?.textContent, document.body.className])).toEqual([
      'second',
      '',
    ]);
    await page.getByLabel('Any room').focus();
    await expect.poll(() => listed(page), PATIENT).toEqual(['third', 'first']);
  });
});
