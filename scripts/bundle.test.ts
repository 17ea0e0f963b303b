import { mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { bundle, MOST_BYTES } from './bundle.ts';

describe('the bundle', () => {
  let out: string;
  let bytes: number;

  beforeAll(async () => {
    out = await mkdtemp(join(tmpdir(), 'volley-bundle-'));
    await writeFile(join(out, 'old.js'), '');
    bytes = await bundle(out);
  });

  afterAll(() => rm(out, { recursive: true, force: true }));

  it('of the SDK is no larger than a page should have to load', () => {
    expect(bytes).toBeGreaterThan(1_000);
    expect(bytes).toBeLessThanOrEqual(MOST_BYTES);
  });

  it('of the SDK is one file that loads by itself and has all that is documented', async () => {
    expect(await readFile(join(out, 'client.js'), 'utf8')).not.toMatch(/\bimport\b/);
    const sdk = (await import(pathToFileURL(join(out, 'client.js')).href)) as Record<string, unknown>;
    for (const name of ['connect', 'Playout', 'playRoom', 'attachDanmaku', 'attachDPlayer', 'attachArtplayer']) {
      expect(sdk[name], name).toBeTypeOf('function');
    }
  });

  it('has a source map that names the sources', async () => {
    const map = JSON.parse(await readFile(join(out, 'client.js.map'), 'utf8')) as { sources: string[] };
    expect(map.sources.some((source) => source.endsWith('src/client/playout.ts'))).toBe(true);
  });

  it('has the pages’ files in one folder, each page with the SDK that everybody else loads', async () => {
    const files = await readdir(out);
    expect(files).toEqual(expect.arrayContaining(['client.js', 'hls.js', 'licenses.txt', 'uplot.css']));
    expect(files).not.toContain('old.js');
    for (const page of files.filter((file) => ['live.js', 'dashboard.js'].includes(file))) {
      const imports = (await readFile(join(out, page), 'utf8')).matchAll(/\bfrom\s*["'`]([^"'`]+)["'`]/g);
      expect([...imports].map(([, from]) => from).filter((from) => from !== '/client.js')).toEqual([]);
    }
  });

  it('has every file but source maps compressed too', async () => {
    const files = await readdir(out);
    const plain = files.filter((file) => !/\.(map|br|gz)$/.test(file));
    expect(plain.length).toBeGreaterThan(5);
    for (const file of plain) {
      const bytes = await readFile(join(out, file));
      expect(brotliDecompressSync(await readFile(join(out, `${file}.br`))).equals(bytes), file).toBe(true);
      expect(gunzipSync(await readFile(join(out, `${file}.gz`))).equals(bytes), file).toBe(true);
    }
    expect(files.filter((file) => /\.map\./.test(file))).toEqual([]);
  });

  describe('of a page', () => {
    const sdk = (file: string): string => fileURLToPath(new URL(`../src/client/${file}`, import.meta.url));
    let web: string;

    beforeEach(async () => {
      web = await realpath(await mkdtemp(join(tmpdir(), 'volley-web-')));
      await mkdir(join(web, 'live'));
    });

    afterEach(() => rm(web, { recursive: true, force: true }));

    it('is not made where the page would bring an SDK of its own, or what cannot be found', async () => {
      await writeFile(join(web, 'live/live.ts'), `import { connect } from '${sdk('index.ts')}'; connect;`);
      await expect(bundle(join(web, 'out'), web)).rejects.toThrow(
        'a page imports the SDK from src/client/bundle.ts only',
      );
      await writeFile(join(web, 'live/live.ts'), `import nothing from 'no-such-package'; document.title = nothing;`);
      await expect(bundle(join(web, 'out'), web)).rejects.toThrow('no-such-package');
    });

    it('has its own name for each file', async () => {
      await writeFile(join(web, 'live/page.css'), '');
      await writeFile(join(web, 'page.css'), '');
      await expect(bundle(join(web, 'out'), web)).rejects.toThrow('two files are named page.css');
    });
  });

  it('that fails leaves what was there, and nothing beside it', async () => {
    const web = await mkdtemp(join(tmpdir(), 'volley-web-'));
    const site = join(web, 'site');
    await mkdir(site);
    await writeFile(join(site, 'client.js'), 'old');
    await mkdir(join(web, 'live'));
    await writeFile(join(web, 'live/live.ts'), `import nothing from 'no-such-package'; document.title = nothing;`);
    await expect(bundle(site, web)).rejects.toThrow('no-such-package');
    expect(await readFile(join(site, 'client.js'), 'utf8')).toBe('old');
    expect((await readdir(web)).sort()).toEqual(['live', 'site']);
    await rm(web, { recursive: true });
  });

  it('goes with the licenses of what is in it', async () => {
    const licenses = await readFile(join(out, 'licenses.txt'), 'utf8');
    for (const name of ['hls.js', 'uplot']) expect(licenses).toContain(name);
  });

  it('that follows another leaves no moment without a page, and no half-written one; a page loads the SDK that all do', async () => {
    const web = await mkdtemp(join(tmpdir(), 'volley-web-'));
    await mkdir(join(web, 'live'));
    const sdk = fileURLToPath(new URL('../src/client/bundle.ts', import.meta.url));
    await writeFile(join(web, 'live/live.ts'), `import { connect } from '${sdk}'; document.title = String(connect);`);
    const before = await readFile(join(out, 'live.js'), 'utf8');
    let isBuilding = true;
    const building = bundle(out, await realpath(web)).finally(() => {
      isBuilding = false;
    });
    const seen = new Set<string>();
    while (isBuilding) {
      seen.add(await readFile(join(out, 'live.js'), 'utf8').catch(String));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await building;
    const after = await readFile(join(out, 'live.js'), 'utf8');
    expect([...seen].filter((text) => text !== before && text !== after)).toEqual([]);
    expect(after).toMatch(/from\s*["'`]\/client\.js["'`]/);
    expect(after.length).toBeLessThan(500);
    await rm(web, { recursive: true });
  });
});
