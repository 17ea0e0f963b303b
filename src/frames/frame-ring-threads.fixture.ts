/**
 * A ring under real threads: the writer in this thread, each reader in its own (frame-ring-reader.fixture.ts), woken
 * only by messages that name the head. Every entry carries its number and a checksum, and its number says which readers
 * it is for, so that a reader can tell an entry that is missing, twice, out of order, overwritten or not for it.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { BINARY, createRing, maskWords, type RingEntry, type RingMemory, RingWriter } from './frame-ring.ts';

/** The compiled reader: a worker thread runs JavaScript. */
const READER_FILE = new URL('../../dist/src/frames/frame-ring-reader.fixture.js', import.meta.url);

/** Bytes before the payload in a frame: the entry's number and its checksum. */
export const STAMP = 8;

/** Places in the gate at which a slow reader waits. */
export const RELEASED = 0;
export const STALLED = 1;

/** Readers of the ring: more than one word of a mask has bits for. Those below have a thread, the others are not attached. */
const READERS = 40;
/** Stands still, so that the ring is full over and over. */
const SLOW = 0;
/** Has something in about one entry of three. */
const BUSY = 31;
/** As busy, but its thread is ended and run again. */
const RESTARTED = 32;
/** Is woken once in so many entries; between them the ring goes round. */
const RARE = 38;
const RARELY = 1_000;
/** Nothing is for it. */
const IDLE = 39;

/** Whether entry `number` is for `reader`. */
export function isFor(number: number, reader: number): boolean {
  if (reader === IDLE) return false;
  if (reader === RARE) return number % RARELY === 0;
  return Math.imul(number + 1, 0xc2b2ae35 + 2 * reader) >>> 0 < 0x60000000;
}

/** What a reader's thread starts with. */
export interface ReaderTask {
  readonly memory: RingMemory;
  readonly reader: number;
  /** The first entry that may come. */
  readonly from: number;
  /** After this many entries, again and again, the reader stands still until the writer found the ring full. */
  readonly stallEvery: number;
  readonly gate: Int32Array;
}

/** A head to read up to, or the end. */
export type ToReader = number | 'end';

/** Entries that came as they should, the heads that were told, and what came instead of the next entry. */
export interface ReaderReport {
  readonly entries: number;
  readonly wakeUps: number;
  readonly fault: string | null;
}

interface RingRun {
  /** What went wrong, in any thread at any time. */
  readonly faults: readonly string[];
  /** Entries that the last threads of the slow, the busy, the restarted, the rare and the idle reader got. */
  readonly got: readonly number[];
  /** What they were to get. */
  readonly expected: readonly number[];
  /** Wake-ups of the rare and the idle reader. */
  readonly wakeUps: readonly number[];
  /** How often the writer went on from the end of data to its beginning. */
  readonly laps: number;
  /** How often the slow reader stood still until the ring was full. */
  readonly stalls: number;
}

export interface RingRunOptions {
  readonly entries: number;
  readonly capacity: number;
  readonly stallEvery: number;
  /** How often the restarted reader's thread is ended, wherever it stands, and run again. */
  readonly restarts: number;
  /** Milliseconds after which the run is given up. */
  readonly deadline: number;
}

/** FNV-1a over an entry, without the checksum itself. */
export function checksum(number: number, topic: Uint8Array, payload: Uint8Array): number {
  let sum = 0x811c9dc5 ^ number;
  for (const byte of topic) sum = Math.imul(sum ^ byte, 0x01000193);
  for (const byte of payload) sum = Math.imul(sum ^ byte, 0x01000193);
  return sum >>> 0;
}

const noise = Uint8Array.from({ length: 4_096 }, (_, i) => Math.imul(i + 1, 0x9e3779b1) >>> 24);

/** Entry `number`, of an odd size: 0 to 96 bytes of payload, a topic of 1 to 13. */
function entryOf(number: number): RingEntry {
  const mixed = Math.imul(number + 1, 0x85ebca6b) >>> 8;
  const topic = noise.subarray(number % 64, (number % 64) + 1 + (mixed % 13));
  const start = mixed % 4_000;
  const payload = noise.subarray(start, start + ((mixed >>> 3) % 97));
  const frame = new Uint8Array(STAMP + payload.length);
  const view = new DataView(frame.buffer);
  view.setUint32(0, number);
  view.setUint32(4, checksum(number, topic, payload));
  frame.set(payload, STAMP);
  const readers = new Uint32Array(maskWords(READERS));
  for (let reader = 0; reader < READERS; reader += 1) {
    if (isFor(number, reader)) readers[reader >>> 5] = (readers[reader >>> 5] ?? 0) | (1 << (reader & 31));
  }
  return { topic, frame, flags: number % 2 === 0 ? BINARY : 0, readers };
}

/** Sends `entries` entries through a ring. */
export async function runRing(options: RingRunOptions): Promise<RingRun> {
  const run = new Run(options);
  try {
    return await run.finish();
  } finally {
    await run.stop();
  }
}

class Run {
  readonly #options: RingRunOptions;
  readonly #memory: RingMemory;
  readonly #writer: RingWriter;
  readonly #gate = new Int32Array(new SharedArrayBuffer(8));
  readonly #threads = new Map<number, { worker: Worker; from: number; report: Promise<ReaderReport> }>();
  readonly #faults: string[] = [];
  #number = 0;
  #head = 0;
  #laps = 0;
  #stalls = 0;

  constructor(options: RingRunOptions) {
    this.#options = options;
    this.#memory = createRing(options.capacity, READERS);
    this.#writer = new RingWriter(this.#memory, 2 * options.capacity - 24);
    for (const reader of [SLOW, BUSY, RESTARTED, RARE, IDLE]) this.#start(reader);
  }

  async finish(): Promise<RingRun> {
    await this.#writeAll();
    this.#release(0x7fffffff);
    for (const { worker } of this.#threads.values()) worker.postMessage('end' satisfies ToReader);
    const threads = [...this.#threads];
    const reports = await Promise.all(threads.map(([, { report }]) => report));
    return {
      faults: this.#faults,
      got: reports.map(({ entries }) => entries),
      expected: threads.map(([reader, { from }]) => this.#count(reader, from)),
      wakeUps: reports.slice(-2).map(({ wakeUps }) => wakeUps),
      laps: this.#laps,
      stalls: this.#stalls,
    };
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#threads.values()].map(({ worker }) => worker.terminate()));
  }

  /** Entries from `from` on that are for `reader`. */
  #count(reader: number, from: number): number {
    let count = 0;
    for (let number = from; number < this.#options.entries; number += 1) if (isFor(number, reader)) count += 1;
    return count;
  }

  #start(reader: number): void {
    const stallEvery = reader === SLOW ? this.#options.stallEvery : Number.POSITIVE_INFINITY;
    this.#writer.attach(reader);
    const task: ReaderTask = { memory: this.#memory, reader, from: this.#number, stallEvery, gate: this.#gate };
    const worker = new Worker(READER_FILE, { workerData: task });
    const report = new Promise<ReaderReport>((resolve) => {
      worker.once('message', resolve);
      worker.once('error', (error) => resolve({ entries: 0, wakeUps: 0, fault: String(error) }));
    });
    report.then(({ fault }) => {
      if (fault !== null) this.#faults.push(`reader ${reader}: ${fault}`);
    });
    this.#threads.set(reader, { worker, from: this.#number, report });
  }

  /** Ends a reader's thread, in the middle of an entry or not, and runs it again, as the pool does with a shard. */
  async #restart(reader: number): Promise<void> {
    const ended = this.#threads.get(reader);
    await ended?.worker.terminate();
    this.#writer.detach(reader);
    // What is committed while it is gone is not for it to see.
    this.#write();
    this.#start(reader);
  }

  async #writeAll(): Promise<void> {
    const { entries, deadline, restarts } = this.#options;
    const end = Date.now() + deadline;
    let restarted = 0;
    while (this.#number < entries && this.#faults.length === 0) {
      if (Date.now() > end) throw new Error(`the readers had not freed the ring for entry ${this.#number} in time`);
      if (this.#number >= ((restarted + 1) * entries) / (restarts + 1)) {
        restarted += 1;
        await this.#restart(RESTARTED);
      }
      const full = !this.#write();
      if (!full) continue;
      if (this.#release(Atomics.load(this.#gate, STALLED))) this.#stalls += 1;
      await nextTurn();
    }
  }

  /** One commit of one to four pushes, of one to three entries each; false where the ring had no room for all. */
  #write(): boolean {
    const { entries } = this.#options;
    let full = false;
    for (let push = this.#number % 4; push >= 0 && this.#number < entries && !full; push -= 1) {
      const length = Math.min(1 + (this.#number % 3), entries - this.#number);
      full = !this.#writer.write(Array.from({ length }, (_, i) => entryOf(this.#number + i)));
      if (!full) this.#number += length;
    }
    this.#writer.publish((reader, head) => {
      if (head % this.#writer.capacity < this.#head % this.#writer.capacity) this.#laps += 1;
      this.#head = head;
      this.#threads.get(reader)?.worker.postMessage(head satisfies ToReader);
    });
    return !full;
  }

  /** Lets the slow reader go on from its stall number `stall`; true if it stood still there. */
  #release(stall: number): boolean {
    if (Atomics.exchange(this.#gate, RELEASED, stall) === stall) return false;
    Atomics.notify(this.#gate, RELEASED);
    return true;
  }
}
