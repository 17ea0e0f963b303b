import { accessSync, constants } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import type { AxeResults } from 'axe-core';
import { type Browser, chromium, type Page } from 'playwright-core';
import { expect } from 'vitest';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** The first Chromium on the PATH, null where none is installed. */
function chromiumPath(): string | null {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const places = folders.flatMap((folder) => NAMES.map((name) => join(folder, name)));
  return places.find(isExecutable) ?? null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Whether there is a Chromium; where there is none, says once what is not tried without it. */
export function findsBrowser(what: string): boolean {
  if (chromiumPath() !== null) return true;
  process.stderr.write(`no Chromium is installed, so not tried: ${what}; apt-get install chromium\n`);
  return false;
}

/** Starts a real browser without a window; the caller closes it. Media play without a click, and in silence. */
export async function openBrowser(): Promise<Browser> {
  const executablePath = chromiumPath();
  if (executablePath === null) throw new Error('no Chromium on the PATH; on Debian: apt-get install chromium');
  return chromium.launch({
    executablePath,
    args: ['--autoplay-policy=no-user-gesture-required', '--mute-audio'],
    // Chromium's sandbox does not run as root: playwright then passes --no-sandbox.
    chromiumSandbox: process.getuid?.() !== 0,
  });
}

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

/** What axe finds serious or critical on the page, in words. */
export async function findBarriers(page: Page): Promise<string[]> {
  // Not as a script of the page, which its policy would not take.
  await page.evaluate(await readFile(AXE, 'utf8'));
  const { violations, passes } = await page.evaluate(() =>
    (globalThis as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run(),
  );
  expect(passes.length).toBeGreaterThan(10);
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
}
