/**
 * The lists that stand both in the source and in docs/, held against each other row by row.
 */
import { CLOSE, REFUSALS } from '../src/codes.ts';
import { METRICS } from '../src/counters.ts';
import { envName, SETTINGS } from '../src/settings.ts';

/** The files that are read, by their path in the project. */
export const FILES = [
  'README.md',
  'package.json',
  'docs/protocol.md',
  'docs/settings.md',
  'docs/metrics.md',
  'docs/dependencies.md',
  'docs/limits.md',
] as const;

export type Texts = Readonly<Record<(typeof FILES)[number], string>>;

export interface Comparison {
  /** One line each; empty when all agree. */
  readonly differences: readonly string[];
  /** What was compared, with counts. */
  readonly compared: string;
}

/** A table of a page, and the rows that the source says it has. */
interface List {
  readonly name: string;
  readonly file: keyof Texts;
  /** The heading that the table is the first to follow. */
  readonly heading: string;
  /** Only as many of the table's columns are compared as these rows have. */
  readonly rows: readonly (readonly string[])[];
  /** The page may have rows of its own beside these. */
  readonly open?: boolean;
}

/** Lines that README must have: what a reader copies to set up. */
const COMMANDS = ['npm ci && npm start', 'npm ci && npm test'];

export function compareDocs(texts: Texts): Comparison {
  const lists = [...SOURCE_LISTS, ...dependencyLists(texts['package.json'])];
  const lacking = COMMANDS.filter((command) => !texts['README.md'].split('\n').includes(command));
  return {
    differences: [
      ...lists.flatMap((list) => compareList(list, texts[list.file])),
      ...lacking.map((command) => `README.md: lacks a line "${command}"`),
    ],
    compared: [...lists.map(({ name, rows }) => `${rows.length} ${name}`), `${COMMANDS.length} commands`].join(', '),
  };
}

const SOURCE_LISTS: readonly List[] = [
  {
    name: 'refusal codes',
    file: 'docs/protocol.md',
    heading: 'Refusal codes',
    rows: Object.entries(REFUSALS).map(([code, { status }]) => [code, String(status)]),
  },
  {
    name: 'close codes',
    file: 'docs/protocol.md',
    heading: 'Close codes',
    rows: Object.values(CLOSE).map((code) => [String(code)]),
    // What a client sees without any of these being sent, like 1006.
    open: true,
  },
  {
    name: 'settings',
    file: 'docs/settings.md',
    heading: 'All settings',
    rows: SETTINGS.map((setting) => [
      `--${setting.flag}`,
      envName(setting),
      setting.unit,
      setting.fallbackText ?? String(setting.fallback),
      setting.text,
    ]),
  },
  {
    name: 'metrics',
    file: 'docs/metrics.md',
    heading: 'Metrics of volley',
    rows: METRICS.map(({ name }) => [name]),
  },
];

function dependencyLists(packageJson: string): List[] {
  const {
    dependencies = {},
    optionalDependencies = {},
    devDependencies = {},
  } = JSON.parse(packageJson) as {
    dependencies?: Record<string, string>;
    optionalDependencies?: Record<string, string>;
    devDependencies?: Record<string, string>;
  };
  const list = (name: string, heading: string, versions: Record<string, string>): List => ({
    name,
    file: 'docs/dependencies.md',
    heading,
    rows: Object.keys(versions).map((dependency) => [dependency]),
  });
  return [
    list('dependencies', 'At run time', { ...dependencies, ...optionalDependencies }),
    list('development dependencies', 'For development', devDependencies),
  ];
}

function compareList({ file, heading, rows, open = false }: List, page: string): string[] {
  const table = readTable(page, heading);
  if (table === null) return [`${file}: has no table under the heading "${heading}"`];
  const width = rows[0]?.length ?? 1;
  const wanted = rows.map(showRow);
  const found = table.map((row) => showRow(row.slice(0, width)));
  const lacking = wanted.filter((row) => !found.includes(row));
  const extra = found.filter((row, i) => found.indexOf(row) !== i || !(open || wanted.includes(row)));
  return [
    ...lacking.map((row) => `${file}, "${heading}": lacks ${row}`),
    ...extra.map((row) => `${file}, "${heading}": has, twice or without the source having it, ${row}`),
  ];
}

function showRow(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

/**
 * The rows of the first table after a heading and before the next one, without the table's own head; null when there
 * is none. Cells are given without code marks. A `|` inside a cell is not understood: none of our lists has one.
 */
export function readTable(page: string, heading: string): string[][] | null {
  const lines = page.split('\n');
  const top = lines.findIndex((line) => /^#+ /.test(line) && line.replace(/^#+ /, '').trim() === heading);
  if (top === -1) return null;
  const below = lines.slice(top + 1);
  const end = below.findIndex((line) => /^#+ /.test(line));
  const section = end === -1 ? below : below.slice(0, end);
  const head = section.findIndex((line) => line.startsWith('|'));
  if (head === -1) return null;
  const rest = section.slice(head + 2);
  const after = rest.findIndex((line) => !line.startsWith('|'));
  return (after === -1 ? rest : rest.slice(0, after)).map(readCells);
}

function readCells(line: string): string[] {
  return line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.replaceAll('`', '').trim());
}

/**
 * The tables of docs/limits.md, held against the source: each number stands there as the constant that is named behind
 * it has it, and each setting, metric and test file exists.
 */

/** The headings that the tables stand under. */
const TABLES = ['What others can make us hold or do', 'What an error in the background does'];

/** `1,048,576 bytes (`PAGE_BYTES`)`: a number, at most two words, and the constant that it comes from. */
const NUMBER = /([\d,]+)(?: [A-Za-z]+){0,2} \(([A-Z][A-Z0-9_]+)\)/g;

/** A constant with a name like these must have a number before it. */
const CONSTANT = /\(([A-Z][A-Z0-9_]+)\)/g;

/**
 * Compares the tables of a page with the source.
 *
 * @param sources the texts of all source files by their paths in the project
 */
export function compareLimits(page: string, sources: ReadonlyMap<string, string>): Comparison {
  const differences: string[] = [];
  const counts: string[] = [];
  for (const heading of TABLES) {
    const rows = readTable(page, heading) ?? [];
    if (rows.length === 0) differences.push(`docs/limits.md: has no table under the heading "${heading}"`);
    for (const row of rows) {
      differences.push(...checkRow(row, sources).map((fault) => `docs/limits.md, "${row[0]}": ${fault}`));
    }
    counts.push(`${rows.length} rows of "${heading}"`);
  }
  return { differences, compared: counts.join(', ') };
}

function checkRow(cells: readonly string[], sources: ReadonlyMap<string, string>): string[] {
  const text = cells.join(' | ');
  const faults: string[] = [];
  const named = new Map([...text.matchAll(NUMBER)].map(([, digits = '', name = '']) => [name, digits]));
  for (const [, name = ''] of text.matchAll(CONSTANT)) {
    const digits = named.get(name);
    if (digits === undefined) faults.push(`no number stands before ${name}`);
    else if (!hasConstant(sources, name, digits)) faults.push(`the source has no ${name} of ${digits}`);
  }
  for (const [, flag = ''] of text.matchAll(/--([a-z][a-z-]+)/g)) {
    if (!SETTINGS.some((setting) => setting.flag === flag)) faults.push(`there is no setting --${flag}`);
  }
  for (const [name] of text.matchAll(/\bvolley_[a-z_]+/g)) {
    if (!METRICS.some((metric) => metric.name === name)) faults.push(`there is no metric ${name}`);
  }
  for (const [path] of text.matchAll(/\b[\w./-]+\.test\.ts\b/g)) {
    if (!sources.has(path)) faults.push(`there is no test ${path}`);
  }
  return faults;
}

function hasConstant(sources: ReadonlyMap<string, string>, name: string, digits: string): boolean {
  const line = new RegExp(`\\bconst ${name} = ${digits.replaceAll(',', '_')};`);
  return [...sources.values()].some((source) => line.test(source));
}
