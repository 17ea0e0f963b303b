import { createShardCounters, ShardCounters } from '../counters.ts';
import { createRing, RingWriter } from '../frames/frame-ring.ts';
import { createRooms, type RigOptions, type RoomsRig } from '../testing/rooms.ts';
import { FakeStore } from '../testing/store-fake.ts';
import type { History, Tick } from './sample.ts';
import { Sampler } from './sampler.ts';

/** A sampler over rooms, counters of two shards and a ring, on a clock that stands still. */
export interface SamplerRig extends RoomsRig<FakeStore> {
  readonly sampler: Sampler;
  readonly shards: readonly [ShardCounters, ShardCounters];
  readonly ring: RingWriter;
  /** Main's CPU seconds and its event-loop delay in seconds, as a test sets them. */
  readonly main: { cpu: number; mean: number; max: number };
  /** Errors of samples that could not be made. */
  readonly faults: readonly unknown[];
  history(since?: number): History;
  /** Moves the clock by a second and gives the tick of it. */
  second(): Promise<Tick>;
}

export async function createSampler(options: RigOptions = {}): Promise<SamplerRig> {
  const rig = await createRooms(new FakeStore(), options);
  const memory = createShardCounters(2);
  const shards = [new ShardCounters(memory, 0), new ShardCounters(memory, 1)] as const;
  const ring = new RingWriter(createRing(4_096, 2));
  const main = { cpu: 0, mean: 0, max: 0 };
  const delay = { take: () => ({ mean: main.mean, max: main.max }), stop: () => undefined };
  const faults: unknown[] = [];
  const onFault = (error: unknown): void => void faults.push(error);
  const sampler = new Sampler({ ...rig, ring, shards, cpuSeconds: () => main.cpu, delay, onFault });
  const history = (since?: number): History => JSON.parse(Buffer.concat(sampler.history(since)).toString()) as History;
  return {
    ...rig,
    sampler,
    shards,
    ring,
    main,
    faults,
    history,
    async second() {
      await rig.clock.advance(1_000);
      const { tick } = history();
      if (tick === null) throw new Error('no second has passed');
      return tick;
    },
  };
}
