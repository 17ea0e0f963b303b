/** What main spends on rooms: firing, taking comments in, and viewers that come and go. */
import { deepEqual, equal } from 'node:assert/strict';
import { MODES } from '../../src/comment.ts';
import { checkComment } from '../../src/comment-check.ts';
import { type Codec, JSON_CODEC, MSGPACK_CODEC } from '../../src/frames/codec.ts';
import { QuietRooms } from '../../src/rooms/quiet-rooms.ts';
import { Room } from '../../src/rooms/room.ts';
import { decodeFrame } from '../load/viewers.ts';
import type { MicroBenchmark, MicroGroup } from './benchmark.ts';
import {
  Carousel,
  COMMENTS,
  HandClock,
  HEARTBEAT,
  INTERVAL,
  MAX_TEXT,
  makeRing,
  makeRooms,
  type RingEnd,
  type RoomsRig,
  socketMessage,
} from './rig.ts';

const MANY = 1_000;

export async function rooms(): Promise<MicroGroup> {
  const benchmarks = [
    await fire('1 room fires with 1 comment', 1, 1),
    await fire('1 room fires with 1,000 comments', 1, 1_000),
    await fire('1,000 rooms fire in one slot, 1 comment each', MANY, 1),
    await fire('the same, pushed into the ring as JSON', MANY, 1, JSON_CODEC, makeRing()),
    await fire('the same, pushed into the ring as msgpack', MANY, 1, MSGPACK_CODEC, makeRing()),
  ];
  return { name: 'rooms', benchmarks };
}

/** @param end the ring that pushes go to; without it they are committed at once */
async function fire(
  name: string,
  units: number,
  comments: number,
  codec: Codec = JSON_CODEC,
  end?: RingEnd,
): Promise<MicroBenchmark<void>> {
  const rig = await makeRooms(units, codec, end);
  const texts = new Set(COMMENTS.map(({ text }) => text));
  return {
    ...{ name, unit: 'room', units, run: rig.fire },
    prepare: () => {
      end?.skip();
      rig.told.stored = 0;
      equal(rig.offer(comments), units * comments);
    },
    check: () => {
      equal(rig.told.stored, units * comments);
      rig.checkFired();
      const messages = end?.read().map((frame) => decodeFrame(codec, Buffer.from(frame))) ?? [];
      equal(messages.length, end === undefined ? 0 : units);
      for (const { seq, prev, viewers, comments: pushed } of messages) {
        deepEqual([prev, viewers, pushed.length, texts.has(pushed[0]?.text ?? '')], [seq - 1, 1, 1, true]);
      }
    },
  };
}

export async function admission(): Promise<MicroGroup> {
  // Comments as a shard has them out of a message.
  const messages = new Carousel(
    COMMENTS.map((comment, i) => JSON.parse(socketMessage(comment, `r${i}`)) as Record<string, unknown>),
  );
  const run = () => checkComment(messages.next(), MAX_TEXT, 'name');
  const check: MicroBenchmark<ReturnType<typeof checkComment>> = {
    ...{ name: 'checkComment', unit: 'comment', units: 1, run },
    check: (draft) => {
      deepEqual(draft, draftOf(messages.last));
      for (const message of messages.all) deepEqual(checkComment(message, MAX_TEXT, 'name'), draftOf(message));
      equal(checkComment({ ...messages.last, text: ' ' }, MAX_TEXT, 'name'), 'TEXT_INVALID');
    },
  };
  const [one, own, each] = [await makeRooms(1), await makeRooms(MANY), await makeRooms(MANY)];
  const checkAndOffer = (): number => {
    let accepted = 0;
    for (const [i, name] of each.names.entries()) {
      const draft = run();
      if (typeof draft !== 'string' && each.rooms.offer(name, draft, each.origin, i) === undefined) accepted += 1;
    }
    return accepted;
  };
  const benchmarks = [
    check,
    offer('Rooms.offer, 1,000 comments to 1 room', one, () => one.offer(MANY)),
    offer('Rooms.offer, 1,000 comments to a room each', own, () => own.offer(1)),
    offer('checkComment and Rooms.offer, 1,000 comments to a room each', each, checkAndOffer),
  ];
  return { name: 'admission', benchmarks };
}

/** What a message must come to, made without the code that is timed. */
function draftOf({ text, mode, color, size }: Record<string, unknown>): Record<string, unknown> {
  return { text, mode: (MODES as readonly unknown[]).indexOf(mode), color, size, user: '', name: '', extra: '' };
}

function offer(name: string, rig: RoomsRig, run: () => number): MicroBenchmark<number> {
  return {
    ...{ name, unit: 'comment', units: MANY, run },
    // Empties the rooms that the call before has filled.
    prepare: async () => {
      if (rig.rooms.pending > 0) await rig.fire();
      rig.checkFired();
    },
    check: (accepted) => deepEqual([accepted, rig.rooms.pending], [MANY, MANY]),
  };
}

const QUIET = 10_000;

export async function presence(): Promise<MicroGroup> {
  const watched = await makeRooms(MANY);
  const comeAndGo: MicroBenchmark<number> = {
    ...{ name: 'a viewer joins and leaves each of 1,000 rooms that are watched', unit: 'viewer', units: MANY },
    run: () => {
      let most = 0;
      for (const name of watched.names) most += watched.rooms.join(name, 0, JSON_CODEC, 1).viewers;
      for (const name of watched.names) watched.rooms.leave(name, 0, JSON_CODEC, 1);
      return most;
    },
    check: (most) => {
      equal(most, 2 * MANY);
      for (const room of watched.rooms.all()) equal(room.viewers, 1);
    },
  };
  const empty = await makeRooms(0);
  const openAndForget: MicroBenchmark<number> = {
    ...{ name: '1,000 rooms get their first viewer, lose it, and are forgotten', unit: 'room', units: MANY },
    run: async () => {
      for (const name of watched.names) empty.rooms.join(name, 0, JSON_CODEC, 1);
      const open = empty.rooms.size;
      // A room is open once the store has answered, a few microtasks later.
      await new Promise(setImmediate);
      for (const name of watched.names) empty.rooms.leave(name, 0, JSON_CODEC, 1);
      empty.clock.advance(INTERVAL);
      return open;
    },
    check: (open) => deepEqual([open, empty.rooms.size], [MANY, 0]),
  };
  const look = 'a look at 10,000 rooms of which none is quiet for long';
  const benchmarks = [
    comeAndGo,
    openAndForget,
    tellQuiet(look, 'look', 1, Number.MAX_SAFE_INTEGER, 1_000, 0),
    tellQuiet('a heartbeat of 10,000 quiet rooms', 'room', QUIET, HEARTBEAT, HEARTBEAT, QUIET),
    await pushPresences(),
  ];
  return { name: 'presence', benchmarks };
}

/** 10,000 rooms with a viewer each; the clock goes on by `step` ms, and `wanted` rooms are told of. */
function tellQuiet(name: string, unit: string, units: number, heartbeat: number, step: number, wanted: number) {
  const clock = new HandClock();
  let told = 0;
  const quiet = new QuietRooms(clock, heartbeat, () => {
    told += 1;
  });
  for (let i = 0; i < QUIET; i += 1) {
    const room = new Room(`room-${i}`, 1);
    room.addViewers(0, JSON_CODEC, 1);
    quiet.add(room);
  }
  const run = (): number => {
    const before = told;
    clock.advance(step);
    return told - before;
  };
  const benchmark: MicroBenchmark<number> = {
    ...{ name, unit, units, run, prepare: () => undefined },
    check: (count) => equal(count, wanted),
  };
  return benchmark;
}

async function pushPresences(): Promise<MicroBenchmark<void>> {
  const end = makeRing();
  const { clock } = await makeRooms(QUIET, JSON_CODEC, end);
  return {
    ...{ name: 'the same through Rooms, pushed into the ring', unit: 'room', units: QUIET, prepare: end.skip },
    run: async () => {
      clock.advance(HEARTBEAT);
      // The pusher gathers a turn's presences and writes them in a microtask before this one.
      await undefined;
    },
    check: () => {
      const types = end.read().map((frame) => (JSON.parse(Buffer.from(frame).toString()) as { type: string }).type);
      deepEqual(types, new Array(QUIET).fill('presence'));
    },
  };
}
