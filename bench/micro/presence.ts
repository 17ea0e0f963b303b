import { equal } from 'node:assert/strict';
import { JSON_CODEC } from '../../src/frames/codec.ts';
import { QuietRooms } from '../../src/rooms/quiet-rooms.ts';
import { Room } from '../../src/rooms/room.ts';
import { HandClock } from './hand-clock.ts';
import type { MicroBenchmark, MicroGroup } from './micro-benchmark.ts';
import { HEARTBEAT, INTERVAL, RingEnd, RoomsRig } from './rooms-rig.ts';

const MANY = 1_000;
const QUIET = 10_000;
const LOOK_MS = 1_000;

/** Who is there: viewers that come and go, and rooms in which nothing is said. */
export async function presence(): Promise<MicroGroup> {
  return {
    name: 'presence',
    benchmarks: [await comeAndGo(), await openAndForget(), lookAtQuiet(), tellQuiet(), await pushPresences()],
  };
}

async function comeAndGo(): Promise<MicroBenchmark<number>> {
  const { rooms, names } = await RoomsRig.create({ rooms: MANY });
  return {
    name: 'a viewer joins and leaves each of 1,000 rooms that are watched',
    unit: 'viewer',
    units: MANY,
    run: () => {
      let most = 0;
      for (const name of names) most += rooms.join(name, 0, JSON_CODEC, 1).viewers;
      for (const name of names) rooms.leave(name, 0, JSON_CODEC, 1);
      return most;
    },
    check: (most) => {
      equal(most, 2 * MANY);
      for (const room of rooms.all()) equal(room.viewers, 1);
    },
  };
}

async function openAndForget(): Promise<MicroBenchmark<number>> {
  const { rooms, clock } = await RoomsRig.create({ rooms: 0 });
  const names = Array.from({ length: MANY }, (_, i) => `room-${i}`);
  return {
    name: '1,000 rooms get their first viewer, lose it, and are forgotten',
    unit: 'room',
    units: MANY,
    run: () => {
      for (const name of names) rooms.join(name, 0, JSON_CODEC, 1);
      const open = rooms.size;
      for (const name of names) rooms.leave(name, 0, JSON_CODEC, 1);
      clock.advance(INTERVAL);
      return open;
    },
    check: (open) => {
      equal(open, MANY);
      equal(rooms.size, 0);
    },
  };
}

/** 10,000 rooms with a viewer each, and how often they were told of. */
function createQuiet(heartbeat: number): { clock: HandClock; told: () => number } {
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
  return { clock, told: () => told };
}

function lookAtQuiet(): MicroBenchmark<number> {
  const { clock, told } = createQuiet(Number.MAX_SAFE_INTEGER);
  return {
    name: 'a look at 10,000 rooms of which none is quiet for long',
    unit: 'look',
    units: 1,
    run: () => {
      clock.advance(LOOK_MS);
      return told();
    },
    check: (count) => equal(count, 0),
  };
}

function tellQuiet(): MicroBenchmark<number> {
  const { clock, told } = createQuiet(HEARTBEAT);
  let before = 0;
  return {
    name: 'a heartbeat of 10,000 quiet rooms',
    unit: 'room',
    units: QUIET,
    prepare: () => {
      before = told();
    },
    run: () => {
      clock.advance(HEARTBEAT);
      return told();
    },
    check: (count) => equal(count - before, QUIET),
  };
}

async function pushPresences(): Promise<MicroBenchmark<void>> {
  const end = new RingEnd();
  const { clock } = await RoomsRig.create({ rooms: QUIET, end });
  return {
    name: 'the same through Rooms, pushed into the ring',
    unit: 'room',
    units: QUIET,
    prepare: () => end.skip(),
    run: async () => {
      clock.advance(HEARTBEAT);
      // The pusher gathers a turn's presences and writes them in a microtask, which stands before this one.
      await undefined;
    },
    check: () => {
      const messages = end.read().map((frame) => JSON.parse(Buffer.from(frame).toString()) as { type: string });
      equal(messages.length, QUIET);
      for (const { type } of messages) equal(type, 'presence');
    },
  };
}
