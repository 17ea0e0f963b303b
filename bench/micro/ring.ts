import { deepEqual, equal } from 'node:assert/strict';
import { do_not_optimize } from 'mitata';
import { encodeBatch } from '../../src/frames/batch.ts';
import { MSGPACK_CODEC, topicOf } from '../../src/frames/codec.ts';
import { encodeMsgpackFrame } from '../../src/frames/codec-msgpack.ts';
import { BINARY, createRing, type RingEntry, RingReader, RingWriter } from '../../src/frames/frame-ring.ts';
import type { MicroBenchmark, MicroGroup } from './micro-benchmark.ts';
import { takenBatches } from './sample.ts';

/** The default of `--ring-size`. */
const CAPACITY = 16_777_216;

const FRAMES = 100;
/** The mask of the one reader, and of another that is not there. */
const MINE = Uint32Array.of(1);
const OTHERS = Uint32Array.of(2);
const SIZES = [
  { name: '892-byte frames', bytes: 892 },
  { name: '12 KB frames', bytes: 12_288 },
];

/** FrameRing: what main spends on a frame, and each shard. */
export function ring(): MicroGroup {
  return {
    name: 'ring',
    benchmarks: SIZES.flatMap(({ name, bytes }) => [write(name, bytes), read(name, bytes), stepOver(name, bytes)]),
  };
}

/** A ring with its default size and one reader, and `FRAMES` pushes of a frame each that go round in it, the last `mine` for it. */
class RingRig {
  readonly entries: readonly RingEntry[];
  readonly #writer: RingWriter;
  readonly #reader: RingReader;
  #head = 0;

  constructor(bytes: number, mine = FRAMES) {
    const memory = createRing(CAPACITY, 2);
    this.#writer = new RingWriter(memory);
    this.#writer.attach(0);
    this.#reader = new RingReader(memory, 0);
    this.entries = entriesOf(bytes, mine);
  }

  /** Writes each frame as a push of its own, then publishes all; false when the ring was full. */
  write(): boolean {
    let written = true;
    for (const entry of this.entries) written = this.#writer.write([entry]) && written;
    this.#writer.publish((_reader, head) => {
      this.#head = head;
    });
    return written;
  }

  /** Reads what was published; gives the bytes of its frames. */
  read(): number {
    let bytes = 0;
    this.#reader.read(this.#head, (topic, frame) => {
      do_not_optimize(topic);
      bytes += frame.length;
    });
    return bytes;
  }

  /** What a reader gets, as copies. */
  readEntries(): RingEntry[] {
    const entries: RingEntry[] = [];
    this.#reader.read(this.#head, (topic, frame, flags) => {
      entries.push({ topic: Uint8Array.from(topic), frame: Uint8Array.from(frame), flags, readers: MINE });
    });
    return entries;
  }
}

function write(name: string, bytes: number): MicroBenchmark<boolean> {
  const rig = new RingRig(bytes);
  return {
    name: `write ${name}, one a push`,
    unit: 'frame',
    units: FRAMES,
    prepare: () => void rig.read(),
    run: () => rig.write(),
    check: (written) => {
      equal(written, true);
      deepEqual(rig.readEntries(), rig.entries);
    },
  };
}

function read(name: string, bytes: number): MicroBenchmark<number> {
  const rig = new RingRig(bytes);
  return {
    name: `read ${name}`,
    unit: 'frame',
    units: FRAMES,
    prepare: () => equal(rig.write(), true),
    run: () => rig.read(),
    check: (read) => equal(read, FRAMES * bytes),
  };
}

/** What a shard spends on a frame that it has no viewers for. */
function stepOver(name: string, bytes: number): MicroBenchmark<number> {
  const rig = new RingRig(bytes, 1);
  return {
    name: `step over ${name} of other shards`,
    unit: 'frame',
    units: FRAMES,
    prepare: () => equal(rig.write(), true),
    run: () => rig.read(),
    check: (read) => equal(read, bytes),
  };
}

/** Frames of real comments, each cut to `bytes`, for as many rooms. */
function entriesOf(bytes: number, mine: number): RingEntry[] {
  const encoder = new TextEncoder();
  const frames = takenBatches(1_000).map((drafts) => {
    const frame = encodeMsgpackFrame([{ seq: 42, prev: 41, bytes: encodeBatch(drafts).bytes }], 4_000);
    equal(frame.length >= bytes, true);
    return frame.slice(0, bytes);
  });
  return Array.from({ length: FRAMES }, (_, i) => ({
    topic: encoder.encode(topicOf(MSGPACK_CODEC, `room-${i}`)),
    frame: frames[i % frames.length] as Uint8Array,
    flags: BINARY,
    readers: i < FRAMES - mine ? OTHERS : MINE,
  }));
}
