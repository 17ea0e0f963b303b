/** From comments to stored bytes, to each codec's frame and back; and what main and each shard spend on the ring. */
import { deepEqual, equal } from 'node:assert/strict';
import { inflateRawSync } from 'node:zlib';
import { do_not_optimize } from 'mitata';
import { MODES } from '../../src/comment.ts';
import { decodeBatch, encodeBatch, type TimedDraft } from '../../src/frames/batch.ts';
import { MSGPACK_CODEC, topicOf } from '../../src/frames/codec.ts';
import { decodeMsgpackFrame, deflateFrameNow, encodeJsonFrame, encodeMsgpackFrame } from '../../src/frames/codecs.ts';
import { BINARY, type RingEntry } from '../../src/frames/frame-ring.ts';
import type { BatchMessage } from '../../src/frames/messages.ts';
import type { MicroBenchmark, MicroGroup } from './benchmark.ts';
import { Carousel, makeRing, takenBatches } from './rig.ts';

const [SEQ, PREV, VIEWERS] = [41_007, 41_006, 4_000];

type Encoded = ReturnType<typeof encodeAll>;

/** A batch in every form that it takes on its way. */
function encodeAll(drafts: readonly TimedDraft[]) {
  const batch = { seq: SEQ, prev: PREV, bytes: encodeBatch(drafts).bytes };
  return { drafts, batch, frame: encodeMsgpackFrame([batch], VIEWERS) };
}

export function codecs(): MicroGroup {
  return { name: 'codecs', benchmarks: [1, 20, 1_000].flatMap(codecsOf) };
}

function codecsOf(units: number): MicroBenchmark[] {
  const encoded = new Carousel(takenBatches(units).map(encodeAll));
  const size = `${units.toLocaleString('en')} comment${units === 1 ? '' : 's'}`;
  /** @param read makes of a result what viewers must get, as a message or its comments */
  const benchmark = <Result>(
    name: string,
    run: (encoded: Encoded) => Result,
    read: (result: Result) => BatchMessage | BatchMessage['comments'],
  ): MicroBenchmark<Result> => ({
    name: `${name}, ${size}`,
    unit: 'comment',
    units,
    run: () => run(encoded.next()),
    // Most comments have the defaults, so one batch says little.
    check: (result) => {
      const results = [
        [result as Result, encoded.last] as const,
        ...encoded.all.map((one) => [run(one), one] as const),
      ];
      for (const [each, { drafts }] of results) {
        const found = read(each);
        const wanted = messageOf(drafts);
        deepEqual(found, Array.isArray(found) ? wanted.comments : wanted);
      }
    },
  });
  const decode = (frame: Uint8Array) => decodeMsgpackFrame(frame);
  return [
    benchmark(
      'encodeBatch',
      ({ drafts }) => encodeBatch(drafts),
      ({ bytes }) => decodeBatch({ seq: SEQ, prev: PREV, bytes }).comments,
    ),
    benchmark('msgpack frame', ({ batch }) => encodeMsgpackFrame([batch], VIEWERS), decode),
    benchmark(
      'JSON frame',
      ({ batch }) => encodeJsonFrame([batch], VIEWERS),
      (frame) => JSON.parse(Buffer.from(frame).toString()) as BatchMessage,
    ),
    benchmark(
      'deflate of the msgpack frame',
      ({ frame }) => deflateFrameNow(frame),
      (deflated) => decode(inflateRawSync(deflated)),
    ),
    benchmark(
      'decodeBatch',
      ({ batch }) => decodeBatch(batch),
      ({ comments }) => comments,
    ),
    benchmark(
      'decode a msgpack frame',
      ({ frame }) => decode(frame),
      (message) => message,
    ),
  ];
}

/** The message that viewers must get of `drafts`, made without any of the code that is timed. */
function messageOf(drafts: readonly TimedDraft[]): BatchMessage {
  const at = drafts[0]?.at ?? Number.NaN;
  const comments = drafts.map(({ user, name, text, mode, color, size, at: own }, i) => {
    return { id: `${SEQ}.${i}`, user, name, text, mode: MODES[mode] ?? 'scroll', color, size, at: own - at };
  });
  return { type: 'batch', seq: SEQ, prev: PREV, at, viewers: VIEWERS, comments };
}

const FRAMES = 100;
/** The mask of the one reader, and of another that is not there. */
const [MINE, OTHERS] = [Uint32Array.of(1), Uint32Array.of(2)];

export function ring(): MicroGroup {
  return { name: 'ring', benchmarks: [...ringOf('892-byte frames', 892), ...ringOf('12 KB frames', 12_288)] };
}

function ringOf(name: string, bytes: number): MicroBenchmark[] {
  const [unit, units] = ['frame', FRAMES];
  const own = makeRingRig(bytes, FRAMES);
  const reading = (title: string, mine: number): MicroBenchmark<number> => {
    const rig = makeRingRig(bytes, mine);
    return {
      ...{ name: title, unit, units, prepare: () => equal(rig.write(), true), run: rig.read },
      check: (read) => equal(read, mine * bytes),
    };
  };
  return [
    {
      ...{ name: `write ${name}, one a push`, unit, units, prepare: own.read, run: own.write },
      check: (written) => {
        equal(written, true);
        deepEqual(own.end.read(), own.frames);
      },
    },
    reading(`read ${name}`, FRAMES),
    // What a shard spends on a frame that it has no viewers for.
    reading(`step over ${name} of other shards`, 1),
  ];
}

/** A ring and `FRAMES` pushes of a frame each, the last `mine` for its one reader. */
function makeRingRig(bytes: number, mine: number) {
  const end = makeRing(2);
  const made = takenBatches(1_000).map((drafts) => encodeAll(drafts).frame.slice(0, bytes));
  const frames = Array.from({ length: FRAMES }, (_, i) => made[i % made.length] as Uint8Array);
  const entries = frames.map((frame, i): RingEntry => {
    const topic = new TextEncoder().encode(topicOf(MSGPACK_CODEC, `room-${i}`));
    return { topic, frame, flags: BINARY, readers: i < FRAMES - mine ? OTHERS : MINE };
  });
  return {
    ...{ end, frames },
    write(): boolean {
      let written = true;
      for (const entry of entries) written = end.writer.write([entry]) && written;
      end.writer.publish((_reader, head) => {
        end.head = head;
      });
      return written;
    },
    read(): number {
      let read = 0;
      end.reader.read(end.head, (topic, frame) => {
        do_not_optimize(topic);
        read += frame.length;
      });
      return read;
    },
  };
}
