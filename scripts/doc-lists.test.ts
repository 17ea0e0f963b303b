import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { compareDocs, compareLimits, FILES, readTable, type Texts } from './doc-lists.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const TEXTS = Object.fromEntries(FILES.map((file) => [file, readFileSync(join(ROOT, file), 'utf8')])) as Texts;

/** The differences once `before`, which must be there, is `after` in one of the files. */
function differences(file: keyof Texts, before: string, after: string): readonly string[] {
  return compareDocs(edit(file, before, after)).differences;
}

function edit(file: keyof Texts, before: string, after: string): Texts {
  expect(TEXTS[file]).toContain(before);
  return { ...TEXTS, [file]: TEXTS[file].replace(before, () => after) };
}

/** The line of a page's table that begins with a cell. */
function rowOf(file: keyof Texts, cell: string): string {
  const row = TEXTS[file].split('\n').find((line) => line.startsWith(`| ${cell} |`));
  if (row === undefined) throw new Error(`${file} has no row ${cell}`);
  return `${row}\n`;
}

describe('the comparison of docs and source', () => {
  it('finds no difference in the pages as they are, and counts what it compared', () => {
    const { differences, compared } = compareDocs(TEXTS);
    expect(differences).toEqual([]);
    expect(compared).toMatch(
      /^\d\d refusal codes, \d close codes, \d\d settings, \d\d metrics, \d+ dependencies, \d+ development dependencies, 2 commands$/,
    );
  });

  it('finds a refusal code that the page lacks', () => {
    const row = rowOf('docs/protocol.md', '`ROOM_BUSY`');
    expect(differences('docs/protocol.md', row, '')).toEqual([
      'docs/protocol.md, "Refusal codes": lacks | ROOM_BUSY | 429 |',
    ]);
  });

  it('finds a refusal code that the source has not', () => {
    const row = rowOf('docs/protocol.md', '`ROOM_BUSY`');
    expect(differences('docs/protocol.md', row, `${row}| \`ROOM_LAZY\` | 429 | A | nothing to do | no |\n`)).toEqual([
      'docs/protocol.md, "Refusal codes": has, twice or without the source having it, | ROOM_LAZY | 429 |',
    ]);
  });

  it('finds a refusal code with another status, as a row lacking and a row too many', () => {
    expect(differences('docs/protocol.md', '| `ROOM_BUSY` | 429 |', '| `ROOM_BUSY` | 503 |')).toEqual([
      'docs/protocol.md, "Refusal codes": lacks | ROOM_BUSY | 429 |',
      'docs/protocol.md, "Refusal codes": has, twice or without the source having it, | ROOM_BUSY | 503 |',
    ]);
  });

  it('finds a row that stands twice', () => {
    const row = rowOf('docs/metrics.md', '`volley_rooms`');
    expect(differences('docs/metrics.md', row, row + row)).toEqual([
      'docs/metrics.md, "Metrics of volley": has, twice or without the source having it, | volley_rooms |',
    ]);
  });

  it('finds a close code that the page lacks, and lets it have those that nobody sends', () => {
    expect(TEXTS['docs/protocol.md']).toContain('| 1006 |');
    expect(differences('docs/protocol.md', rowOf('docs/protocol.md', '4008'), '')).toEqual([
      'docs/protocol.md, "Close codes": lacks | 4008 |',
    ]);
  });

  it.each([
    ['flag', '`--grace`', '`--graze`'],
    ['environment variable', '`VOLLEY_GRACE`', '`VOLLEY_GRAZE`'],
    ['unit', '| ms | 10000 |', '| s | 10000 |'],
    ['default', '| ms | 10000 |', '| ms | 5000 |'],
    ['text', 'most time between SIGTERM and the end', 'some time'],
  ])('finds a setting with another %s', (_what, before, after) => {
    const row = rowOf('docs/settings.md', '`--grace`');
    expect(row).toContain(before);
    const found = differences('docs/settings.md', row, row.replace(before, after));
    expect(found).toHaveLength(2);
    expect(found[0]).toMatch(/^docs\/settings\.md, "All settings": lacks \| --grace \| VOLLEY_GRACE \| ms \| 10000 \|/);
    expect(found[1]).toContain(after.replaceAll('`', ''));
  });

  it('finds a metric that the page lacks, and one that the source has not', () => {
    expect(differences('docs/metrics.md', '| `volley_rooms` |', '| `volley_halls` |')).toEqual([
      'docs/metrics.md, "Metrics of volley": lacks | volley_rooms |',
      'docs/metrics.md, "Metrics of volley": has, twice or without the source having it, | volley_halls |',
    ]);
  });

  it('finds a dependency that nobody explains, and an explanation of one that is gone', () => {
    expect(differences('package.json', '"fastify":', '"express":')).toEqual([
      'docs/dependencies.md, "At run time": lacks | express |',
      'docs/dependencies.md, "At run time": has, twice or without the source having it, | fastify |',
    ]);
    expect(differences('docs/dependencies.md', rowOf('docs/dependencies.md', '`vitest`'), '')).toEqual([
      'docs/dependencies.md, "For development": lacks | vitest |',
    ]);
  });

  it('finds a page without the table', () => {
    expect(differences('docs/metrics.md', '## Metrics of volley', '## Numbers')).toEqual([
      'docs/metrics.md: has no table under the heading "Metrics of volley"',
    ]);
  });

  it('finds a README in which a command to set up does not stand on a line of its own', () => {
    expect(differences('README.md', 'npm ci && npm test\n', 'run npm ci && npm test\n')).toEqual([
      'README.md: lacks a line "npm ci && npm test"',
    ]);
  });
});

describe('the reading of a table', () => {
  const page = [
    '# Page',
    '',
    '## One',
    '',
    'No table.',
    '',
    '### Two',
    '| a | b |',
    '| - | - |',
    '| `x` | y z |',
    'end',
  ];

  it('gives the cells of its rows without code marks, up to the first line that is none of it', () => {
    expect(readTable(page.join('\n'), 'Two')).toEqual([['x', 'y z']]);
  });

  it('does not take the table of the next heading', () => {
    expect(readTable(page.join('\n'), 'One')).toBeNull();
  });

  it('does not take a heading that only begins alike', () => {
    expect(readTable(page.join('\n'), 'Tw')).toBeNull();
  });
});

describe('the comparison of limits and source', () => {
  const page = `
## What others can make us hold or do

| resource | bound | metric | test |
| --- | --- | --- | --- |
| bodies | 1,024 bytes (\`MOST_BYTES\`), or \`--max-body\` | \`volley_rooms\` | \`src/a.test.ts\` |

## What an error in the background does

| error | why |
| --- | --- |
| any | 20 a second (\`LINES\`) |
`;
  const sources = new Map([
    ['src/a.ts', 'const MOST_BYTES = 1_024;\nconst LINES = 20;'],
    ['src/a.test.ts', ''],
  ]);

  it('finds no difference where all agree', () => {
    expect(compareLimits(page, sources).differences).toEqual([]);
  });

  it.each([
    ['1,024', '1,025', 'the source has no MOST_BYTES of 1,025'],
    ['1,024 bytes ', 'many bytes ', 'no number stands before MOST_BYTES'],
    ['LINES', 'LONES', 'the source has no LONES of 20'],
    ['--max-body', '--max-soul', 'there is no setting --max-soul'],
    ['volley_rooms', 'volley_halls', 'there is no metric volley_halls'],
    ['src/a.test.ts', 'src/b.test.ts', 'there is no test src/b.test.ts'],
  ])('finds %s that has become %s', (before, after, fault) => {
    const { differences } = compareLimits(page.replace(before, after), sources);
    expect(differences).toEqual([expect.stringContaining(fault)]);
  });

  it('finds a table that is not there', () => {
    expect(compareLimits(page.replace('## What others', '## What'), sources).differences).toEqual([
      'docs/limits.md: has no table under the heading "What others can make us hold or do"',
    ]);
  });
});

describe('check-docs', () => {
  let folder = '';

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** Runs the compiled script on a project with these texts. */
  function check(texts: Texts): { status: number | null; stdout: string; stderr: string } {
    folder = mkdtempSync(join(tmpdir(), 'volley-docs-'));
    for (const file of FILES) {
      mkdirSync(dirname(join(folder, file)), { recursive: true });
      writeFileSync(join(folder, file), texts[file]);
    }
    const script = join(ROOT, 'dist/scripts/check-docs.js');
    const { status, stdout, stderr } = spawnSync(process.execPath, [script, folder], { encoding: 'utf8' });
    return { status, stdout, stderr };
  }

  it('ends with 0 and one line that says what agrees', () => {
    const { status, stdout, stderr } = check(TEXTS);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^docs agree with the source: [^\n]+\n$/);
    expect(stdout).toContain(compareDocs(TEXTS).compared);
    expect(stdout).toMatch(/\d\d rows of "What others can make/);
  });

  it('ends with 1 and a line for each difference', () => {
    const { status, stdout, stderr } = check(edit('docs/metrics.md', '| `volley_rooms` |', '| `volley_halls` |'));
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr.split('\n')).toEqual([
      'docs/metrics.md, "Metrics of volley": lacks | volley_rooms |',
      'docs/metrics.md, "Metrics of volley": has, twice or without the source having it, | volley_halls |',
      '',
    ]);
  });
});
