/**
 * What shards count, in shared memory: a row of doubles a shard, written by that shard alone and read by main when
 * somebody scrapes.
 *
 * V8 reads and writes an aligned double in one instruction on the 64-bit machines that uWebSockets.js has binaries
 * for, so a plain load sees an old value or a new one, never a mixture; nothing here orders anything else.
 */
import { REFUSALS, type RefusalCode } from '../codes.ts';

const NAMES = [
  /** Rises a few times a second while the shard's loop turns. */
  'alive',
  /** Rises with everything that the shard handles and that has no counter of its own here. */
  'work',
  /** The kernel's id of the thread, 0 where nobody can tell. */
  'thread',
  /** Connections to the viewers' port, those without a handshake included. */
  'sockets',
  /** Times that it stopped listening for want of files. */
  'listenPauses',
  'viewers',
  'joined',
  'messagesReceived',
  /** Ring entries published: those that name this shard, whether or not anybody is subscribed yet. */
  'published',
  /** Messages handed to viewers of this shard by publishing. */
  'deliveries',
  'deliveredBytes',
  /** Messages that uWebSockets.js dropped for viewers over the backpressure limit. */
  'dropped',
  'skippedSent',
  'slowClosed',
  /** Viewers closed with 1008, because they sent too much. */
  'floodClosed',
  /** Bytes of backfill that viewers have been sent and that have not left their sockets' buffers yet. */
  'catchUpBytes',
  /** Viewers whose next step of backfill waits for others to read theirs. */
  'joinsWaiting',
  /** CPU time of this thread in seconds, since it started. */
  'cpu',
  /** Event-loop delay over the last second, in seconds. */
  'delayMean',
  'delayMax',
] as const;

export type CounterName = (typeof NAMES)[number];

/** What rises when a shard gets on, whatever with. */
const PROGRESS: readonly CounterName[] = ['alive', 'work', 'messagesReceived', 'published'];

const CODES = Object.keys(REFUSALS) as RefusalCode[];
const WIDTH = NAMES.length + CODES.length;
const PLACES = new Map<string, number>([...NAMES, ...CODES].map((name, place) => [name, place]));

export function createCounters(shards: number): SharedArrayBuffer {
  return new SharedArrayBuffer(shards * WIDTH * Float64Array.BYTES_PER_ELEMENT);
}

/** One shard's row. Refusals are counted under their codes. */
export class ShardCounters {
  readonly #row: Float64Array;

  constructor(memory: SharedArrayBuffer, shard: number) {
    this.#row = new Float64Array(memory, shard * WIDTH * Float64Array.BYTES_PER_ELEMENT, WIDTH);
  }

  get(name: CounterName | RefusalCode): number {
    return this.#row[PLACES.get(name) ?? 0] ?? 0;
  }

  set(name: CounterName, value: number): void {
    this.#row[PLACES.get(name) ?? 0] = value;
  }

  add(name: CounterName | RefusalCode, count: number): void {
    const place = PLACES.get(name) ?? 0;
    this.#row[place] = (this.#row[place] ?? 0) + count;
  }

  /** A number that changes when the shard gets on: its timers ran, or it handled something. */
  get progress(): number {
    return PROGRESS.reduce((sum, name) => sum + this.get(name), 0);
  }

  /** Refusals by code, the codes with none left out. */
  refused(): [code: RefusalCode, count: number][] {
    return CODES.map((code): [RefusalCode, number] => [code, this.get(code)]).filter(([, count]) => count > 0);
  }
}
