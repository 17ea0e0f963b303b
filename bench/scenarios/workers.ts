import { availableParallelism } from 'node:os';
import { plain, type Scenario } from './scenario.ts';

/** The hot room once for each number of server workers from 1 to what the machine has beside the main thread. */
export const workers: Scenario = {
  ...plain,
  name: 'workers',
  summary: 'hot-room with 1, 2, … server workers up to the cores less one, compared',
  preset: () => {
    const most = Math.max(2, availableParallelism() - 1);
    return { serverWorkers: Array.from({ length: most }, (_, i) => i + 1) };
  },
  check: ({ url }) => (url === null ? undefined : 'it starts servers of its own, so it cannot have --url'),
};
