import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { library, loadFirst } from './uws.ts';

const folder = mkdtempSync(join(tmpdir(), 'volley-uws-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A package of CommonJS that runs `source`; gives the path that it is loaded by. */
function makePackage(name: string, source: string, manifest: object = {}): string {
  const place = join(folder, name);
  mkdirSync(place);
  writeFileSync(join(place, 'package.json'), JSON.stringify({ name, version: '1.2.3', ...manifest }));
  writeFileSync(join(place, 'index.js'), source);
  return join(place, 'index.js');
}

describe('uWebSockets.js', () => {
  const good = makePackage('good', 'exports.App = () => "of good"');
  const other = makePackage('other', 'exports.App = () => "of other"');
  const broken = makePackage('broken', "throw new Error('for other systems\\n\\nError: GLIBC_9 not found')");

  it('is one of the packages from the registry, or the official one', () => {
    expect(library).toMatch(/^(uWebSockets\.js|@btc-vision\/uwebsockets\.js|uws-pack) \d+\.\d+\.\d+$/);
  });

  it('is the first package that is installed and loads', async () => {
    const loaded = await loadFirst(['volley-not-installed', broken, good, other]);
    expect(loaded.library).toBe('good 1.2.3');
    expect(loaded.uws.App()).toBe('of good');
  });

  it('is loaded from a package for import only, too', async () => {
    const name = 'volley-test-esm';
    const place = makePackage(name, 'export const App = () => "of an ES module"', {
      type: 'module',
      exports: { import: './index.js' },
    });
    const installed = new URL(`../node_modules/${name}`, import.meta.url);
    symlinkSync(dirname(place), installed);
    onTestFinished(() => rmSync(installed));
    const loaded = await loadFirst([name]);
    expect(loaded.library).toBe('volley-test-esm 1.2.3');
    expect(loaded.uws.App()).toBe('of an ES module');
  });

  it('is missed in one sentence with the remedy and what each package failed with', async () => {
    const failing = loadFirst(['volley-not-installed', broken]);
    await expect(failing).rejects.toMatchObject({
      code: 'BINARY_MISSING',
      message: expect.stringMatching(
        /^uWebSockets\.js has no binary that loads with Node\.js v\d+[^\n]+: use Node\.js 20 or 22[^\n]+\(volley-not-installed: not installed; \S+index\.js: Error: GLIBC_9 not found\)$/,
      ),
    });
  });
});
