/**
 * A ring under real threads: the writer in this thread, each reader in its own (frame-ring-reader.fixture.ts), woken
 * only by messages that name the head. Every entry carries its number and a checksum, so that a reader can tell an
 * entry that is missing, twice, out of order or overwritten.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { BINARY, createRing, type RingEntry, type RingMemory, RingWriter } from './frame-ring.ts';

/** The compiled reader: a worker thread runs JavaScript. */
const READER_FILE = new URL('../../dist/src/frames/frame-ring-reader.fixture.js', import.meta.url);

/** Bytes before the payload in a frame: the entry's number and its checksum. */
export const STAMP = 8;

/** Places in the gate at which a slow reader waits. */
export const RELEASED = 0;
export const STALLED = 1;

/** What a reader's thread starts with. */
export interface ReaderTask {
  readonly memory: RingMemory;
  readonly reader: number;
  readonly position: number;
  /** After this many entries, again and again, the reader stands still until the writer found the ring full. */
  readonly stallEvery: number;
  readonly gate: Int32Array;
}

/** A head to read up to, or the end. */
export type ToReader = number | 'end';

/** Entries that came as they should, and what came instead of the next. */
export interface ReaderReport {
  readonly entries: number;
  readonly fault: string | null;
}

interface RingRun {
  readonly reports: ReaderReport[];
  /** How often the writer went on from the end of data to its beginning. */
  readonly laps: number;
  /** How often the slow reader stood still until the ring was full. */
  readonly stalls: number;
}

export interface RingRunOptions {
  readonly entries: number;
  readonly capacity: number;
  readonly readers: number;
  readonly stallEvery: number;
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
  return { topic, frame, flags: number % 2 === 0 ? BINARY : 0 };
}

/** Sends `entries` entries through a ring; the first reader is the slow one. */
export async function runRing(options: RingRunOptions): Promise<RingRun> {
  const memory = createRing(options.capacity, options.readers);
  const writer = new RingWriter(memory, 2 * options.capacity - 24);
  const gate = new Int32Array(new SharedArrayBuffer(8));
  const workers = Array.from({ length: options.readers }, (_, reader) => {
    const stallEvery = reader === 0 ? options.stallEvery : Number.POSITIVE_INFINITY;
    const task: ReaderTask = { memory, reader, position: writer.attach(reader), stallEvery, gate };
    return new Worker(READER_FILE, { workerData: task });
  });
  let over = false;
  const reports = workers.map(async (worker) => {
    const report = await reportOf(worker);
    // A report before the end tells of a fault: this reader frees nothing any more.
    over = true;
    return report;
  });
  try {
    const counted = await writeAll(writer, workers, gate, options, () => over);
    release(gate, 0x7fffffff);
    for (const worker of workers) worker.postMessage('end' satisfies ToReader);
    return { reports: await Promise.all(reports), ...counted };
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

function reportOf(worker: Worker): Promise<ReaderReport> {
  return new Promise((resolve) => {
    worker.once('message', resolve);
    worker.once('error', (error) => resolve({ entries: 0, fault: String(error) }));
  });
}

async function writeAll(
  writer: RingWriter,
  workers: readonly Worker[],
  gate: Int32Array,
  { entries, deadline }: RingRunOptions,
  over: () => boolean,
): Promise<{ laps: number; stalls: number }> {
  const end = Date.now() + deadline;
  let laps = 0;
  let stalls = 0;
  let head = 0;
  for (let number = 0; number < entries && !over(); ) {
    if (Date.now() > end) throw new Error(`the readers had not freed the ring for entry ${number} in time`);
    const from = number;
    let full = false;
    // One to four pushes a wake-up, of one to three entries each.
    for (let push = from % 4; push >= 0 && number < entries && !full; push -= 1) {
      const length = Math.min(1 + (number % 3), entries - number);
      full = !writer.write(Array.from({ length }, (_, i) => entryOf(number + i)));
      if (!full) number += length;
    }
    if (number > from) {
      const before = head;
      head = writer.publish();
      if (head % writer.capacity < before % writer.capacity) laps += 1;
      for (const worker of workers) worker.postMessage(head satisfies ToReader);
    }
    if (full) {
      if (release(gate, Atomics.load(gate, STALLED))) stalls += 1;
      await nextTurn();
    }
  }
  return { laps, stalls };
}

/** Lets the slow reader go on from its stall number `stall`; true if it stood still there. */
function release(gate: Int32Array, stall: number): boolean {
  if (Atomics.exchange(gate, RELEASED, stall) === stall) return false;
  Atomics.notify(gate, RELEASED);
  return true;
}
