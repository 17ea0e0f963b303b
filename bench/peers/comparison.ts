import { describeSpread, median } from '../statistics.ts';
import type { CaseResult } from './peers-run.ts';
import type { TurnFigures } from './turn.ts';

/** Who the others are held against. */
const OURS = 'volley';

/** Less than this share of what was pushed is worth a word. */
const WHOLE = 0.9;

/** A load generator this near to a whole core may have been the limit. */
const BUSY = 0.9;

/** A load generator that reads a push for this share of its spread, or longer, may have made the spread. */
const READING = 0.7;

interface Middle {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** A contender in a case: medians of its turns. */
interface ComparisonRow {
  readonly contender: string;
  readonly bytesPerFrame: number;
  readonly framesPerSecond: number;
  readonly delivered: number;
  /** Server CPU a delivered frame, µs. */
  readonly cpu: Middle;
  /** From the first to the last viewer of a push, ms; null where the case does not ask. */
  readonly spread: Middle | null;
  /** Volley's figure over this contender's, turn by turn; null for volley itself. */
  readonly ratio: Middle | null;
  readonly loadCpu: number;
}

/** Holds volley against everybody else of a case, turn by turn. Volley must be among them. */
export function compareTurns({ peerCase, turns }: CaseResult): ComparisonRow[] {
  const figure = peerCase.measure === 'spread' ? (turn: TurnFigures) => turn.spread ?? Number.NaN : readCpu;
  const ours = (turns.get(OURS) ?? []).map(figure);
  return [...turns].map(([contender, all]) => {
    const middle = (read: (turn: TurnFigures) => number): number => median(all.map(read));
    return {
      contender,
      bytesPerFrame: middle((turn) => turn.bytesPerFrame),
      framesPerSecond: middle((turn) => turn.framesPerSecond),
      delivered: middle((turn) => turn.delivered),
      cpu: toMiddle(all.map(readCpu)),
      spread: peerCase.measure === 'spread' ? toMiddle(all.map(figure)) : null,
      ratio: contender === OURS ? null : toMiddle(all.map((turn, i) => (ours[i] ?? Number.NaN) / figure(turn))),
      loadCpu: middle((turn) => turn.loadCpu),
    };
  });
}

/** What a reader of the table must know of it, a sentence each. */
export function findRemarks({ turns, viewers, peerCase }: CaseResult): string[] {
  return [...turns].flatMap(([contender, all]) => {
    const remarks: string[] = [];
    const delivered = median(all.map((turn) => turn.delivered));
    const busiest = Math.max(...all.map((turn) => turn.loadCpu));
    const lost = all.reduce((sum, turn) => sum + turn.lost, 0);
    if (delivered < WHOLE) {
      remarks.push(`${contender} delivered only ${formatShare(delivered)} of what was to be pushed.`);
    }
    if (lost > 0) remarks.push(`${contender}'s sampled viewers missed ${lost} frames in all turns together.`);
    if (busiest > BUSY) {
      remarks.push(
        `The load generator spent up to ${busiest.toFixed(2)} of a core on ${contender}, ` +
          'and may have been the limit of how much was delivered.',
      );
    }
    if (peerCase.measure === 'spread') remarks.push(...findReading(contender, all, viewers));
    return remarks;
  });
}

/** Whether the load generator needs for a push to all viewers about as long as the push seems to take. */
function findReading(contender: string, all: readonly TurnFigures[], viewers: number): string[] {
  const spread = median(all.map((turn) => turn.spread ?? Number.NaN));
  const reading = median(all.map(({ loadCpu, framesPerSecond }) => (loadCpu * 1_000 * viewers) / framesPerSecond));
  if (reading < READING * spread) return [];
  return [
    `The load generator spent ${reading.toFixed(2)} ms on a push of ${contender} to all viewers, and from the first to ` +
      `the last of them were ${spread.toFixed(2)} ms: that may be the load generator's reading, not the server's sending.`,
  ];
}

export interface Table {
  readonly headings: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** The rows as text, under their headings. */
export function formatComparison(rows: readonly ComparisonRow[]): Table {
  const hasSpread = rows.some(({ spread }) => spread !== null);
  const columns: (readonly [heading: string, cell: (row: ComparisonRow) => string])[] = [
    ['contender', (row) => row.contender],
    ['bytes a frame', (row) => formatCount(row.bytesPerFrame)],
    ['frames/s', (row) => formatCount(row.framesPerSecond)],
    ['of pushed', (row) => formatShare(row.delivered)],
    ['server CPU, µs a frame', (row) => formatMiddle(row.cpu)],
    ...(hasSpread ? [['first to last, ms', (row: ComparisonRow) => formatMiddle(row.spread)] as const] : []),
    ['volley / contender', (row) => formatMiddle(row.ratio)],
    ['load, cores', (row) => row.loadCpu.toFixed(2)],
  ];
  return {
    headings: columns.map(([heading]) => heading),
    rows: rows.map((row) => columns.map(([, cell]) => cell(row))),
  };
}

function readCpu({ cpu }: TurnFigures): number {
  return cpu;
}

function toMiddle(values: readonly number[]): Middle {
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) };
}

function formatMiddle(middle: Middle | null): string {
  return middle === null ? '' : describeSpread([middle.least, middle.median, middle.most]);
}

function formatCount(value: number): string {
  return Math.round(value).toLocaleString('en');
}

function formatShare(share: number): string {
  return `${Math.round(share * 100)} %`;
}
