import type { ShardCounters } from '../shards/counters.ts';
import type { Counts } from './sample.ts';
import type { Tally } from './tally.ts';

const OF_MAIN = [
  'commentsHttp',
  'commentsSocket',
  'commentsDemo',
  'batches',
  'pushes',
  'presences',
  'ringWaits',
  'shardRestarts',
] as const;

/** What the shards count, and what their counter is called. */
const OF_SHARDS = [
  ['joined', 'joined'],
  ['deliveries', 'deliveries'],
  ['deliveredBytes', 'deliveredBytes'],
  ['dropped', 'dropped'],
  ['skipped', 'skippedSent'],
  ['closed', 'slowClosed'],
] as const;

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
  readonly #tally: Tally;
  readonly #shards: readonly ShardCounters[];
  #last = new Map<string, number>();

  constructor(tally: Tally, shards: readonly ShardCounters[]) {
    this.#tally = tally;
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
    for (const name of OF_MAIN) {
      totals[name] = this.#tally[name];
      growth[name] = grow(name, this.#tally[name]);
    }
    for (const [shard, row] of this.#shards.entries()) {
      for (const [name, counter] of OF_SHARDS) {
        const value = row.get(counter);
        totals[name] += value;
        growth[name] += grow(`${shard} ${name}`, value);
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

  /** Main and shards refuse different things under the same codes. */
  *#refusals(): Iterable<readonly [source: string, code: string, count: number]> {
    for (const [code, count] of this.#tally.refused) yield ['main', code, count];
    for (const [shard, row] of this.#shards.entries()) {
      for (const [code, count] of row.refused()) yield [String(shard), code, count];
    }
  }
}

/** Every count at 0. */
export function zeroCounts(): Sums {
  return {
    commentsHttp: 0,
    commentsSocket: 0,
    commentsDemo: 0,
    refused: 0,
    batches: 0,
    pushes: 0,
    presences: 0,
    ringWaits: 0,
    shardRestarts: 0,
    joined: 0,
    deliveries: 0,
    deliveredBytes: 0,
    dropped: 0,
    skipped: 0,
    closed: 0,
  };
}
