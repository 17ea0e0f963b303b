import { BenchError } from '../bench-error.ts';
import type { Contender } from './contender.ts';
import { countPushes, countViewers, type PeerCase } from './peer-case.ts';
import { measureTurn, type TurnFigures } from './turn.ts';
import type { Workshop } from './workshop.ts';

export interface RunOrder {
  readonly contenders: readonly Contender[];
  readonly cases: readonly PeerCase[];
  /** Contenders that were asked for by name: these may not be left out. */
  readonly wanted: readonly string[];
  readonly turns: number;
  readonly viewers: number;
  readonly seconds: number;
  readonly warmup: number;
  readonly warmUpMs: number;
  readonly workshop: Workshop;
  readonly signal: AbortSignal;
  /** Told what was done, a line each. */
  readonly onProgress: (line: string) => void;
}

interface Entry {
  readonly name: string;
  readonly version: string;
  readonly describe: string;
}

/** One case, all its contenders, volley first, every turn of each. */
export interface CaseResult {
  readonly peerCase: PeerCase;
  readonly viewers: number;
  readonly turns: ReadonlyMap<string, readonly TurnFigures[]>;
}

export interface RunResult {
  readonly entries: readonly Entry[];
  readonly results: readonly CaseResult[];
  /** Who did not take part and why, a sentence each. */
  readonly leftOut: readonly string[];
}

/**
 * Measures case by case, in each turn by turn, in each contender by contender.
 * @throws BenchError when a contender cannot be measured
 */
export async function runPeers(order: RunOrder): Promise<RunResult> {
  const { entries, able, leftOut } = await prepareAll(order);
  const results: CaseResult[] = [];
  for (const peerCase of order.cases) {
    const contenders = able.filter(({ cases }) => cases.includes(peerCase.name));
    results.push(await runCase(peerCase, contenders, order));
  }
  return { entries, results, leftOut };
}

async function prepareAll({ contenders, cases, wanted, workshop, onProgress }: RunOrder) {
  const entries: Entry[] = [];
  const able: Contender[] = [];
  const leftOut: string[] = [];
  for (const contender of contenders) {
    const { name, describe } = contender;
    if (!cases.some((peerCase) => contender.cases.includes(peerCase.name))) continue;
    const prepared = await contender.prepare(workshop);
    if ('missing' in prepared) {
      if (wanted.includes(name)) throw new BenchError(`${name} cannot take part: ${prepared.missing}`);
      leftOut.push(`${name} is left out: ${prepared.missing}.`);
      onProgress(`${name} is left out: ${prepared.missing}`);
      continue;
    }
    entries.push({ name, describe, version: prepared.version });
    able.push(contender);
  }
  return { entries, able, leftOut };
}

async function runCase(peerCase: PeerCase, contenders: readonly Contender[], order: RunOrder): Promise<CaseResult> {
  const viewers = countViewers(peerCase, order.viewers);
  const pushes = countPushes(peerCase, order.seconds);
  const turns = new Map<string, TurnFigures[]>(contenders.map(({ name }) => [name, []]));
  for (let turn = 1; turn <= order.turns; turn += 1) {
    for (const contender of contenders) {
      const figures = await measureTurn(contender, { ...order, peerCase, viewers, pushes });
      turns.get(contender.name)?.push(figures);
      const spread = figures.spread === null ? '' : `, ${figures.spread.toFixed(1)} ms from first to last`;
      order.onProgress(
        `${peerCase.name}, turn ${turn} of ${order.turns}, ${contender.name}: ` +
          `${figures.cpu.toFixed(2)} µs a frame, ${Math.round(figures.framesPerSecond)} frames a second${spread}`,
      );
    }
  }
  return { peerCase, viewers, turns };
}
