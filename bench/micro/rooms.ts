import { deepEqual, equal } from 'node:assert/strict';
import type { BatchMessage } from '../../src/frames/batch-message.ts';
import { type Codec, JSON_CODEC, MSGPACK_CODEC } from '../../src/frames/codec.ts';
import { decodeMsgpackFrame } from '../../src/frames/codec-msgpack.ts';
import type { MicroBenchmark, MicroGroup } from './micro-benchmark.ts';
import { RingEnd, RoomsRig } from './rooms-rig.ts';
import { COMMENTS } from './sample.ts';

const MANY = 1_000;

/** From the slot in which rooms are due until their pushes are committed, on the memory store. */
export async function rooms(): Promise<MicroGroup> {
  return {
    name: 'rooms',
    benchmarks: [
      await fire('1 room fires with 1 comment', 1, 1),
      await fire('1 room fires with 1,000 comments', 1, 1_000),
      await fire('1,000 rooms fire in one slot, 1 comment each', MANY, 1),
      await firePushing('the same, pushed into the ring as JSON', JSON_CODEC),
      await firePushing('the same, pushed into the ring as msgpack', MSGPACK_CODEC),
    ],
  };
}

async function fire(name: string, count: number, comments: number): Promise<MicroBenchmark<void>> {
  const rig = await RoomsRig.create({ rooms: count });
  let stored = 0;
  return {
    name,
    unit: 'room',
    units: count,
    prepare: () => {
      stored = rig.origin.storedCount;
      equal(rig.offer(comments), count * comments);
    },
    run: () => rig.fire(),
    check: () => {
      equal(rig.origin.storedCount - stored, count * comments);
      rig.checkFired();
    },
  };
}

/** With the real pusher behind the rooms, each of which has one viewer on `codec`. */
async function firePushing(name: string, codec: Codec): Promise<MicroBenchmark<void>> {
  const end = new RingEnd();
  const rig = await RoomsRig.create({ rooms: MANY, codec, end });
  return {
    name,
    unit: 'room',
    units: MANY,
    prepare: () => {
      end.skip();
      equal(rig.offer(1), MANY);
    },
    run: () => rig.fire(),
    check: () => {
      rig.checkFired();
      const texts = new Set(COMMENTS.map(({ text }) => text));
      const messages = end.read().map((frame) => decodeFrame(codec, frame));
      equal(messages.length, MANY);
      for (const { seq, prev, viewers, comments } of messages) {
        deepEqual([prev, viewers, comments.length], [seq - 1, 1, 1]);
        equal(texts.has(comments[0]?.text ?? ''), true);
      }
    },
  };
}

function decodeFrame(codec: Codec, frame: Uint8Array): BatchMessage {
  if (codec === MSGPACK_CODEC) return decodeMsgpackFrame(frame);
  return JSON.parse(Buffer.from(frame).toString()) as BatchMessage;
}
