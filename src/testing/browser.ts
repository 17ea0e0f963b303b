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

/** Samples a second of what these tests play. */
export const WAV_RATE = 8_000;

/** A WAV file of one channel of unsigned 8-bit samples, {@link WAV_RATE} a second. */
export function makeWav(samples: Uint8Array): Buffer {
  const head = Buffer.alloc(44);
  head.write('RIFF', 0, 'latin1');
  head.writeUInt32LE(36 + samples.length, 4);
  head.write('WAVEfmt ', 8, 'latin1');
  head.writeUInt32LE(16, 16);
  for (const at of [20, 22, 32]) head.writeUInt16LE(1, at);
  for (const at of [24, 28]) head.writeUInt32LE(WAV_RATE, at);
  head.writeUInt16LE(8, 34);
  head.write('data', 36, 'latin1');
  head.writeUInt32LE(samples.length, 40);
  return Buffer.concat([head, samples]);
}

/** A minute of silence: something that plays. */
export function makeSilence(): Buffer {
  return makeWav(Buffer.alloc(WAV_RATE * 60, 128));
}
