/** One run of `bench:peers`, from options to tables, JSON and docs/benchmarks.md. */
import { writeFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import { BenchError } from '../bench-error.ts';
import { mostConnections } from '../load/open-files.ts';
import {
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
import { describeSpread, drawTable, formatBytes, formatCount, median } from '../report/text.ts';
import { CASE_NAMES, CASES, type CaseName, countPushes, type PeerCase, Workshop } from './cases.ts';
import { CONTENDERS, type Contender } from './contenders.ts';
import { duel, type TurnFigures } from './duel.ts';

export interface PeersOptions {
  readonly turns: number;
  readonly viewers: number;
  readonly seconds: number;
  readonly warmup: number;
  /** Seconds that JavaScript has to be compiled in, beyond the warm-up. */
  readonly compile: number;
  /** In the order of {@link CASE_NAMES}. */
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

/** What the command needs of the process it runs in. */
export interface PeersSurroundings extends Surroundings {
  readonly contenders?: readonly Contender[];
  /** What was typed before `argv`. */
  readonly program: readonly string[];
  /** The generated page. */
  readonly page: string;
}

/** Where the figures come from, as text. */
type Provenance = Readonly<Record<'machine' | 'node' | 'commit' | 'date' | 'command', string>>;

/** One case: the windows of volley against each contender. */
export interface CaseResult {
  readonly peerCase: PeerCase;
  readonly viewers: number;
  /** By contender, its own windows and volley's. */
  readonly duels: ReadonlyMap<
    string,
    { readonly ours: readonly TurnFigures[]; readonly theirs: readonly TurnFigures[] }
  >;
}

interface PeersResult {
  readonly entries: readonly { readonly name: string; readonly version: string; readonly describe: string }[];
  readonly results: readonly CaseResult[];
  /** Who did not take part and why, a sentence each. */
  readonly leftOut: readonly string[];
}

/** Runs `bench:peers` and returns the exit code. `argv` is the command line without the program's own name. */
export async function peersCommand(argv: readonly string[], around: PeersSurroundings): Promise<number> {
  const { contenders = CONTENDERS, stdout, stderr, program, page, signal } = around;
  const names = contenders.slice(1).map(({ name }) => name);
  const options = readPeersOptions(argv, names);
  if (!('turns' in options)) return tellNoOptions(options, around);
  const { cpuModel, cores, memoryBytes, kernel, node } = describeMachine();
  const provenance: Provenance = {
    machine: `${cpuModel}, ${cores} cores, ${formatBytes(memoryBytes)}, ${kernel}`,
    node,
    commit: readCommit() ?? 'unknown: no git checkout',
    date: `${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC`,
    command: [...program, ...argv].map(quote).join(' '),
  };
  const workshop = new Workshop();
  try {
    const result = await runPeers(contenders, options, workshop, signal, (line) => {
      if (options.progress) stderr.write(`${line}\n`);
    });
    if (options.json) stdout.write(`${JSON.stringify(toDocument(result, provenance, options), undefined, 2)}\n`);
    else stdout.write(describeRun(result, provenance));
    if (options.write) writeFileSync(page, writePage(result, provenance, options));
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

/** As a shell takes it. */
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
  const { only, turns } = options;
  const cases = options.cases.map((name) => CASES[name]);
  const able: Contender[] = [];
  const entries: { name: string; version: string; describe: string }[] = [];
  const leftOut: string[] = [];
  for (const [i, contender] of contenders.entries()) {
    const { name, describe } = contender;
    // The first is volley, which all others are held against.
    if (i > 0 && only.length > 0 && !only.includes(name)) continue;
    if (!options.cases.some((caseName) => contender.cases.includes(caseName))) continue;
    const prepared = await contender.prepare(workshop);
    if ('missing' in prepared) {
      if (only.includes(name)) throw new BenchError(`${name} cannot take part: ${prepared.missing}`);
      leftOut.push(`${name} is left out: ${prepared.missing}.`);
      tell(`${name} is left out: ${prepared.missing}`);
      continue;
    }
    entries.push({ name, version: prepared.version, describe });
    able.push(contender);
  }
  const results: CaseResult[] = [];
  for (const peerCase of cases) {
    const [ours, ...others] = able.filter((contender) => contender.cases.includes(peerCase.name));
    if (ours === undefined) continue;
    const viewers = countViewers(peerCase, options.viewers);
    const order = { ...options, peerCase, viewers, pushes: countPushes(peerCase, options.seconds), workshop, signal };
    const onTurn = (name: string, turn: number, { cpu, framesPerSecond, spread }: TurnFigures): void => {
      const apart = spread === null ? '' : `, ${spread.toFixed(1)} ms from first to last`;
      const figures = `${cpu.toFixed(2)} µs a frame, ${Math.round(framesPerSecond)} frames a second${apart}`;
      tell(`${peerCase.name}, turn ${turn} of ${turns}, ${name}: ${figures}`);
    };
    const duels: [string, { ours: TurnFigures[]; theirs: TurnFigures[] }][] = [];
    for (const other of others.length === 0 ? [ours] : others) {
      const sides = other === ours ? [ours] : [ours, other];
      const [first = [], second = []] = await duel(sides, { ...order, warmUpMs: options.compile * 1_000, onTurn });
      duels.push([other.name, { ours: first, theirs: second }]);
    }
    results.push({ peerCase, viewers, duels: new Map(duels) });
  }
  return { entries, results, leftOut };
}

/** Two crowds are connected at once, so open files may allow fewer viewers than the case's multiple. */
export function countViewers({ crowd }: PeerCase, viewers: number, most = mostConnections()): number {
  return Math.max(viewers, Math.min(Math.ceil(crowd * viewers), Math.floor(most / 2)));
}

/** Below this share of what was pushed a contender is worth a word. */
const WHOLE = 0.9;

/** A load generator this near to a whole core may have been the limit. */
const BUSY = 0.9;

/** A load generator that reads a push for this share of its spread, or longer, may have made the spread. */
const READING = 0.7;

/** A figure of all windows, by frames where it is a cost of them, and how far the windows lie apart. */
interface Middle {
  readonly pooled: number;
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** The windows of volley and of each contender of a case, volley first. */
function turnsByName({ duels }: CaseResult): [string, readonly TurnFigures[]][] {
  const ours = [...duels.values()].flatMap((pair) => pair.ours);
  const others = [...duels].filter(([, { theirs }]) => theirs.length > 0);
  return [['volley', ours], ...others.map(([name, { theirs }]) => [name, theirs] as [string, readonly TurnFigures[]])];
}

/** The rows of a case: its figures, and volley's over each contender's. */
export function compareTurns(result: CaseResult) {
  const isSpread = result.peerCase.measure === 'spread';
  const figure = ({ cpu, spread }: TurnFigures): number => (isSpread ? (spread ?? Number.NaN) : cpu);
  const pool = (turns: readonly TurnFigures[]): number => {
    const weights = turns.map(({ frames }) => (isSpread ? 1 : frames));
    const sum = turns.reduce((all, turn, i) => all + figure(turn) * (weights[i] ?? 0), 0);
    return sum / weights.reduce((all, weight) => all + weight, 0);
  };
  return turnsByName(result).map(([contender, turns]) => {
    const middle = (read: (turn: TurnFigures) => number): number => median(turns.map(read));
    const ours = result.duels.get(contender)?.ours ?? [];
    const ratios = turns.map((turn, i) => figure(ours[i] ?? turn) / figure(turn));
    return {
      contender,
      bytesPerFrame: middle(({ bytesPerFrame }) => bytesPerFrame),
      framesPerSecond: middle(({ framesPerSecond }) => framesPerSecond),
      delivered: middle(({ delivered }) => delivered),
      /** Server CPU a delivered frame, µs. */
      cpu: toMiddle(turns.map(({ cpu }) => cpu)),
      /** From the first to the last viewer of a push, ms; null where the case does not ask. */
      spread: isSpread ? toMiddle(turns.map(figure)) : null,
      /** null for volley itself. */
      ratio: contender === 'volley' ? null : toMiddle(ratios, pool(ours) / pool(turns)),
      loadCpu: middle(({ loadCpu }) => loadCpu),
    };
  });
}

function toMiddle(values: readonly number[], pooled = median(values)): Middle {
  return { pooled, median: median(values), least: Math.min(...values), most: Math.max(...values) };
}

/** What a reader of the table must know of it, a sentence each. */
export function findRemarks(result: CaseResult): string[] {
  return turnsByName(result).flatMap(([contender, turns]) => {
    const remarks: string[] = [];
    const delivered = median(turns.map((turn) => turn.delivered));
    const busiest = Math.max(...turns.map(({ loadCpu }) => loadCpu));
    const lost = turns.reduce((sum, turn) => sum + turn.lost, 0);
    if (delivered < WHOLE)
      remarks.push(`${contender} delivered only ${formatShare(delivered)} of what was to be pushed.`);
    if (lost > 0) remarks.push(`${contender}'s sampled viewers missed ${lost} frames in all turns together.`);
    if (busiest > BUSY) {
      const spent = `The load generator spent up to ${busiest.toFixed(2)} of a core on ${contender}`;
      remarks.push(`${spent}, and may have been the limit of how much was delivered.`);
    }
    if (result.peerCase.measure !== 'spread') return remarks;
    // Whether the load generator needs for a push to all viewers about as long as the push seems to take.
    const spread = median(turns.map((turn) => turn.spread ?? Number.NaN));
    const toRead = ({ loadCpu, framesPerSecond }: TurnFigures): number => (loadCpu * 1_000) / framesPerSecond;
    const reading = median(turns.map(toRead)) * result.viewers;
    if (reading < READING * spread) return remarks;
    const spent = `The load generator spent ${reading.toFixed(2)} ms on a push of ${contender} to all viewers`;
    const seen = `from the first to the last of them were ${spread.toFixed(2)} ms`;
    remarks.push(`${spent}, and ${seen}: that may be the load generator's reading, not the server's sending.`);
    return remarks;
  });
}

/** The rows as text, under their headings. */
export function tabulate(rows: ReturnType<typeof compareTurns>): { headings: string[]; rows: string[][] } {
  type Row = (typeof rows)[number];
  const hasSpread = rows.some(({ spread }) => spread !== null);
  const columns: (readonly [heading: string, cell: (row: Row) => string])[] = [
    ['contender', ({ contender }) => contender],
    ['bytes a frame', ({ bytesPerFrame }) => formatCount(bytesPerFrame)],
    ['frames/s', ({ framesPerSecond }) => formatCount(framesPerSecond)],
    ['of pushed', ({ delivered }) => formatShare(delivered)],
    ['server CPU, µs a frame', ({ cpu }) => formatMiddle(cpu)],
    ...(hasSpread ? [['first to last, ms', ({ spread }: Row) => formatMiddle(spread)] as const] : []),
    ['volley / contender', ({ ratio }) => formatMiddle(ratio)],
    ['load, cores', ({ loadCpu }) => loadCpu.toFixed(2)],
  ];
  const cells = rows.map((row) => columns.map(([, cell]) => cell(row)));
  return { headings: columns.map(([heading]) => heading), rows: cells };
}

function formatMiddle(middle: Middle | null): string {
  return middle === null ? '' : describeSpread([middle.least, middle.most], 2, middle.pooled);
}

function formatShare(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function describeRun({ results, entries, leftOut }: PeersResult, { machine, node, commit }: Provenance): string {
  const versions = entries.map(({ name, version }) => `${name} (${version})`).join(', ');
  const cases = results.flatMap((result) => {
    const { headings, rows } = tabulate(compareTurns(result));
    const title = `${result.peerCase.title}, ${formatCount(result.viewers)} viewers`;
    return ['', title, drawTable(headings, rows), ...findRemarks(result)];
  });
  return [`${machine}; Node.js ${node}; commit ${commit}`, versions, ...leftOut, ...cases, ''].join('\n');
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

/** Writes docs/benchmarks.md: Markdown, everything in it from this run. */
export function writePage({ entries, results, leftOut }: PeersResult, provenance: Provenance, options: PeersOptions) {
  const { machine, node, commit, date, command } = provenance;
  const { turns, seconds, warmup, compile } = options;
  const origin = [
    ...[
      ['machine', machine],
      ['Node.js', node],
      ['commit', commit],
      ['date', date],
      ['command', `\`${command}\``],
    ],
  ];
  const sections = [
    '# Benchmarks\n\nVolley against other ways to push the same. Written by `npm run bench:peers -- --write`, never by hand.',
    writeTable(['what', 'here'], origin),
    [
      'A frame is one push to one viewer. Every server is a process of its own on the same machine as the load, over',
      'loopback. Volley and a contender have their viewers connected at the same time and push in turn, each in',
      `${turns} windows of ${seconds} s; outside of its windows a server does not push. A ratio is that of all windows`,
      'together, and in parentheses is how far the windows lie apart. Below 1 volley needs less. Absolute figures differ',
      'from machine to machine; read the ratios.',
      '',
      `Before it is measured, every server pushes to its viewers for ${warmup} s. JavaScript has ${compile} s more to be`,
      'compiled in: volley with posts to rooms with one viewer each, the others with all their viewers. Memory a viewer',
      'is not compared: a process that is compiled while its viewers are there grows by both, and only volley is',
      'compiled before them. The comments are the real ones of bench/comments.xml, without users; go-article makes its',
      "own. Volley's CPU includes taking the comments over HTTP, merging, storing and encoding them; the others find",
      'their frames ready.',
    ].join('\n'),
    '## Contenders',
    writeTable(
      ['contender', 'version', 'what it is'],
      entries.map(({ name, version, describe }) => [name, version, describe]),
    ),
    ...leftOut,
    ...results.flatMap((result) => {
      const { peerCase, viewers } = result;
      const { headings, rows } = tabulate(compareTurns(result));
      return [
        `## ${peerCase.title}`,
        `${formatCount(viewers)} viewers in one room, a push every ${peerCase.every} ms, volley on \`${peerCase.subprotocol}\`.`,
        writeTable(headings, rows),
        ...findRemarks(result),
      ];
    }),
  ];
  return `${sections.join('\n\n')}\n`;
}

function writeTable(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [headings, headings.map(() => '---'), ...rows];
  return lines.map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`).join('\n');
}
