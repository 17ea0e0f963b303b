import { readFileSync } from 'node:fs';
import { compiledFile } from '../../src/compiled-file.ts';

/** Name and version of a package of this project's node_modules, as its own package.json has them. */
export function readPackageVersion(folder: string): string {
  const path = compiledFile(`../node_modules/${folder}/package.json`);
  const { name, version } = JSON.parse(readFileSync(path, 'utf8')) as { name: string; version: string };
  return `${name} ${version}`;
}
