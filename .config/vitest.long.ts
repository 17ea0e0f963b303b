import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/**
 * The large counts, and properties of the quick suite four times as often: one file at a time, so that real servers do
 * not starve each other of two cores.
 */
export default defineConfig({
  test: {
    root: fileURLToPath(new URL('..', import.meta.url)),
    include: [
      '{src,workers,bench,scripts}/**/*.long.test.ts',
      'src/client/{playout,resume-state}.test.ts',
      'src/exports/{history,xml-export,ass-export,ass-lanes}.test.ts',
      'src/frames/frame-ring.test.ts',
      'src/rooms/rooms.test.ts',
      'src/shards/join-desk.test.ts',
      'src/store/store-{level,memory}.test.ts',
    ],
    env: { PROPERTY_RUNS: '4' },
    testTimeout: 900_000,
    hookTimeout: 60_000,
    pool: 'forks',
    fileParallelism: false,
  },
});
