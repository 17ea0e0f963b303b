/**
 * `node dist/scripts/check-docs.js [FOLDER]`: holds the lists in docs/ against the source, and its folders to one way. Prints a line for each
 * difference and ends with 1, or one line with what it compared and ends with 0. FOLDER is the project's, by default
 * the one that this file was compiled in.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compareDocs, compareLimits, FILES, type Texts } from './doc-lists.ts';
import { compareFolders } from './folder-imports.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));
const folder = process.argv[2] ?? project;
const texts = Object.fromEntries(FILES.map((file) => [file, readFileSync(join(folder, file), 'utf8')])) as Texts;
const sources = readSources();
const comparisons = [compareDocs(texts), compareLimits(texts['docs/limits.md'], sources), compareFolders(sources)];
const differences = comparisons.flatMap((comparison) => comparison.differences);
if (differences.length > 0) {
  process.stderr.write(`${differences.join('\n')}\n`);
  process.exitCode = 1;
} else {
  process.stdout.write(`docs agree with the source: ${comparisons.map(({ compared }) => compared).join(', ')}\n`);
}

/** The source files of the project that this file was compiled in, by their paths in it. */
function readSources(): Map<string, string> {
  const paths = ['src', 'workers'].flatMap((top) =>
    readdirSync(join(project, top), { recursive: true, encoding: 'utf8' }).map((path) => join(top, path)),
  );
  const sources = paths.filter((path) => path.endsWith('.ts'));
  return new Map(sources.map((path) => [path, readFileSync(join(project, path), 'utf8')]));
}
