/**
 * The last minutes of the server for its dashboards: once a second it reads the counters and makes one sample, which
 * is written as JSON once, whoever looks on. Kept always, so that a dashboard opened after an incident shows it.
 *
 * A second costs main less than 1 ms with 10,000 rooms, of which finding the busiest is 0.4 ms at most; with more the
 * rooms are walked in several turns of the loop.
 */
import type { Clock } from '../clock.ts';
import {
  type DurationSummary,
  type MainCounters,
  type MainName,
  SAMPLED,
  type ShardCounters,
  type ShardName,
} from '../counters.ts';
import { LoopDelayMeter, threadCpuSeconds } from '../thread-stats.ts';
import { type BusiestLists, BusiestRooms, type RoomView } from './busiest-rooms.ts';
import type { Counts, RoomDetail, Sample, ThreadSample, Tick } from './sample.ts';

/** Samples in one block. */
const BLOCK_SAMPLES = 60;

const COMMA = Buffer.from(',');

interface Kept {
  /** Unix ms. */
  readonly at: number;
  readonly json: Buffer;
}

/** Samples as they stand in a list of JSON, `a,b,c`: each one's bytes and its comma, or the last one's end. */
interface Block {
  readonly ats: readonly number[];
  /** Where each begins in `bytes`. */
  readonly starts: readonly number[];
  readonly bytes: Buffer;
}

/**
 * The newest samples as JSON, oldest first. They lie in blocks of bytes that are made once, so that all readers wait on
 * the same memory: a history is 0.4 MB on a small machine, and 6 MB with 256 shards.
 */
class SampleHistory {
  readonly #most: number;
  readonly #full: Block[] = [];
  #open: Kept[] = [];
  /** The open ones joined, until there is another. */
  #joined: Block | null = null;

  /** @param most samples that are kept */
  constructor(most: number) {
    this.#most = most;
  }

  add(at: number, json: string): void {
    this.#open.push({ at, json: Buffer.from(json) });
    this.#joined = null;
    if (this.#open.length < BLOCK_SAMPLES) return;
    this.#full.push(joinSamples(this.#open));
    this.#open = [];
    if (this.#full.length * BLOCK_SAMPLES >= this.#most + BLOCK_SAMPLES) this.#full.shift();
  }

  /** The samples made after `since` (Unix ms), as bytes that make a list of JSON without its brackets. */
  after(since: number): Buffer[] {
    let left = this.#full.length * BLOCK_SAMPLES + this.#open.length;
    const parts: Buffer[] = [];
    this.#joined ??= joinSamples(this.#open);
    for (const { ats, starts, bytes } of [...this.#full, this.#joined]) {
      const tooOld = Math.max(0, left - this.#most);
      left -= ats.length;
      const first = ats.findIndex((at, i) => i >= tooOld && at > since);
      if (first === -1) continue;
      if (parts.length > 0) parts.push(COMMA);
      parts.push(bytes.subarray(starts[first]));
    }
    return parts;
  }
}

function joinSamples(kept: readonly Kept[]): Block {
  const starts: number[] = [];
  let end = 0;
  for (const { json } of kept) {
    starts.push(end);
    end += json.length + COMMA.length;
  }
  const parts = kept.flatMap(({ json }, i) => (i === 0 ? [json] : [COMMA, json]));
  return { ats: kept.map(({ at }) => at), starts, bytes: Buffer.concat(parts) };
}

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
class CountGrowth {
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

/** Looks without news for which the last share stands. */
const MOST_STALE = 2;

/**
 * A thread's share of a core, from its CPU seconds. A shard writes them once a second by a timer of its own, so that a
 * look now and then comes before the news: then the share is what it was, not nothing.
 */
class CpuShare {
  #cpu: number;
  #share = 0;
  #stale = 0;

  constructor(cpu: number) {
    this.#cpu = cpu;
  }

  /** The share since the last look, `seconds` ago. A thread that was replaced begins again at 0 CPU seconds. */
  look(cpu: number, seconds: number): number {
    if (cpu === this.#cpu) {
      this.#stale += 1;
      if (this.#stale > MOST_STALE) this.#share = 0;
      return this.#share;
    }
    const used = cpu > this.#cpu ? cpu - this.#cpu : cpu;
    this.#cpu = cpu;
    this.#stale = 0;
    this.#share = Math.min(1, used / seconds);
    return this.#share;
  }
}

/** Samples kept: ten minutes. */
export const KEPT = 600;
const PERIOD_MS = 1_000;

/** Between two turns in which rooms are walked, in ms. */
const WALK_MS = 1;

/** What is told of one room. */
interface LiveRoom extends RoomView {
  /** When it last fired, in the clock's ms. */
  readonly firedAt: number;
  readonly viewersByCodec: readonly number[];
  viewersOn(shard: number): number;
}

export interface SamplerOptions {
  readonly clock: Clock;
  readonly counters: MainCounters;
  readonly rooms: {
    readonly size: number;
    readonly pending: number;
    all(): Iterable<RoomView>;
    get(name: string): LiveRoom | undefined;
  };
  readonly ring: { readonly capacity: number; used(): number };
  readonly store: { stats(): { readonly bytes: number }; head(room: string): Promise<{ readonly seq: number }> };
  readonly shards: readonly ShardCounters[];
  /** Told of a sample that could not be made. The sampler goes on with the next second. */
  readonly onFault: (error: unknown) => void;
  /** The main thread's CPU seconds and event-loop delay; tests replace them. */
  readonly cpuSeconds?: () => number;
  readonly delay?: Pick<LoopDelayMeter, 'take' | 'stop'>;
}

/** Told of every second: a {@link Tick} as JSON. */
export type TickListener = (tick: string, at: number) => void;

export class Sampler {
  readonly #options: SamplerOptions;
  readonly #growth: CountGrowth;
  readonly #mainCpu: CpuShare;
  readonly #shardCpu: readonly CpuShare[];
  readonly #cpuSeconds: () => number;
  readonly #delay: Pick<LoopDelayMeter, 'take' | 'stop'>;
  readonly #busiest = new BusiestRooms();
  readonly #listeners = new Set<TickListener>();
  readonly #history = new SampleHistory(KEPT);
  #tick: string | null = null;
  #lastAt: number;
  #due: number;
  #cancel: () => void;
  /** Calls off the rest of a walk over the rooms; null while there is none. */
  #cancelWalk: (() => void) | null = null;

  constructor(options: SamplerOptions) {
    const { clock, counters, shards, cpuSeconds = threadCpuSeconds } = options;
    this.#options = options;
    this.#growth = new CountGrowth(counters, shards);
    this.#growth.read();
    this.#cpuSeconds = cpuSeconds;
    this.#mainCpu = new CpuShare(cpuSeconds());
    this.#shardCpu = shards.map((row) => new CpuShare(row.get('cpu')));
    this.#delay = options.delay ?? new LoopDelayMeter();
    this.#lastAt = clock.now();
    this.#due = this.#lastAt + PERIOD_MS;
    this.#cancel = clock.after(PERIOD_MS, this.#everySecond);
  }

  /** The samples made after `since` (Unix ms) and the newest tick, as the JSON of a {@link History}, in parts. */
  history(since = 0): Buffer[] {
    return [HISTORY_HEAD, ...this.#history.after(since), Buffer.from(`],"tick":${this.#tick}}`)];
  }

  /** One room as it is now, live or not, but for its comments a second, which are the last sample's. */
  async describeRoom(name: string): Promise<RoomDetail> {
    const { rooms, store, shards, clock } = this.#options;
    const room = rooms.get(name);
    if (room === undefined) {
      const { seq } = await store.head(name);
      const nobody = { viewersByCodec: [0, 0, 0], viewersByShard: shards.map(() => 0) };
      return { room: name, live: false, viewers: 0, comments: 0, pending: 0, seq, ...nobody, sincePush: null };
    }
    const since = clock.now() - room.firedAt;
    return {
      ...this.#busiest.describe(room),
      live: true,
      viewersByCodec: room.viewersByCodec,
      viewersByShard: shards.map((_, shard) => room.viewersOn(shard)),
      sincePush: Number.isFinite(since) ? Math.round(since) : null,
    };
  }

  /** Tells `listener` of every second from the next on; gives back a function that ends it. */
  listen(listener: TickListener): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  stop(): void {
    this.#cancel();
    this.#cancelWalk?.();
    this.#delay.stop();
    this.#listeners.clear();
  }

  readonly #everySecond = (): void => {
    const { clock } = this.#options;
    const now = clock.now();
    // On the beat, so that late timers do not add up; the next beat that leaves enough of a second to tell rates of.
    const beats = Math.max(1, Math.ceil((now + PERIOD_MS / 2 - this.#due) / PERIOD_MS));
    this.#due += beats * PERIOD_MS;
    this.#cancel = clock.after(this.#due - now, this.#everySecond);
    // The walk of the second before goes on: its sample stands for both.
    if (this.#cancelWalk === null) this.#walk(this.#busiest.find(this.#options.rooms.all()));
  };

  #walk(walk: Generator<undefined, BusiestLists>): void {
    const { clock, onFault } = this.#options;
    this.#cancelWalk = null;
    try {
      const { done, value } = walk.next();
      if (done) this.#take(value);
      else this.#cancelWalk = clock.after(WALK_MS, () => this.#walk(walk));
    } catch (error) {
      onFault(error);
    }
  }

  /** Makes the sample of the time since the last one. */
  #take(busiest: BusiestLists): void {
    const { clock, counters, rooms, ring, store, shards } = this.#options;
    const now = clock.now();
    const seconds = Math.max(1, now - this.#lastAt) / 1_000;
    this.#lastAt = now;
    const { totals, growth, refused, refusedGrowth } = this.#growth.read();
    const sample: Sample = {
      at: clock.unix(),
      viewers: shards.reduce((sum, row) => sum + row.get('viewers'), 0),
      rooms: rooms.size,
      pending: rooms.pending,
      storeBytes: store.stats().bytes,
      ringUsed: ring.used(),
      rates: ratesOf(growth, seconds),
      refused: perSecond(refusedGrowth, seconds),
      store: roundTimes(counters.appendTimes.take()),
      push: roundTimes(counters.pushTimes.take()),
      threads: this.#threads(seconds),
    };
    const tick: Tick = { sample, totals, refused, ringCapacity: ring.capacity, ...busiest };
    this.#history.add(sample.at, JSON.stringify(sample));
    this.#tick = JSON.stringify(tick);
    for (const listener of this.#listeners) listener(this.#tick, sample.at);
  }

  #threads(seconds: number): ThreadSample[] {
    const main = this.#delay.take();
    const threads = [{ cpu: this.#mainCpu.look(this.#cpuSeconds(), seconds), mean: main.mean, max: main.max }];
    for (const [shard, row] of this.#options.shards.entries()) {
      const cpu = this.#shardCpu[shard]?.look(row.get('cpu'), seconds) ?? 0;
      threads.push({ cpu, mean: row.get('delayMean'), max: row.get('delayMax') });
    }
    return threads.map(({ cpu, mean, max }) => ({
      cpu: round(cpu),
      delayMean: round(mean * 1_000),
      delayMax: round(max * 1_000),
    }));
  }
}

const HISTORY_HEAD = Buffer.from('{"samples":[');

function perSecond<Key extends string>(growth: Readonly<Record<Key, number>>, seconds: number): Record<Key, number> {
  const rates = Object.entries<number>(growth).map(([name, count]) => [name, round(count / seconds)]);
  return Object.fromEntries(rates) as Record<Key, number>;
}

function ratesOf(growth: Counts, seconds: number): Counts {
  return perSecond<keyof Counts>({ ...growth }, seconds);
}

function roundTimes({ count, mean, p99, max }: DurationSummary): DurationSummary {
  return { count, mean: round(mean), p99: round(p99), max: round(max) };
}

/** Three places are more than a chart shows. */
function round(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
