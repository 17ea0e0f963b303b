/** From comments to stored bytes, to each codec's frame and back; and what main and each shard spend on the ring. */
import { deepEqual, equal } from 'node:assert/strict';
import { inflateRawSync } from 'node:zlib';
import { do_not_optimize } from 'mitata';
import { MODES } from '../../src/comment.ts';
import { decodeBatch, encodeBatch, type NumberedBatch, type TimedDraft } from '../../src/frames/batch.ts';
import { MSGPACK_CODEC, topicOf } from '../../src/frames/codec.ts';
import { encodeJsonFrame } from '../../src/frames/codec-json.ts';
import { decodeMsgpackFrame, encodeMsgpackFrame } from '../../src/frames/codec-msgpack.ts';
import { deflateFrameNow } from '../../src/frames/deflate.ts';
import { BINARY, type RingEntry } from '../../src/frames/frame-ring.ts';
import type { BatchMessage } from '../../src/frames/messages.ts';
import type { MicroBenchmark, MicroGroup } from './benchmark.ts';
import { Carousel, RingEnd, takenBatches } from './rig.ts';

const SEQ = 41_007;
const VIEWERS = 4_000;

/** A batch in every form that it takes on its way. */
interface Encoded {
  readonly drafts: readonly TimedDraft[];
  readonly batches: readonly [NumberedBatch];
  readonly frame: Uint8Array;
}

function encodeAll(drafts: readonly TimedDraft[]): Encoded {
  const batches = [{ seq: SEQ, prev: SEQ - 1, bytes: encodeBatch(drafts).bytes }] as const;
  return { drafts, batches, frame: encodeMsgpackFrame(batches, VIEWERS) };
}

export function codecs(): MicroGroup {
  return { name: 'codecs', benchmarks: [1, 20, 1_000].flatMap(codecsOf) };
}

function codecsOf(units: number): MicroBenchmark[] {
  const encoded = new Carousel(takenBatches(units).map(encodeAll));
  const size = `${units.toLocaleString('en')} comment${units === 1 ? '' : 's'}`;
  const benchmark = <Result>(
    name: string,
    run: (encoded: Encoded) => Result,
    check: (result: Result, encoded: Encoded) => void,
  ): MicroBenchmark<Result> => ({
    name: `${name}, ${size}`,
    unit: 'comment',
    units,
    run: () => run(encoded.next()),
    check: (result) => {
      check(result as Result, encoded.last);
      // Most comments have the defaults, so one batch says little.
      for (const each of encoded.all) check(run(each), each);
    },
  });
  return [
    benchmark(
      'encodeBatch',
      ({ drafts }) => encodeBatch(drafts),
      ({ bytes }, { drafts }) =>
        deepEqual(decodeBatch({ seq: SEQ, prev: SEQ - 1, bytes }).comments, messageOf(drafts).comments),
    ),
    benchmark(
      'msgpack frame',
      ({ batches }) => encodeMsgpackFrame(batches, VIEWERS),
      (frame, { drafts }) => deepEqual(decodeMsgpackFrame(frame), messageOf(drafts)),
    ),
    benchmark(
      'JSON frame',
      ({ batches }) => encodeJsonFrame(batches, VIEWERS),
      (frame, { drafts }) => deepEqual(JSON.parse(Buffer.from(frame).toString()), messageOf(drafts)),
    ),
    benchmark(
      'deflate of the msgpack frame',
      ({ frame }) => deflateFrameNow(frame),
      (deflated, { frame }) => deepEqual(new Uint8Array(inflateRawSync(deflated)), new Uint8Array(frame)),
    ),
    benchmark(
      'decodeBatch',
      ({ batches: [batch] }) => decodeBatch(batch),
      ({ comments }, { drafts }) => deepEqual(comments, messageOf(drafts).comments),
    ),
    benchmark(
      'decode a msgpack frame',
      ({ frame }) => decodeMsgpackFrame(frame),
      (message, { drafts }) => deepEqual(message, messageOf(drafts)),
    ),
  ];
}

/** The message that viewers must get of `drafts`, made without any of the code that is timed. */
function messageOf(drafts: readonly TimedDraft[]): BatchMessage {
  const at = drafts[0]?.at ?? Number.NaN;
  const comments = drafts.map(({ user, name, text, mode, color, size, at: own }, i) => {
    return { id: `${SEQ}.${i}`, user, name, text, mode: MODES[mode] ?? 'scroll', color, size, at: own - at };
  });
  return { type: 'batch', seq: SEQ, prev: SEQ - 1, at, viewers: VIEWERS, comments };
}

const FRAMES = 100;
/** The mask of the one reader, and of another that is not there. */
const MINE = Uint32Array.of(1);
const OTHERS = Uint32Array.of(2);

export function ring(): MicroGroup {
  const sizes = [
    ['892-byte frames', 892],
    ['12 KB frames', 12_288],
  ] as const;
  return { name: 'ring', benchmarks: sizes.flatMap(([name, bytes]) => ringOf(name, bytes)) };
}

function ringOf(name: string, bytes: number): MicroBenchmark[] {
  const own = new RingRig(bytes, FRAMES);
  const few = new RingRig(bytes, 1);
  const reading = (title: string, rig: RingRig, wanted: number): MicroBenchmark<number> => ({
    name: title,
    unit: 'frame',
    units: FRAMES,
    prepare: () => equal(rig.write(), true),
    run: () => rig.read(),
    check: (read) => equal(read, wanted),
  });
  return [
    {
      name: `write ${name}, one a push`,
      unit: 'frame',
      units: FRAMES,
      prepare: () => own.read(),
      run: () => own.write(),
      check: (written) => {
        equal(written, true);
        deepEqual(own.readEntries(), own.entries);
      },
    },
    reading(`read ${name}`, new RingRig(bytes, FRAMES), FRAMES * bytes),
    // What a shard spends on a frame that it has no viewers for.
    reading(`step over ${name} of other shards`, few, bytes),
  ];
}

/** A ring and `FRAMES` pushes of a frame each, the last `mine` for its one reader. */
class RingRig {
  readonly entries: readonly RingEntry[];
  readonly #ring = new RingEnd(2);

  constructor(bytes: number, mine: number) {
    const encoder = new TextEncoder();
    const frames = takenBatches(1_000).map((drafts) => encodeAll(drafts).frame.slice(0, bytes));
    this.entries = Array.from({ length: FRAMES }, (_, i) => ({
      topic: encoder.encode(topicOf(MSGPACK_CODEC, `room-${i}`)),
      frame: frames[i % frames.length] as Uint8Array,
      flags: BINARY,
      readers: i < FRAMES - mine ? OTHERS : MINE,
    }));
  }

  /** Writes each frame as a push of its own, then publishes all; false when the ring was full. */
  write(): boolean {
    let written = true;
    for (const entry of this.entries) written = this.#ring.writer.write([entry]) && written;
    this.#ring.writer.publish((_reader, head) => {
      this.#ring.head = head;
    });
    return written;
  }

  /** Reads what was published; returns the bytes of its frames. */
  read(): number {
    let bytes = 0;
    this.#ring.reader.read(this.#ring.head, (topic, frame) => {
      do_not_optimize(topic);
      bytes += frame.length;
    });
    return bytes;
  }

  /** What a reader gets, as copies. */
  readEntries(): RingEntry[] {
    const entries: RingEntry[] = [];
    this.#ring.reader.read(this.#ring.head, (topic, frame, flags) => {
      entries.push({ topic: Uint8Array.from(topic), frame: Uint8Array.from(frame), flags, readers: MINE });
    });
    return entries;
  }
}
