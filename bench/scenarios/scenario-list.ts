import { churn } from './churn.ts';
import { hotRoom } from './hot-room.ts';
import { ingest } from './ingest.ts';
import { joinStorm } from './join-storm.ts';
import { manyRooms } from './many-rooms.ts';
import type { Scenario } from './scenario.ts';
import { slowReaders } from './slow-readers.ts';
import { workers } from './workers.ts';

/** Every scenario; the first is the default. */
export const SCENARIOS: readonly [Scenario, ...Scenario[]] = [
  hotRoom,
  manyRooms,
  joinStorm,
  ingest,
  slowReaders,
  workers,
  churn,
];

export function findScenario(name: string): Scenario {
  return SCENARIOS.find((scenario) => scenario.name === name) ?? SCENARIOS[0];
}
