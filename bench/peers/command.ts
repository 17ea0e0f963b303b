/** One run of `bench:peers`, from options to a report, JSON and docs/benchmarks.md. */
import { writeFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import { mostConnections } from '../load/open-files.ts';
import {
  BenchError,
  EXIT_CODES,
  FAILED,
  INTERRUPTED,
  type NoOptions,
  namesAmong,
  readCommand,
  type Surroundings,
  tellNoOptions,
  wholeWithin,
} from '../options.ts';
import { describeMachine, readCommit } from '../report/document.ts';
import { formatBytes } from '../report/text.ts';
import { CASE_NAMES, CASES, type CaseName, countPushes, makeWorkshop, type PeerCase, type Workshop } from './cases.ts';
import { type CaseResult, compareTurns, describeCase, findRemarks, turnsByName } from './comparison.ts';
import { CONTENDERS, type Contender } from './contenders.ts';
import { duel, type TurnFigures } from './duel.ts';

export interface PeersOptions extends Readonly<Record<'turns' | 'viewers' | 'seconds' | 'warmup' | 'compile', number>> {
  readonly cases: readonly CaseName[];
  /** Contenders to hold volley against; empty for all. */
  readonly only: readonly string[];
  readonly write: boolean;
  readonly json: boolean;
  readonly progress: boolean;
}

/** The page is of three turns at least, and whole: one that is not must not take its place. */
const PAGE_TURNS = 3;

/** Reads the command line, without the program's own name. `contenders` are the names that `--only` takes. */
export function readPeersOptions(argv: readonly string[], contenders: readonly string[]): PeersOptions | NoOptions {
  const number = (flags: string, description: string, fallback: number, least: number): Option =>
    new Option(flags, description).default(fallback).argParser(wholeWithin(least, 1_000_000, 'at most'));
  const list = (flags: string, description: string, names: readonly string[]): Option =>
    new Option(flags, `${description} (choices: ${names.join(', ')})`).argParser(namesAmong(names));
  const command = new Command('npm run bench:peers --')
    .description('Holds volley against other ways to push the same, in short windows that alternate.')
    .addOption(number('--turns <N>', 'windows of each server against each contender', 12, 1))
    .addOption(number('--viewers <N>', 'viewers; the case spread has 2.5 times as many, if files allow', 4_000, 1))
    .addOption(number('--seconds <S>', 'seconds of pushing in each window', 2, 1))
    .addOption(number('--warmup <S>', 'seconds of pushing before that', 3, 0))
    .addOption(number('--compile <S>', 'seconds more in which JavaScript gets compiled', 4, 0))
    .addOption(list('--case <name>', 'what is pushed, repeatable (default: all)', CASE_NAMES))
    .addOption(list('--only <name>', 'whom volley is held against, repeatable (default: all)', contenders))
    .option('--write', `write docs/benchmarks.md too; not with --case, --only or fewer than ${PAGE_TURNS} turns`, false)
    .option('-j, --json', 'stdout is one JSON document', false)
    .option('--no-progress', 'no line on stderr for each window')
    .addHelpText('after', `\n${EXIT_CODES}`);
  type Given = Omit<PeersOptions, 'cases' | 'only'> & { case?: readonly CaseName[]; only?: readonly string[] };
  return readCommand(command, argv, ({ case: chosen, only, ...given }: Given) => {
    if (given.write && (given.turns < PAGE_TURNS || chosen !== undefined || only !== undefined)) {
      return `--write wants ${PAGE_TURNS} turns or more, and neither --case nor --only`;
    }
    const cases = CASE_NAMES.filter((name) => chosen === undefined || chosen.includes(name));
    return { ...given, cases, only: only ?? [] };
  });
}

export interface PeersSurroundings extends Surroundings {
  readonly contenders?: readonly Contender[];
  readonly program: readonly string[];
  readonly page: string;
}

type Provenance = Readonly<Record<'machine' | 'node' | 'commit' | 'date' | 'command', string>>;

interface PeersResult {
  readonly entries: readonly Readonly<Record<'name' | 'version' | 'describe', string>>[];
  readonly results: readonly CaseResult[];
  readonly leftOut: readonly string[];
}

/** Runs `bench:peers` and returns the exit code. `argv` is the command line without the program's own name. */
export async function peersCommand(argv: readonly string[], around: PeersSurroundings): Promise<number> {
  const { contenders = CONTENDERS, stdout, stderr, program, page, signal } = around;
  const options = readPeersOptions(
    argv,
    contenders.slice(1).map(({ name }) => name),
  );
  if (!('turns' in options)) return tellNoOptions(options, around);
  const { cpuModel, cores, memoryBytes, kernel, node } = describeMachine();
  const provenance: Provenance = {
    machine: `${cpuModel}, ${cores} cores, ${formatBytes(memoryBytes)}, ${kernel}`,
    node,
    commit: readCommit() ?? 'unknown: no git checkout',
    date: `${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC`,
    command: [...program, ...argv].map(quote).join(' '),
  };
  const workshop = makeWorkshop();
  try {
    const result = await runPeers(contenders, options, workshop, signal, (line) => {
      if (options.progress) stderr.write(`${line}\n`);
    });
    const report = describeRun(result, provenance, options);
    if (options.json) stdout.write(`${JSON.stringify(toDocument(result, provenance, options), undefined, 2)}\n`);
    else stdout.write(report);
    if (options.write) writeFileSync(page, `${PAGE_HEAD}${report}`);
    return 0;
  } catch (error) {
    const reason: unknown = signal.aborted ? signal.reason : error;
    if (!(reason instanceof BenchError)) throw reason;
    stderr.write(`bench:peers: ${reason.message}\n`);
    return signal.aborted ? INTERRUPTED : FAILED;
  } finally {
    workshop.remove();
  }
}

function quote(word: string): string {
  return /^[\w./:=@-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** @throws BenchError when a contender cannot be measured, or one that was asked for by name cannot take part */
async function runPeers(
  contenders: readonly Contender[],
  options: PeersOptions,
  workshop: Workshop,
  signal: AbortSignal,
  tell: (line: string) => void,
): Promise<PeersResult> {
  const { only, turns, seconds, compile } = options;
  const able: (Contender & { readonly version: string })[] = [];
  const leftOut: string[] = [];
  for (const [i, contender] of contenders.entries()) {
    const { name } = contender;
    // The first is volley, which all others are held against.
    if (i > 0 && only.length > 0 && !only.includes(name)) continue;
    if (!options.cases.some((caseName) => contender.cases.includes(caseName))) continue;
    const prepared = await contender.prepare(workshop);
    if ('version' in prepared) {
      able.push({ ...contender, version: prepared.version });
      continue;
    }
    if (only.includes(name)) throw new BenchError(`${name} cannot take part: ${prepared.missing}`);
    leftOut.push(`${name} is left out: ${prepared.missing}.`);
    tell(`${name} is left out: ${prepared.missing}`);
  }
  const results: CaseResult[] = [];
  for (const peerCase of options.cases.map((name) => CASES[name])) {
    const [ours, ...others] = able.filter((contender) => contender.cases.includes(peerCase.name));
    if (ours === undefined) continue;
    const viewers = countViewers(peerCase, options.viewers);
    const onTurn = (name: string, turn: number, { cpu, framesPerSecond, spread }: TurnFigures): void => {
      const apart = spread === null ? '' : `, ${spread.toFixed(1)} ms from first to last`;
      const figures = `${cpu.toFixed(2)} µs a frame, ${Math.round(framesPerSecond)} frames a second${apart}`;
      tell(`${peerCase.name}, turn ${turn} of ${turns}, ${name}: ${figures}`);
    };
    const order = { ...options, peerCase, viewers, pushes: countPushes(peerCase, seconds), workshop, signal };
    const duels = new Map<string, Record<'ours' | 'theirs', TurnFigures[]>>();
    for (const other of others.length === 0 ? [ours] : others) {
      const sides = other === ours ? [ours] : [ours, other];
      const [first = [], second = []] = await duel(sides, { ...order, warmUpMs: compile * 1_000, onTurn });
      duels.set(other.name, { ours: first, theirs: second });
    }
    results.push({ peerCase, viewers, duels });
  }
  const entries = able.map(({ name, version, describe }) => ({ name, version, describe }));
  return { entries, results, leftOut };
}

/** Two crowds are connected at once, so open files may allow fewer viewers than the case's multiple. */
export function countViewers({ crowd }: PeerCase, viewers: number, most = mostConnections()): number {
  return Math.max(viewers, Math.min(Math.ceil(crowd * viewers), Math.floor(most / 2)));
}

const PAGE_HEAD = `# Benchmarks

Volley against other ways to push the same. Written by \`npm run bench:peers -- --write\`, never by hand.
[docs/bench.md](bench.md#against-others) says how it is measured and how to read it.

`;

/** The report, in Markdown: for the terminal, and for the page. */
export function describeRun(result: PeersResult, provenance: Provenance, options: PeersOptions): string {
  const { machine, node, commit, date, command } = provenance;
  const { turns, seconds, warmup, compile } = options;
  const entries = result.entries.map(({ name, version, describe }) => `- **${name}** (${version}): ${describe}`);
  const parts = [
    `${machine}; Node.js ${node}; commit ${commit}; ${date}`,
    `\`${command}\`: ${turns} windows of ${seconds} s each, after ${warmup} s of pushing and ${compile} s of compiling`,
    entries.join('\n'),
    ...result.leftOut,
    ...result.results.map(describeCase),
  ];
  return `${parts.join('\n\n')}\n`;
}

function toDocument({ entries, results, leftOut }: PeersResult, provenance: Provenance, options: PeersOptions) {
  const { turns, viewers, seconds, warmup, compile } = options;
  return {
    provenance,
    options: { turns, viewers, seconds, warmup, compile },
    contenders: entries,
    leftOut,
    cases: results.map((result) => ({
      name: result.peerCase.name,
      viewers: result.viewers,
      rows: compareTurns(result),
      turns: Object.fromEntries(turnsByName(result)),
      remarks: findRemarks(result),
    })),
  };
}
