/** What the windows of a case come to: rows with ratios, remarks, and both as Markdown. */
import { describeSpread, drawMarkdown, formatCount, median } from '../report/text.ts';
import type { PeerCase } from './cases.ts';
import type { TurnFigures } from './duel.ts';

/** One case: by contender, its own windows and those of volley against it. */
export interface CaseResult {
  readonly peerCase: PeerCase;
  readonly viewers: number;
  readonly duels: ReadonlyMap<string, Record<'ours' | 'theirs', readonly TurnFigures[]>>;
}

/** Below this share of what was pushed a contender is worth a word. */
const WHOLE = 0.9;

/** A load generator this near to a whole core may have been the limit. */
const BUSY = 0.9;

/** A load generator that reads a push for this share of its spread, or longer, may have made the spread. */
const READING = 0.7;

/** A figure of all windows, by frames where it is a cost of them, and how far the windows lie apart. */
type Middle = Readonly<Record<'pooled' | 'median' | 'least' | 'most', number>>;

export function turnsByName({ duels }: CaseResult): [string, readonly TurnFigures[]][] {
  const ours = [...duels.values()].flatMap((pair) => pair.ours);
  const others = [...duels].filter(([, { theirs }]) => theirs.length > 0);
  return [['volley', ours], ...others.map(([name, { theirs }]) => [name, theirs] as [string, readonly TurnFigures[]])];
}

/** The rows of a case: its figures, and volley's over each contender's. */
export function compareTurns(result: CaseResult) {
  const isSpread = result.peerCase.measure === 'spread';
  const figure = ({ cpu, spread }: TurnFigures): number => (isSpread ? (spread ?? Number.NaN) : cpu);
  const pool = (turns: readonly TurnFigures[]): number => {
    const weigh = ({ frames }: TurnFigures): number => (isSpread ? 1 : frames);
    const sum = turns.reduce((all, turn) => all + figure(turn) * weigh(turn), 0);
    return sum / turns.reduce((all, turn) => all + weigh(turn), 0);
  };
  return turnsByName(result).map(([contender, turns]) => {
    const middle = (key: 'bytesPerFrame' | 'framesPerSecond' | 'delivered' | 'loadCpu') =>
      median(turns.map((turn) => turn[key]));
    const ours = result.duels.get(contender)?.ours ?? [];
    const ratios = turns.map((turn, i) => figure(ours[i] ?? turn) / figure(turn));
    return {
      contender,
      bytesPerFrame: middle('bytesPerFrame'),
      framesPerSecond: middle('framesPerSecond'),
      delivered: middle('delivered'),
      cpu: toMiddle(turns.map(({ cpu }) => cpu)),
      spread: isSpread ? toMiddle(turns.map(figure)) : null,
      ratio: contender === 'volley' ? null : toMiddle(ratios, pool(ours) / pool(turns)),
      loadCpu: middle('loadCpu'),
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
    if (delivered < WHOLE) {
      remarks.push(`${contender} delivered only ${formatShare(delivered)} of what was to be pushed.`);
    }
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

export function describeCase(result: CaseResult): string {
  const { title, every, subprotocol, measure } = result.peerCase;
  type Row = ReturnType<typeof compareTurns>[number];
  const columns: Record<string, (row: Row) => string> = {
    contender: ({ contender }) => contender,
    'bytes a frame': ({ bytesPerFrame }) => formatCount(bytesPerFrame),
    'frames/s': ({ framesPerSecond }) => formatCount(framesPerSecond),
    'of pushed': ({ delivered }) => formatShare(delivered),
    'server CPU, µs a frame': ({ cpu }) => formatMiddle(cpu),
    ...(measure === 'spread' ? { 'first to last, ms': ({ spread }: Row) => formatMiddle(spread) } : {}),
    'volley / contender': ({ ratio }) => formatMiddle(ratio),
    'load, cores': ({ loadCpu }) => loadCpu.toFixed(2),
  };
  const rows = compareTurns(result).map((row) => Object.values(columns).map((cell) => cell(row)));
  const how = `${formatCount(result.viewers)} viewers in one room, a push every ${every} ms, volley on \`${subprotocol}\`.`;
  return [`## ${title}`, how, drawMarkdown(Object.keys(columns), rows), ...findRemarks(result)].join('\n\n');
}

function formatMiddle(middle: Middle | null): string {
  return middle === null ? '' : describeSpread([middle.least, middle.most], 2, middle.pooled);
}

function formatShare(share: number): string {
  return `${Math.round(share * 100)} %`;
}
