/**
 * `node dist/scripts/check-docs.js [FOLDER]`: holds the lists in docs/ against the source. Prints a line for each
 * difference and ends with 1, or one line with what it compared and ends with 0. FOLDER is the project's, by default
 * the one that this file was compiled in.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compareDocs, FILES, type Texts } from './doc-lists.ts';

const folder = process.argv[2] ?? fileURLToPath(new URL('../..', import.meta.url));
const texts = Object.fromEntries(FILES.map((file) => [file, readFileSync(join(folder, file), 'utf8')])) as Texts;
const { differences, compared } = compareDocs(texts);
if (differences.length > 0) {
  process.stderr.write(`${differences.join('\n')}\n`);
  process.exitCode = 1;
} else {
  process.stdout.write(`docs agree with the source: ${compared}\n`);
}
