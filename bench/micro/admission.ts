import { deepEqual, equal } from 'node:assert/strict';
import { MODES } from '../../src/comment.ts';
import { checkComment } from '../../src/intake/comment-check.ts';
import type { MicroBenchmark, MicroGroup } from './micro-benchmark.ts';
import { RoomsRig } from './rooms-rig.ts';
import { Carousel, COMMENTS, socketMessage } from './sample.ts';

const MANY = 1_000;
const MAX_TEXT = 200;

/** What one comment costs until it is pending in its room. */
export async function admission(): Promise<MicroGroup> {
  return {
    name: 'admission',
    benchmarks: [
      check(),
      await offer('Rooms.offer, 1,000 comments to 1 room', 1, MANY),
      await offer('Rooms.offer, 1,000 comments to a room each', MANY, 1),
      await checkAndOffer(),
    ],
  };
}

/** Comments as a shard has them out of a message. */
function parsedMessages(): Carousel<Record<string, unknown>> {
  return new Carousel(
    COMMENTS.map((comment, i) => JSON.parse(socketMessage(comment, `r${i}`)) as Record<string, unknown>),
  );
}

function check(): MicroBenchmark<ReturnType<typeof checkComment>> {
  const messages = parsedMessages();
  return {
    name: 'checkComment',
    unit: 'comment',
    units: 1,
    run: () => checkComment(messages.next(), MAX_TEXT, 'name'),
    check: (draft) => {
      deepEqual(draft, draftOf(messages.last));
      for (const message of messages.all) deepEqual(checkComment(message, MAX_TEXT, 'name'), draftOf(message));
      equal(checkComment({ ...messages.last, text: ' ' }, MAX_TEXT, 'name'), 'TEXT_INVALID');
    },
  };
}

/** What a message must come to, made without the code that is timed. */
function draftOf({ text, mode, color, size }: Record<string, unknown>): Record<string, unknown> {
  const place = (MODES as readonly unknown[]).indexOf(mode);
  equal(place >= 0, true);
  return { text, mode: place, color, size, user: '', name: '', extra: '' };
}

async function offer(name: string, rooms: number, each: number): Promise<MicroBenchmark<number>> {
  const rig = await RoomsRig.create({ rooms });
  return {
    name,
    unit: 'comment',
    units: rooms * each,
    prepare: () => fireIfPending(rig),
    run: () => rig.offer(each),
    check: (accepted) => {
      equal(accepted, rooms * each);
      equal(rig.rooms.pending, rooms * each);
    },
  };
}

async function checkAndOffer(): Promise<MicroBenchmark<number>> {
  const rig = await RoomsRig.create({ rooms: MANY });
  const messages = parsedMessages();
  return {
    name: 'checkComment and Rooms.offer, 1,000 comments to a room each',
    unit: 'comment',
    units: MANY,
    prepare: () => fireIfPending(rig),
    run: () => {
      let accepted = 0;
      for (const [i, name] of rig.names.entries()) {
        const draft = checkComment(messages.next(), MAX_TEXT, 'name');
        if (typeof draft !== 'string' && rig.rooms.offer(name, draft, rig.origin, i) === undefined) accepted += 1;
      }
      return accepted;
    },
    check: (accepted) => {
      equal(accepted, MANY);
      equal(rig.rooms.pending, MANY);
    },
  };
}

/** Empties the rooms that the call before has filled. */
async function fireIfPending(rig: RoomsRig): Promise<void> {
  if (rig.rooms.pending === 0) return;
  await rig.fire();
  rig.checkFired();
}
