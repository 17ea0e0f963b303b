import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';

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
