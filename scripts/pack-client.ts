/**
 * `npm run pack:client`: makes dist/volley-client, the SDK as a package of its own, and the tarball to publish beside it.
 * It has no dependency, so installing it brings no server. Needs the build.
 */
import { execFile } from 'node:child_process';
import { copyFile, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { rolldown } from 'rolldown';

/** Bytes that the package may have, packed. */
export const MOST_BYTES = 100_000;

/** The project's root, as seen from scripts/ or dist/scripts/. */
const ROOT = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '..' : '../..', import.meta.url));

const NAME = 'volley-client';
const ENTRY = 'client/bundle';

export interface Packed {
  readonly tarball: string;
  /** Bytes of the tarball, and of the files in it. */
  readonly packed: number;
  readonly unpacked: number;
}

/**
 * Makes the package in the folder `out`, anew, and its tarball there too.
 * @throws Error where it would be larger than {@link MOST_BYTES}, or the SDK needs anything else to run
 */
export async function packClient(out: string): Promise<Packed> {
  const folder = join(out, NAME);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await Promise.all([
    writeCode(join(folder, 'index.js')),
    writeTypes(join(folder, 'types')),
    writeManifest(join(folder, 'package.json')),
    writeReadme(join(folder, 'README.md')),
    copyFile(join(ROOT, 'LICENSE'), join(folder, 'LICENSE')),
  ]);
  const { stdout } = await promisify(execFile)('npm', ['pack', '--json', '--pack-destination', out], { cwd: folder });
  const [{ filename, unpackedSize }] = JSON.parse(stdout) as [{ filename: string; unpackedSize: number }];
  const tarball = join(out, filename);
  const packed = (await stat(tarball)).size;
  if (packed > MOST_BYTES) throw new Error(`${NAME} has ${packed} bytes, of at most ${MOST_BYTES}`);
  return { tarball, packed, unpacked: unpackedSize };
}

/** One file, not minified: a site's own bundler does that. The declarations have the comments. */
async function writeCode(file: string): Promise<void> {
  const built = await rolldown({
    input: join(ROOT, 'src', `${ENTRY}.ts`),
    cwd: ROOT,
    platform: 'neutral',
    onLog: (_, { message }) => {
      throw new Error(message);
    },
  });
  try {
    await built.write({ file, format: 'esm', comments: false });
  } finally {
    await built.close();
  }
}

/** The declarations that the entry's reach, in the same folders. TypeScript before 5.0 takes no `.ts` in an import. */
async function writeTypes(folder: string): Promise<void> {
  const source = join(ROOT, 'dist/src');
  const reached = new Set([join(source, `${ENTRY}.d.ts`)]);
  for (const file of reached) {
    const text = await readFile(file, 'utf8');
    const copy = join(folder, relative(source, file));
    await mkdir(dirname(copy), { recursive: true });
    await writeFile(copy, text.replace(IMPORT, "$1'$2.js'"));
    for (const [, , path] of text.matchAll(IMPORT)) reached.add(`${join(dirname(file), path ?? '')}.d.ts`);
  }
}

/** An import of a file in a declaration, as the compiler writes it. */
const IMPORT = /(\bfrom |\bimport\()['"](\.[^'"]+)\.ts['"]/g;

async function writeManifest(file: string): Promise<void> {
  const { version, license } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as Record<string, string>;
  const manifest = {
    name: NAME,
    version,
    description:
      'Watches a room of a volley server and comments in it: resumes by itself, misses nothing that is kept.',
    license,
    type: 'module',
    sideEffects: false,
    main: './index.js',
    types: `./types/${ENTRY}.d.ts`,
    exports: {
      '.': { types: `./types/${ENTRY}.d.ts`, default: './index.js' },
      './package.json': './package.json',
    },
    files: ['index.js', 'types'],
  };
  await writeFile(file, `${JSON.stringify(manifest, null, 2)}\n`);
}

/** docs/client.md, without the links to other pages. */
async function writeReadme(file: string): Promise<void> {
  const page = await readFile(join(ROOT, 'docs/client.md'), 'utf8');
  const text = page.replace(/\[([^\]]+)\]\((?!https?:|#)[^)]*\)/g, '$1');
  await writeFile(file, text);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { tarball, packed, unpacked } = await packClient(join(ROOT, 'dist'));
  process.stdout.write(`${tarball}: ${packed} bytes of at most ${MOST_BYTES}, ${unpacked} unpacked\n`);
}
