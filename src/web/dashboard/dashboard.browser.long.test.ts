/** The dashboard in a real browser, against real servers. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { findBarriers, findsBrowser, openBrowser } from '../../testing/browser.ts';
import { type ServerProcess, startProcess } from '../../testing/server-process.ts';
import { ViewerClient } from '../../testing/viewer-client.ts';
import { writeCount, writeValue } from './number-text.ts';

/** How long is waited for what the page shows with one of its next seconds. */
const PATIENT = { timeout: 15_000 };

/** Opens the dashboard, with `query` after its address, in a context of its own, and waits until it is live. */
async function openDashboard(browser: Browser, apiUrl: string, query = ''): Promise<{ page: Page; faults: string[] }> {
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
async function becomesLive(page: Page): Promise<void> {
  await page.locator('#link[data-state="live"]').waitFor(PATIENT);
  await page.locator('#updated[data-at]').waitFor(PATIENT);
}

async function textOf(page: Page, selector: string): Promise<string> {
  return (await page.locator(selector).textContent()) ?? '';
}

const SECOND_MS = 1_000;

/** The seconds that the page showed, and those in which it drew. */
interface DrawingWindow {
  readonly drawings: Readonly<Record<'shown' | 'drawn', Set<string | undefined>>>;
}

describe.skipIf(!findsBrowser('the dashboard'))('the dashboard', () => {
  let browser: Browser;
  let server: ServerProcess;
  let viewers: ViewerClient[] = [];
  let feeding: NodeJS.Timeout | undefined;
  const others: ServerProcess[] = [];

  beforeAll(async () => {
    browser = await openBrowser();
    server = await startProcess(['--workers', '2']);
  });

  afterEach(async () => {
    clearInterval(feeding);
    for (const context of browser.contexts()) await context.close();
    await Promise.all(viewers.map((viewer) => viewer.close()));
    viewers = [];
  });

  afterAll(async () => {
    await Promise.all([browser?.close(), server?.stop(), ...others.map((other) => other.stop())]);
  });

  /** The total of a line of a chart. */
  function totalOf(page: Page, chart: string, line: string): Promise<string> {
    return textOf(page, `#${chart} li[data-line="${line}"] .total`);
  }

  /** Seats viewers of all codecs in the rooms, and posts to these every 100 ms, some of it refused. */
  async function gather(rooms: readonly string[], count: number): Promise<void> {
    viewers = Array.from({ length: count }, (_, i) => {
      const codec = (['json', 'msgpack', 'deflate'] as const)[i % 3] ?? 'json';
      return new ViewerClient(server.viewerUrl, rooms[i % rooms.length] ?? '', { codec });
    });
    await Promise.all(viewers.map((viewer) => viewer.welcome()));
    let turn = 0;
    feeding = setInterval(() => {
      turn += 1;
      server.post(rooms[turn % rooms.length] ?? '', [{ text: `turn ${turn}` }, { text: '' }, { text: 'gj' }]);
      viewers[turn % viewers.length]?.send({ type: 'comment', ref: `${turn}`, text: 'hello' });
    }, 100);
  }

  it('shows the numbers of /metrics while a crowd is there and comments flow', async () => {
    const { page, faults } = await openDashboard(browser, server.apiUrl);
    await gather(['one', 'two', 'three'], 12);
    const number = async (text: Promise<string>): Promise<number> => Number((await text).replace(/\D/g, ''));
    const counted = [
      ['volley_comments_total', 'source="http"', 'comments', 'over HTTP'],
      ['volley_comments_total', 'source="socket"', 'comments', 'from viewers'],
      ['volley_batches_total', '', 'pushes', 'batches fired'],
      ['volley_pushes_total', '', 'pushes', 'frames'],
      ['volley_deliveries_total', '', 'deliveries', 'to viewers'],
      ['volley_refused_total', 'code="TEXT_INVALID"', 'refused', 'TEXT_INVALID'],
    ] as const;
    const metrics = (): Promise<number[]> => Promise.all(counted.map(([name, labels]) => server.metric(name, labels)));

    await page.locator('#refused li').waitFor();
    const before = await metrics();
    // A sample made after that, and before what is asked next.
    const asked = Date.now();
    await page.waitForFunction((at) => Number(document.getElementById('updated')?.dataset.at) > at, asked);
    const shown = await Promise.all(counted.map(([, , chart, line]) => number(totalOf(page, chart, line))));
    const after = await metrics();
    for (const [i, [name]] of counted.entries()) {
      expect(shown[i], name).toBeGreaterThanOrEqual(before[i] ?? Number.NaN);
      expect(shown[i], name).toBeLessThanOrEqual(after[i] ?? Number.NaN);
      expect(shown[i], name).toBeGreaterThan(0);
    }
    expect(await textOf(page, '#stat-viewers')).toBe('12');
    expect(await server.metric('volley_viewers')).toBe(12);

    // Nothing flows any more: then they are the same to the last one.
    clearInterval(feeding);
    await expect.poll(() => server.metric('volley_pending_comments'), PATIENT).toBe(0);
    for (const [name, labels, chart, line] of counted) {
      const differ = async (): Promise<string> => {
        const [text, value] = await Promise.all([totalOf(page, chart, line), server.metric(name, labels)]);
        return text === `${writeCount(value)} in all` ? 'the same' : `${name} is ${value}, not ${text}`;
      };
      await expect.poll(differ, PATIENT).toBe('the same');
    }
    const bytes = await server.metric('volley_delivered_bytes_total');
    expect(await totalOf(page, 'bytes', 'payload')).toBe(`${writeValue(bytes, 'bytes')} in all`);
    expect(await textOf(page, '#stat-comments')).toBe(writeCount(await server.metric('volley_comments_total')));
    expect(await textOf(page, '#stat-rooms')).toBe(writeCount(await server.metric('volley_rooms')));
    expect(await page.locator('#charts canvas').count()).toBe(11);
    expect(faults).toEqual([]);
  });

  it('asks for one stream, and for nothing more', async () => {
    const page = await (await browser.newContext()).newPage();
    const asked: string[] = [];
    page.on('request', (request) => asked.push(new URL(request.url()).pathname));
    await page.goto(`${server.apiUrl}/dashboard`);
    await becomesLive(page);
    const first = await page.locator('#updated').getAttribute('data-at');
    await page.waitForFunction(
      (at) => Number(document.getElementById('updated')?.dataset.at) > at,
      Number(first) + 2 * SECOND_MS,
    );
    expect(asked.filter((path) => !/\.(js|css|svg)$/.test(path))).toEqual(['/dashboard', '/dashboard/stream']);
  });

  it('shows the past to whoever comes late', async () => {
    const { page: early } = await openDashboard(browser, server.apiUrl);
    const at = Number(await early.locator('#updated').getAttribute('data-at'));
    await early.waitForFunction((then) => Number(document.getElementById('updated')?.dataset.at) > then, at + 2_000);
    const { page } = await openDashboard(browser, server.apiUrl);
    const first = secondOfDay(await textOf(page, '#updated'));
    const box = await page.locator('#viewers .u-over').boundingBox();
    if (box === null) throw new Error('no chart is drawn');
    await page.mouse.move(box.x + 1, box.y + 10);
    await expect.poll(() => textOf(page, '#comments .when'), PATIENT).not.toBe('');
    const pointed = secondOfDay(await textOf(page, '#comments .when'));
    expect((first - pointed + 86_400) % 86_400).toBeGreaterThanOrEqual(2);
    await page.mouse.move(0, 0);
    await expect.poll(() => textOf(page, '#comments .when'), PATIENT).toBe('');
  });

  it.each([
    ['no-preference', 'every second', 4, 5],
    ['reduce', 'one second of five', 1, 2],
  ] as const)('with a preference for motion of %s draws %s', async (reducedMotion, _, least, most) => {
    const page = await (await browser.newContext({ reducedMotion })).newPage();
    await page.addInitScript(() => {
      const drawings: DrawingWindow['drawings'] = { shown: new Set(), drawn: new Set() };
      Object.assign(window, { drawings });
      const clear = CanvasRenderingContext2D.prototype.clearRect;
      CanvasRenderingContext2D.prototype.clearRect = function (...box) {
        drawings.drawn.add(document.getElementById('updated')?.dataset.at);
        clear.apply(this, box);
      };
      new MutationObserver(() => drawings.shown.add(document.getElementById('updated')?.dataset.at)).observe(document, {
        subtree: true,
        attributeFilter: ['data-at'],
      });
    });
    await page.goto(`${server.apiUrl}/dashboard`);
    await becomesLive(page);
    await page.evaluate(() => {
      for (const seconds of Object.values((window as unknown as DrawingWindow).drawings)) seconds.clear();
    });
    await page.waitForFunction(() => (window as unknown as DrawingWindow).drawings.shown.size === 5);
    const drawn = await page.evaluate(() => (window as unknown as DrawingWindow).drawings.drawn.size);
    expect(drawn).toBeGreaterThanOrEqual(least);
    expect(drawn).toBeLessThanOrEqual(most);
  });

  it('opens a room by the keyboard, tells who watches it, and closes it', async () => {
    await gather(['lobby', 'attic'], 6);
    const { page, faults } = await openDashboard(browser, server.apiUrl);
    await page.getByRole('button', { name: 'lobby', exact: true }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Room lobby' }).waitFor();
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('room-heading');
    await expect.poll(() => textOf(page, '#room-viewers'), PATIENT).toBe('3');
    expect(await textOf(page, '#room-codecs')).toBe('json 1, msgpack 1, deflate 1');
    const shards = [...(await textOf(page, '#room-shards')).matchAll(/\d+: (\d+)/g)].map(([, count]) => Number(count));
    expect(shards).toHaveLength(2);
    expect(shards.reduce((sum, count) => sum + count, 0)).toBe(3);
    await expect.poll(() => textOf(page, '#room-push'), PATIENT).toMatch(/ ago$/);
    clearInterval(feeding);
    await expect
      .poll(async () => {
        const { seq, viewers: watching } = (await (await fetch(`${server.apiUrl}/rooms/lobby`)).json()) as {
          seq: number;
          viewers: number;
        };
        return [await textOf(page, '#room-seq'), await textOf(page, '#room-viewers')].join() === `${seq},${watching}`;
      }, PATIENT)
      .toBe(true);
    expect(new URL(page.url()).search).toBe('?room=lobby');
    await page.reload();
    await expect.poll(() => textOf(page, '#room-viewers'), PATIENT).toBe('3');
    await page.getByRole('button', { name: 'Close' }).click();
    await page.getByRole('heading', { name: 'Room lobby' }).waitFor({ state: 'hidden' });
    expect(new URL(page.url()).search).toBe('');
    expect(faults).toEqual([]);
  });

  it('opens a room that is not in the list, and says what is no name', async () => {
    const { page } = await openDashboard(browser, server.apiUrl);
    await page.getByLabel('Any room').fill('not a name');
    await page.keyboard.press('Enter');
    await page.getByText('A room name has 1 to 64 letters').waitFor();
    await page.getByLabel('Any room').fill('nobody-here');
    await page.keyboard.press('Enter');
    await page.getByText('Nobody watches, and nothing is on its way.').waitFor();
    expect(await textOf(page, '#room-error')).toBe('');
  });

  it.each(['light', 'dark'] as const)('has no serious issue for axe, in %s', async (colorScheme) => {
    await gather(['lobby'], 3);
    const { page } = await openDashboard(browser, server.apiUrl, '?room=lobby');
    await page.emulateMedia({ colorScheme });
    await page.locator('#refused li').waitFor();
    expect(await findBarriers(page)).toEqual([]);
  });

  it('fits a phone, whatever the names of the rooms', async () => {
    await gather(['x'.repeat(64), 'y'], 4);
    const { page } = await openDashboard(browser, server.apiUrl, `?room=${'x'.repeat(64)}`);
    await page.setViewportSize({ width: 320, height: 640 });
    await page.getByRole('button', { name: 'y', exact: true }).waitFor();
    await expect.poll(() => page.evaluate(() => document.documentElement.scrollWidth), PATIENT).toBe(320);
    await expect
      .poll(() => page.evaluate(() => document.querySelector('canvas')?.clientWidth ?? 0), PATIENT)
      .toBeLessThan(320);
  });

  it('says that it has lost the server, and goes on by itself when the server is back', async () => {
    const first = await startProcess(['--workers', '1']);
    others.push(first);
    const { page, faults } = await openDashboard(browser, first.apiUrl);
    expect(await page.locator('#lost').isVisible()).toBe(false);
    await first.stop();
    await page.getByRole('alert').getByText('No connection to the server; trying again.').waitFor();
    expect(await textOf(page, '#link')).toBe('Lost');
    const lastSeen = Number(await page.locator('#updated').getAttribute('data-at'));
    const ports = ['--api-port', new URL(first.apiUrl).port, '--port', new URL(first.viewerUrl).port];
    const second = await startProcess(['--workers', '1', ...ports]);
    others.push(second);
    await second.post('again', [{ text: 'one' }, { text: 'two' }]);
    await becomesLive(page);
    await page.waitForFunction((at) => Number(document.getElementById('updated')?.dataset.at) > at, lastSeen);
    await expect.poll(() => totalOf(page, 'comments', 'over HTTP'), PATIENT).toBe('2 in all');
    expect(await page.locator('#lost').isVisible()).toBe(false);
    // The browser itself notes each connection that was refused.
    expect(faults.filter((fault) => !fault.includes('net::ERR_'))).toEqual([]);
  });
});

/** The seconds since midnight of the `HH:MM:SS` in a text. */
function secondOfDay(text: string): number {
  const [hours = 0, minutes = 0, seconds = 0] = (/\d+:\d+:\d+/.exec(text)?.[0] ?? '').split(':').map(Number);
  return hours * 3_600 + minutes * 60 + seconds;
}

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
