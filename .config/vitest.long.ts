import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** The large counts: one file at a time, so that real servers do not starve each other of two cores. */
export default defineConfig({
  test: {
    root: fileURLToPath(new URL('..', import.meta.url)),
    include: ['{src,workers,bench,scripts}/**/*.long.test.ts'],
    testTimeout: 900_000,
    hookTimeout: 60_000,
    pool: 'forks',
    fileParallelism: false,
  },
});
