import { writeFileSync } from 'node:fs';
import Table from 'cli-table3';
import { BenchError } from '../bench-error.ts';
import { writePage } from './benchmarks-page.ts';
import { compareTurns, findRemarks, formatComparison } from './comparison.ts';
import type { Contender } from './contender.ts';
import { CASES } from './peer-case.ts';
import { type PeersOptions, readPeersOptions } from './peers-options.ts';
import { type CaseResult, type RunResult, runPeers } from './peers-run.ts';
import { type Provenance, readProvenance } from './provenance.ts';
import { Workshop } from './workshop.ts';

/** What the command needs of the process it runs in. */
export interface Surroundings {
  readonly contenders: readonly Contender[];
  /** The tables, or the JSON, go here. */
  readonly stdout: { write(text: string): unknown };
  /** A line for each turn, and faults. */
  readonly stderr: { write(text: string): unknown };
  /** What was typed before `argv`. */
  readonly program: readonly string[];
  /** The generated page. */
  readonly page: string;
  /** Ends the run early. */
  readonly signal: AbortSignal;
}

/**
 * Runs `bench:peers` and gives the exit code: 0 done, 1 a contender could not be measured, 2 bad option, 130 ended
 * by `signal`. `argv` is the
 * command line without the program's own name.
 */
export async function peersCommand(argv: readonly string[], around: Surroundings): Promise<number> {
  const names = around.contenders.slice(1).map(({ name }) => name);
  const options = readPeersOptions(argv, names);
  if ('help' in options) {
    around.stdout.write(options.help);
    return 0;
  }
  if ('fault' in options) return complain(around, options.fault, 2);
  const provenance = readProvenance([...around.program, ...argv], around.page);
  const workshop = new Workshop();
  try {
    report(await runPeers(toOrder(options, around, workshop)), provenance, options, around);
    return 0;
  } catch (error) {
    if (!(error instanceof BenchError)) throw error;
    return complain(around, error.message, around.signal.aborted ? 130 : 1);
  } finally {
    workshop.remove();
  }
}

function toOrder(options: PeersOptions, { contenders, stderr, signal }: Surroundings, workshop: Workshop) {
  const { only, cases, progress } = options;
  return {
    ...options,
    // The first is volley, which all others are held against.
    contenders: contenders.filter(({ name }, i) => i === 0 || only.length === 0 || only.includes(name)),
    wanted: only,
    cases: cases.map((name) => CASES[name]),
    workshop,
    signal,
    onProgress: (line: string) => {
      if (progress) stderr.write(`${line}\n`);
    },
  };
}

function report(run: RunResult, provenance: Provenance, options: PeersOptions, { stdout, page }: Surroundings): void {
  if (options.json) stdout.write(`${JSON.stringify(toDocument(run, provenance, options), undefined, 2)}\n`);
  else stdout.write(describeRun(run, provenance));
  if (options.write) writeFileSync(page, writePage(run, provenance, options));
}

function describeRun({ results, entries, leftOut }: RunResult, { machine, node, commit }: Provenance): string {
  const versions = entries.map(({ name, version }) => `${name} (${version})`).join(', ');
  const parts = [`${machine}; Node.js ${node}; commit ${commit}`, versions, ...leftOut];
  return [...parts, ...results.flatMap(describeCase), ''].join('\n');
}

function describeCase(result: CaseResult): string[] {
  const { headings, rows } = formatComparison(compareTurns(result));
  const table = new Table({
    head: [...headings],
    colAligns: headings.map((_, i) => (i === 0 ? 'left' : 'right')),
    style: { head: [], border: [], compact: true },
  });
  table.push(...rows.map((row) => [...row]));
  const viewers = result.viewers.toLocaleString('en');
  return ['', `${result.peerCase.title}, ${viewers} viewers`, table.toString(), ...findRemarks(result)];
}

function toDocument({ entries, results, leftOut }: RunResult, provenance: Provenance, options: PeersOptions) {
  const { turns, viewers, seconds, warmup, warmUpMs } = options;
  return {
    provenance,
    options: { turns, viewers, seconds, warmup, compile: warmUpMs / 1_000 },
    contenders: entries,
    leftOut,
    cases: results.map((result) => ({
      name: result.peerCase.name,
      viewers: result.viewers,
      rows: compareTurns(result),
      turns: Object.fromEntries(result.turns),
      remarks: findRemarks(result),
    })),
  };
}

function complain({ stderr }: Surroundings, sentence: string, code: number): number {
  stderr.write(`bench:peers: ${sentence}\n`);
  return code;
}
