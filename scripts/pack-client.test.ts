import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MOST_BYTES, type Packed, packClient } from './pack-client.ts';

const run = promisify(execFile);

describe('the client as a package of its own', () => {
  let folder: string;
  let packed: Packed;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'volley-client-'));
    packed = await packClient(folder);
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
    // Offline: there is nothing to fetch for a package without dependencies.
    await run('npm', ['install', '--offline', '--no-audit', '--no-fund', packed.tarball], { cwd: folder });
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('has under 100 KB', async () => {
    expect(packed.packed).toBe((await stat(packed.tarball)).size);
    expect(packed.packed).toBeLessThanOrEqual(MOST_BYTES);
  });

  it('brings nothing else when it is installed', async () => {
    const installed = (await readdir(join(folder, 'node_modules'))).filter((name) => !name.startsWith('.'));
    expect(installed).toEqual(['volley-client']);
    const files = await readdir(join(folder, 'node_modules/volley-client'));
    expect(files.sort()).toEqual(['LICENSE', 'README.md', 'index.js', 'package.json', 'types']);
  });

  it('has the project’s version, and nothing that it would need', async () => {
    const manifest = JSON.parse(await readFile(join(folder, 'node_modules/volley-client/package.json'), 'utf8'));
    const { version } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'));
    expect(manifest).toMatchObject({ name: 'volley-client', version, license: 'MIT', type: 'module' });
    expect(Object.keys(manifest).filter((name) => /dependencies|private|scripts|bin/i.test(name))).toEqual([]);
  });

  it('is imported by its name, and has all that /client.js has', async () => {
    const script = `import * as sdk from 'volley-client'; console.log(Object.keys(sdk).sort().join());`;
    await writeFile(join(folder, 'use.js'), script);
    const { stdout } = await run(process.execPath, ['use.js'], { cwd: folder });
    expect(stdout.trim().split(',')).toEqual(Object.keys(await import('../src/client/bundle.ts')).sort());
  });

  it('has declarations that lead nowhere else, and a page that speaks of it by its name', async () => {
    const types = join(folder, 'node_modules/volley-client/types');
    const files = (await readdir(types, { recursive: true })).filter((file) => file.endsWith('.d.ts'));
    for (const file of files) {
      const text = await readFile(join(types, file), 'utf8');
      for (const [, path = ''] of text.matchAll(/\bfrom '([^']+)'/g)) {
        expect(files, `${path} in ${file}`).toContain(join(file, '..', path).replace(/\.js$/, '.d.ts'));
      }
    }
    const page = await readFile(join(folder, 'node_modules/volley-client/README.md'), 'utf8');
    expect(page).toContain("from 'volley-client'");
    expect(page).not.toMatch(/volley\/client|\]\(\w+\.md/);
  });
});
