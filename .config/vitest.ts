import { defineConfig } from 'vitest/config';

/** The quick suite: a small case of everything, under three minutes on two cores. */
export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['{src,workers,bench,scripts}/**/*.test.ts'],
    exclude: ['**/*.long.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: 'forks',
  },
});
