import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** Where the compiled project lies, as seen from this file: dist/ itself, or src/ under a test runner. */
const DIST = new URL(import.meta.url.endsWith('.ts') ? '../dist/' : '../', import.meta.url);

/** The path of a compiled file, for what needs a file and not a module: a worker thread, a child process. */
export function compiledFile(path: string): string {
  return fileURLToPath(new URL(path, DIST));
}

/** The version in package.json. */
export function readVersion(): string {
  const { version } = createRequire(import.meta.url)('volley/package.json') as { version: string };
  return version;
}
