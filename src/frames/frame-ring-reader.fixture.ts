/** A reader of the ring in a thread of its own, as a shard is. frame-ring-threads.fixture.ts starts it from dist/. */
import { parentPort, workerData } from 'node:worker_threads';
import { BINARY, RingReader } from './frame-ring.ts';
import {
  checksum,
  isFor,
  RELEASED,
  type ReaderReport,
  type ReaderTask,
  STALLED,
  STAMP,
  type ToReader,
} from './frame-ring-threads.fixture.ts';

const { memory, reader, from, stallEvery, gate } = workerData as ReaderTask;
const ring = new RingReader(memory, reader);
let entries = 0;
let wakeUps = 0;
let next = from;
let fault: string | null = null;

parentPort?.on('message', (message: ToReader) => {
  if (fault !== null) return;
  if (message === 'end') {
    report();
    return;
  }
  wakeUps += 1;
  try {
    ring.read(message, visit);
  } catch (error) {
    fault = String(error);
    report();
  }
});

function visit(topic: Uint8Array, frame: Uint8Array, flags: number): void {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const number = view.getUint32(0);
  while (!isFor(next, reader)) next += 1;
  if (number !== next) throw new Error(`entry ${number} came where ${next} was next`);
  if (flags !== (number % 2 === 0 ? BINARY : 0)) throw new Error(`entry ${number} has flags ${flags}`);
  // Stand still before the bytes are looked at: while they are not freed, nobody may write over them.
  if (entries % stallEvery === stallEvery - 1) stall((entries + 1) / stallEvery);
  if (view.getUint32(4) !== checksum(number, topic, frame.subarray(STAMP)))
    throw new Error(`entry ${number} is broken`);
  entries += 1;
  next += 1;
}

function stall(count: number): void {
  Atomics.store(gate, STALLED, count);
  for (;;) {
    const released = Atomics.load(gate, RELEASED);
    if (released >= count) return;
    Atomics.wait(gate, RELEASED, released);
  }
}

function report(): void {
  parentPort?.postMessage({ entries, wakeUps, fault } satisfies ReaderReport);
}
