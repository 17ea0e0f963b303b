import { type MainCounters, type MainName, SAMPLED, type ShardCounters, type ShardName } from '../counters.ts';
import type { Counts } from './sample.ts';

type Sums = { -readonly [name in keyof Counts]: Counts[name] };
type ByCode = Readonly<Record<string, number>>;

/** Totals since the start, and what they grew by since the last look. */
interface CountReading {
  readonly totals: Counts;
  readonly growth: Counts;
  readonly refused: ByCode;
  /** Of the codes that grew. */
  readonly refusedGrowth: ByCode;
}

/** Reads main's and the shards' counters and says what they grew by. */
export class CountGrowth {
  readonly #counters: MainCounters;
  readonly #shards: readonly ShardCounters[];
  #last = new Map<string, number>();

  constructor(counters: MainCounters, shards: readonly ShardCounters[]) {
    this.#counters = counters;
    this.#shards = shards;
  }

  read(): CountReading {
    const before = this.#last;
    const now = new Map<string, number>();
    // A counter that fell began again at 0. Each shard's is looked at alone: another's growth would hide the fall.
    const grow = (key: string, value: number): number => {
      now.set(key, value);
      const last = before.get(key) ?? 0;
      return value >= last ? value - last : value;
    };
    const totals = zeroCounts();
    const growth = zeroCounts();
    for (const name of SAMPLED) {
      for (const [source, value] of this.#valuesOf(name)) {
        totals[name] += value;
        growth[name] += grow(`${source} ${name}`, value);
      }
    }
    const refused: Record<string, number> = {};
    const refusedGrowth: Record<string, number> = {};
    for (const [source, code, count] of this.#refusals()) {
      const grown = grow(`${source} ${code}`, count);
      refused[code] = (refused[code] ?? 0) + count;
      if (grown > 0) refusedGrowth[code] = (refusedGrowth[code] ?? 0) + grown;
      totals.refused += count;
      growth.refused += grown;
    }
    this.#last = now;
    return { totals, growth, refused, refusedGrowth };
  }

  #valuesOf(name: MainName | ShardName): (readonly [source: string, value: number])[] {
    if (name in this.#counters) return [['main', this.#counters[name as MainName]]];
    return this.#shards.map((row, shard) => [String(shard), row.get(name as ShardName)] as const);
  }

  /** Main and shards refuse different things under the same codes. */
  *#refusals(): Iterable<readonly [source: string, code: string, count: number]> {
    for (const [code, count] of this.#counters.refused) yield ['main', code, count];
    for (const [shard, row] of this.#shards.entries()) {
      for (const [code, count] of row.refused()) yield [String(shard), code, count];
    }
  }
}

/** Every count at 0. */
export function zeroCounts(): Sums {
  return Object.fromEntries([...SAMPLED, 'refused'].map((name) => [name, 0])) as Sums;
}
