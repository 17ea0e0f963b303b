/**
 * Makes dist/web, which the API port serves: the SDK as one file, the pages, and what they load. Part of
 * `npm run build`, so stdout stays empty; ends with 1 where the SDK is larger than a page should have to load. Does
 * nothing where no source has changed since the last time.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, extname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress, gzip } from 'node:zlib';
import { type Plugin, rolldown } from 'rolldown';

/** Bytes that the SDK may have, gzipped. */
export const MOST_BYTES = 12_288;

/** The project's root, as seen from scripts/ or dist/scripts/. */
const ROOT = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '..' : '../..', import.meta.url));

const SDK = join(ROOT, 'src/client/bundle.ts');
const PAGES = ['live', 'dashboard'];
/** Packages whose code goes into dist/web; each license says that it goes along. */
const PACKAGES = ['hls.js', 'uplot'];
const COPIED = new Set(['.html', '.css', '.svg']);
/** What is not served compressed: source maps, which only somebody who debugs loads. */
const PLAIN = new Set(['.map']);

/** Pages load the SDK from /client.js, as every other site does, instead of holding a copy each. */
const sharedSdk = (web: string): Plugin => ({
  name: 'shared-sdk',
  async resolveId(source, importer) {
    if (importer?.startsWith(web + sep) !== true) return null;
    const found = await this.resolve(source, importer, { skipSelf: true });
    if (found?.id === SDK) return { id: '/client.js', external: 'absolute' };
    if (found?.id.startsWith(join(ROOT, 'src/client') + sep)) {
      throw new Error(`${importer} imports ${source}: a page imports the SDK from src/client/bundle.ts only`);
    }
    return found;
  },
});

/**
 * Writes everything to the folder `out`, whose old files go once the new ones are there; where something fails, they
 * stay as they were. The pages are those in the folder `web`.
 * @returns the bytes of the SDK, gzipped
 */
export async function bundle(out: string, web = join(ROOT, 'src/web')): Promise<number> {
  await mkdir(out, { recursive: true });
  const fresh = await mkdtemp(`${out}.new-`);
  try {
    const bytes = await writeAll(fresh, web);
    await replaceFiles(out, fresh);
    return bytes;
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

/** File by file: at no moment is the folder away, so a server that starts meanwhile finds every page, old or new. */
async function replaceFiles(out: string, fresh: string): Promise<void> {
  const names = await readdir(fresh);
  for (const name of names) await rename(join(fresh, name), join(out, name));
  const old = (await readdir(out)).filter((name) => !names.includes(name));
  for (const name of old) await rm(join(out, name), { recursive: true, force: true });
}

/** Gives the bytes of the SDK, gzipped. */
async function writeAll(out: string, web: string): Promise<number> {
  const files = await listFiles(web);
  const entries = PAGES.map((page) => [page, join(web, page, `${page}.ts`)] as const);
  const pages = entries.filter(([, path]) => files.includes(path));
  const written = await Promise.allSettled([
    writeModule(SDK, join(out, 'client.js'), []),
    ...pages.map(([page, path]) => writeModule(path, join(out, `${page}.js`), [sharedSdk(web)])),
    copyAssets(files, out),
    writeLicenses(join(out, 'licenses.txt')),
  ]);
  // Only now, when nothing is being written any more, so that who tries again finds the folder at rest.
  for (const result of written) if (result.status === 'rejected') throw result.reason;
  await compressAll(out);
  return (await stat(join(out, 'client.js.gz'))).size;
}

/** Puts `NAME.br` and `NAME.gz` beside each file; browsers take Brotli only over HTTPS and from their own machine. */
async function compressAll(out: string): Promise<void> {
  const names = (await readdir(out)).filter((name) => !PLAIN.has(extname(name)));
  const written = names.map(async (name) => {
    const bytes = await readFile(join(out, name));
    await Promise.all([
      writeFile(join(out, `${name}.br`), await promisify(brotliCompress)(bytes)),
      writeFile(join(out, `${name}.gz`), await promisify(gzip)(bytes, { level: 9 })),
    ]);
  });
  await Promise.all(written);
}

/** One minified ES module of all that `entry` needs, with a source map beside it. */
async function writeModule(entry: string, file: string, plugins: Plugin[]): Promise<void> {
  const built = await rolldown({
    input: entry,
    cwd: ROOT,
    platform: 'browser',
    plugins,
    // The file itself is what a browser loads: a name that is not found would fail there.
    onLog: (_, { message }) => {
      throw new Error(`${entry}: ${message}`);
    },
  });
  try {
    await built.write({
      file,
      format: 'esm',
      minify: true,
      sourcemap: true,
      banner: '/*! licenses: see licenses.txt beside this file */',
    });
  } finally {
    await built.close();
  }
}

/** Pages and styles lie in one folder, whichever page they belong to, so that names are addresses. */
async function copyAssets(files: readonly string[], out: string): Promise<void> {
  const copies = new Map([
    ['uplot.css', join(ROOT, 'node_modules/uplot/dist/uPlot.min.css')],
    ['hls.js', join(ROOT, 'node_modules/hls.js/dist/hls.light.min.mjs')],
  ]);
  for (const file of files.filter((path) => COPIED.has(extname(path)))) {
    const name = basename(file);
    if (copies.has(name)) throw new Error(`two files are named ${name}: ${copies.get(name)} and ${file}`);
    copies.set(name, file);
  }
  await Promise.all([...copies].map(([name, file]) => copyFile(file, join(out, name))));
}

async function writeLicenses(file: string): Promise<void> {
  const texts = PACKAGES.map(async (name) => {
    const text = await readFile(join(ROOT, 'node_modules', name, 'LICENSE'), 'utf8');
    return `${name}\n\n${text.trim()}\n`;
  });
  await writeFile(file, (await Promise.all(texts)).join(`\n${'-'.repeat(80)}\n\n`));
}

async function listFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

/** Makes the folder `out` unless it was made of the sources as they are now. Gives the exit code. */
async function build(out: string): Promise<number> {
  await mkdir(out, { recursive: true });
  const stampFile = join(out, '../.web-stamp');
  const isFresh = existsSync(stampFile) && (await readFile(stampFile, 'utf8')) === (await stampFiles(out));
  if (isFresh) return 0;
  // Beside the compiled module that reads it.
  await copyFile(join(ROOT, 'src/demo/crowd-lines.json'), join(out, '../src/demo/crowd-lines.json'));
  const bytes = await bundle(out);
  process.stderr.write(`client.js: ${bytes} bytes gzipped, of at most ${MOST_BYTES}\n`);
  if (bytes > MOST_BYTES) return 1;
  await writeFile(stampFile, await stampFiles(out));
  return 0;
}

/** Changes with the path, the size or the time of any file that `out` is made of or by, or that is in it. */
async function stampFiles(out: string): Promise<string> {
  const folders = await Promise.all([join(ROOT, 'src'), out].map(listFiles));
  const single = ['package-lock.json', 'tsconfig.json'].map((name) => join(ROOT, name));
  const hash = createHash('sha256');
  for (const file of [...folders.flat(), ...single, fileURLToPath(import.meta.url)].sort()) {
    const { size, mtimeMs } = await stat(file);
    hash.update(`${file} ${size} ${mtimeMs}\n`);
  }
  return hash.digest('hex');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await build(join(ROOT, 'dist/web'));
