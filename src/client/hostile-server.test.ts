import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hostility, meet } from './hostile-server.fixture.ts';

describe('a hostile server', () => {
  it('gets nothing thrown and nothing told that is of another type, and a good one after it is heard', async () => {
    await fc.assert(
      fc.asyncProperty(hostility, async (given) => {
        expect(await meet(given)).toBeUndefined();
      }),
      { numRuns: 200 },
    );
  });
});
