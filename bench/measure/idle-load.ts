import { SUBPROTOCOLS } from '../../src/frames/codec.ts';
import { Load } from '../load/load.ts';
import { type LoadPlan, READING } from '../load/plan.ts';

/** Opens viewers that only read; those that are not sampled count frames. */
export function openViewers(url: string, rooms: readonly string[], plan: Partial<LoadPlan>): Promise<Load> {
  return Load.start({
    ...READING,
    url,
    paths: rooms.map((room) => `/rooms/${room}`),
    subprotocol: SUBPROTOCOLS[1],
    protocol: 'volley',
    connections: 1,
    counted: true,
    sampleEvery: 1_000,
    ...plan,
  });
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
