import { deepEqual } from 'node:assert/strict';
import { inflateRawSync } from 'node:zlib';
import { MODES } from '../../src/comment.ts';
import { decodeBatch, encodeBatch, type NumberedBatch, type TimedDraft } from '../../src/frames/batch.ts';
import type { BatchMessage } from '../../src/frames/batch-message.ts';
import { encodeJsonFrame } from '../../src/frames/codec-json.ts';
import { decodeMsgpackFrame, encodeMsgpackFrame } from '../../src/frames/codec-msgpack.ts';
import { deflateFrameNow } from '../../src/frames/deflate.ts';
import type { MicroBenchmark, MicroGroup } from './micro-benchmark.ts';
import { Carousel, takenBatches } from './sample.ts';

const SIZES = [1, 20, 1_000];

const SEQ = 41_007;
const VIEWERS = 4_000;

/** A batch in every form that it takes on its way. */
interface Encoded {
  readonly drafts: readonly TimedDraft[];
  readonly batches: readonly [NumberedBatch];
  readonly frame: Uint8Array;
}

/** From comments to stored bytes, to each codec's frame, and back. */
export function codecs(): MicroGroup {
  return { name: 'codecs', benchmarks: SIZES.flatMap(codecsOf) };
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
      // Most comments have the defaults, so one tells little.
      for (const each of encoded.all) check(run(each), each);
    },
  });
  return [
    benchmark(
      'encodeBatch',
      ({ drafts }) => encodeBatch(drafts),
      ({ bytes, count }, { drafts }) => {
        deepEqual(count, units);
        deepEqual(decodeBatch({ seq: SEQ, prev: SEQ - 1, bytes }).comments, messageOf(drafts).comments);
      },
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

function encodeAll(drafts: readonly TimedDraft[]): Encoded {
  const batches = [{ seq: SEQ, prev: SEQ - 1, bytes: encodeBatch(drafts).bytes }] as const;
  return { drafts, batches, frame: encodeMsgpackFrame(batches, VIEWERS) };
}

/** The message that viewers must get of `drafts`, made without any of the code that is timed. */
function messageOf(drafts: readonly TimedDraft[]): BatchMessage {
  const at = drafts[0]?.at ?? Number.NaN;
  const comments = drafts.map(({ user, name, text, mode, color, size, at: own }, i) => ({
    id: `${SEQ}.${i}`,
    user,
    name,
    text,
    mode: MODES[mode] ?? 'scroll',
    color,
    size,
    at: own - at,
  }));
  return { type: 'batch', seq: SEQ, prev: SEQ - 1, at, viewers: VIEWERS, comments };
}
