/**
 * The tables of docs/limits.md, held against the source: each number stands there as the constant that is named behind
 * it has it, and each setting, metric and test file exists.
 */
import { METRICS } from '../src/counters.ts';
import { SETTINGS } from '../src/settings.ts';
import { type Comparison, readTable } from './doc-lists.ts';

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
