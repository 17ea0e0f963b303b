import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** The quick suite: a small case of everything, under three minutes on two cores. */
export default defineConfig({
  test: {
    root: fileURLToPath(new URL('..', import.meta.url)),
    include: ['{src,workers,bench,scripts}/**/*.test.ts'],
    exclude: ['**/*.long.test.ts'],
    // Far more than any takes: other programs may have the cores.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // Files share a process and the modules that it has loaded: half the suite's time went into loading them again.
    isolate: false,
    // Most tests wait for processes of their own, so more of them run at once than there are cores.
    maxWorkers: Math.ceil(availableParallelism() * 1.5),
  },
});
