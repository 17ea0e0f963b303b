import { compareTurns, findRemarks, formatComparison, type Table } from './comparison.ts';
import type { CaseResult, RunOrder, RunResult } from './peers-run.ts';
import type { Provenance } from './provenance.ts';

/** Writes docs/benchmarks.md: Markdown, everything in it from this run. */
export function writePage(
  { entries, results, leftOut }: RunResult,
  provenance: Provenance,
  order: Pick<RunOrder, 'turns' | 'seconds' | 'warmup' | 'warmUpMs'>,
): string {
  const { machine, node, commit, date, command } = provenance;
  const origin = [
    ['machine', machine],
    ['Node.js', node],
    ['commit', commit],
    ['date', date],
    ['command', `\`${command}\``],
  ];
  const contenders = entries.map(({ name, version, describe }) => [name, version, describe]);
  const sections = [
    '# Benchmarks\n\nVolley against other ways to push the same. Written by `npm run bench:peers -- --write`, never by hand.',
    writeTable({ headings: ['what', 'here'], rows: origin }),
    describeMethod(order),
    '## Contenders',
    writeTable({ headings: ['contender', 'version', 'what it is'], rows: contenders }),
    ...leftOut,
    ...results.flatMap(describeCase),
  ];
  return `${sections.join('\n\n')}\n`;
}

function describeMethod({ turns, seconds, warmup, warmUpMs }: Parameters<typeof writePage>[2]): string {
  return [
    'A frame is one push to one viewer. Every contender is a process of its own on the same machine as the load, over',
    `loopback. One after the other they have a turn of ${seconds} s, then each has the next, ${turns} in all; a ratio is`,
    'taken within a turn, and the table has the median of the turns and how far they lie apart. Below 1 volley needs',
    'less. Absolute figures differ from machine to machine; read the ratios.',
    '',
    `Before it is measured, everybody has its viewers for ${warmup} s. JavaScript has ${warmUpMs / 1_000} s more to be`,
    'compiled in: volley with posts to rooms with one viewer each, the others with all their viewers. Memory a viewer is not compared: a',
    'process that is compiled while its viewers are there grows by both, and only volley is compiled before them. The',
    "comments are the real ones of bench/comments.xml, without users; go-article makes its own. Volley's CPU includes",
    'taking the comments over HTTP, merging, storing and encoding them; the others find their frames ready.',
  ].join('\n');
}

function describeCase(result: CaseResult): string[] {
  const { peerCase, viewers } = result;
  const remarks = findRemarks(result);
  const shown = viewers.toLocaleString('en');
  return [
    `## ${peerCase.title}`,
    `${shown} viewers in one room, a push every ${peerCase.every} ms, volley on \`${peerCase.subprotocol}\`.`,
    writeTable(formatComparison(compareTurns(result))),
    ...remarks,
  ];
}

function writeTable({ headings, rows }: Table): string {
  const lines = [headings, headings.map(() => '---'), ...rows];
  return lines.map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`).join('\n');
}
