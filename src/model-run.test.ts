/** The model checker, small. */
import { expect, it } from 'vitest';
import { ModelRun } from './model-run.fixture.ts';
import { temporaryDir } from './store/store-level.fixture.ts';

it('gives every viewer what is stored, once and in order, whatever happens to viewers, shards and server', async () => {
  const seed = Number(process.env.VOLLEY_SEED ?? Date.now() % 1_000_000);
  const run = await ModelRun.run(await temporaryDir(), { seed, steps: 120, kills: 1 });
  expect(run.faults, `seed ${seed}`).toEqual([]);
  expect(run.counts.acked).toBeGreaterThan(50);
  expect(run.counts.kills).toBe(1);
}, 120_000);
