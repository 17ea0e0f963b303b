/** The live page in a real browser, as a reader meets it. */
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { expect } from 'vitest';
import type { RunningServer } from '../../testing/server-process.ts';

/** How long anything on the page may take to be so, ms. */
const PATIENCE = { timeout: 15_000, interval: 50 };

export class LivePage {
  readonly page: Page;
  /** What the page complained of: uncaught errors, and what its policy did not let through. */
  readonly faults: string[] = [];
  /** WebSockets that the page has opened. */
  sockets = 0;

  private constructor(page: Page) {
    this.page = page;
    page.on('websocket', () => {
      this.sockets += 1;
    });
    page.on('pageerror', (error) => this.faults.push(String(error)));
    page.on('console', (message) => {
      if (message.text().includes('Content Security Policy')) this.faults.push(message.text());
    });
  }

  /** Opens the page, with `query` after its address, in a context of its own; the caller closes the browser's contexts. */
  static async open(
    browser: Browser,
    server: RunningServer,
    query = '',
    options: BrowserContextOptions = {},
  ): Promise<LivePage> {
    const context = await browser.newContext({ viewport: { width: 1_280, height: 720 }, ...options });
    const live = new LivePage(await context.newPage());
    await live.page.goto(`${server.apiUrl}/${query}`);
    return live;
  }

  async becomes(state: string): Promise<void> {
    await expect.poll(() => this.page.getAttribute('#link', 'data-state'), PATIENCE).toBe(state);
  }

  async openList(): Promise<void> {
    if ((await this.page.getAttribute('#log-toggle', 'aria-expanded')) === 'false')
      await this.page.click('#log-toggle');
  }

  /** The ids of the comments in the list, in order. */
  ids(): Promise<string[]> {
    return this.page.$$eval('#log-list li', (items) => items.map((item) => item.dataset.id ?? ''));
  }

  /** The ids of those in the list that are marked as the reader's own. */
  ownIds(): Promise<string[]> {
    return this.page.$$eval('#log-list li.own', (items) => items.map((item) => item.dataset.id ?? ''));
  }

  /** The texts of the comments in the list, in order. */
  texts(): Promise<string[]> {
    return this.page.$$eval('#log-list li span', (texts) => texts.map((text) => text.textContent ?? ''));
  }

  /** The texts of the comments over the picture. */
  flying(): Promise<string[]> {
    return this.page.$$eval('.flying', (items) => items.map((item) => item.textContent ?? ''));
  }

  async lists(text: string): Promise<void> {
    await expect.poll(() => this.texts(), PATIENCE).toContain(text);
  }

  async flies(text: string): Promise<void> {
    await expect.poll(() => this.flying(), PATIENCE).toContain(text);
  }

  async listsIds(ids: readonly string[]): Promise<void> {
    await expect.poll(() => this.ids(), PATIENCE).toEqual(ids);
  }

  /** Writes a comment and presses Enter. */
  async send(text: string): Promise<void> {
    await this.page.fill('#send-text', text);
    await this.page.press('#send-text', 'Enter');
  }

  /** What stands beside the box once it matches. */
  async says(words: RegExp): Promise<void> {
    await expect.poll(() => this.page.textContent('#send-result'), PATIENCE).toMatch(words);
  }

  /** Comments that the page says it left out. */
  async leftOut(): Promise<number> {
    return Number(await this.page.getAttribute('#left-out', 'data-count'));
  }

  /** Frames a second, measured for `ms`. */
  frameRate(ms: number): Promise<number> {
    return this.page.evaluate(
      (duration) =>
        new Promise<number>((resolve) => {
          let frames = 0;
          let start = 0;
          const count = (time: number): void => {
            if (start === 0) start = time;
            else frames += 1;
            if (time - start >= duration) resolve((frames * 1_000) / (time - start));
            else requestAnimationFrame(count);
          };
          requestAnimationFrame(count);
        }),
      ms,
    );
  }
}

/** Posts comments that the store then holds; gives their ids. */
export async function postStored(server: RunningServer, room: string, texts: readonly string[]): Promise<string[]> {
  const answer = await server.post(
    room,
    texts.map((text) => ({ text })),
    '?wait=stored',
  );
  expect(answer.status).toBe(201);
  return (answer.body.ids ?? []).map(String);
}
