/** Which folder may import which: docs/architecture.md draws it. Imports go one way, so that the code can be read one way. */
import { posix } from 'node:path';

/** Files in `src` itself that put the rest together. All others in `src` itself are leaves. */
const ROOTS = ['src/main.ts', 'src/server.ts'];

/** Leaves in a folder: browser, shards and main share what they say. */
const SHARED = ['src/frames/codec.ts', 'src/frames/columns.ts', 'src/frames/messages.ts'];

/** Tests, and what only tests may import. They may import everything. */
const TESTING = /\.(test|fixture)\.ts$|^src\/testing\//;

/** What each folder may import beside itself and leaves. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  'src/cli': ['roots', 'src/client'],
  'src/api': ['src/intake', 'src/rooms', 'src/store', 'src/exports', 'src/metrics'],
  'src/intake': ['src/rooms', 'src/store', 'src/exports'],
  'src/shards': ['src/rooms', 'src/store', 'src/frames'],
  'src/rooms': ['src/store', 'src/frames'],
  'src/store': ['src/frames'],
  'src/frames': [],
  'src/exports': ['src/store', 'src/frames'],
  'src/metrics': [],
  'src/demo': ['src/rooms'],
  'src/client': [],
  'src/web': ['src/client', 'src/metrics'],
  workers: ['src/shards', 'src/frames'],
  leaves: [],
};

/** Finds imports that the table above does not allow. `sources`: the text of each file of src and workers, by its path. */
export function compareFolders(sources: ReadonlyMap<string, string>): { differences: string[]; compared: string } {
  const differences: string[] = [];
  for (const [path, text] of sources) {
    const from = placeOf(path);
    if (TESTING.test(path) || from === 'roots') continue;
    for (const [, , specifier = ''] of text.matchAll(/\b(from|import)\b[\s(]*'(\.[^']*\.ts)'/g)) {
      const target = posix.join(posix.dirname(path), specifier);
      const to = placeOf(target);
      if (TESTING.test(target) || (to !== from && to !== 'leaves' && !ALLOWED[from]?.includes(to))) {
        differences.push(`${path}: may not import ${target} (scripts/folder-imports.ts)`);
      }
    }
  }
  return { differences, compared: `the imports of ${Object.keys(ALLOWED).length - 1} folders` };
}

function placeOf(path: string): string {
  if (ROOTS.includes(path)) return 'roots';
  if (SHARED.includes(path) || posix.dirname(path) === 'src') return 'leaves';
  return path.startsWith('workers/') ? 'workers' : path.split('/').slice(0, 2).join('/');
}
