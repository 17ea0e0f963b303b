/** The dashboard in a real browser, as an operator meets it. */
import type { Browser, Page } from 'playwright-core';

/** How long is waited for what the page shows with one of its next seconds. */
export const PATIENT = { timeout: 15_000 };

/** Opens the dashboard, with `query` after its address, in a context of its own, and waits until it is live. */
export async function openDashboard(
  browser: Browser,
  apiUrl: string,
  query = '',
): Promise<{ page: Page; faults: string[] }> {
  const page = await (await browser.newContext({ locale: 'en-US' })).newPage();
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(message.text());
  });
  await page.goto(`${apiUrl}/dashboard${query}`);
  await becomesLive(page);
  return { page, faults };
}

/** Waits until the page has a link and a second to show. */
export async function becomesLive(page: Page): Promise<void> {
  await page.locator('#link[data-state="live"]').waitFor(PATIENT);
  await page.locator('#updated[data-at]').waitFor(PATIENT);
}

export async function textOf(page: Page, selector: string): Promise<string> {
  return (await page.locator(selector).textContent()) ?? '';
}
