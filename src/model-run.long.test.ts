/** The model checker: random runs, each from a seed; VOLLEY_SEED plays one again. */
import { expect, it } from 'vitest';
import { ModelCounts, ModelRun } from './model-run.fixture.ts';
import { temporaryDir } from './store/store-level.fixture.ts';

const RUNS = Number(process.env.VOLLEY_MODEL_RUNS ?? 2);

it('gives every viewer what is stored, once and in order, whatever happens to viewers, shards and server', async () => {
  const sums = new ModelCounts();
  for (let i = 0; i < RUNS; i += 1) {
    const seed = Number(process.env.VOLLEY_SEED ?? (Date.now() + i) % 1_000_000);
    const run = await ModelRun.run(await temporaryDir(), { seed, steps: 3_000, kills: 2 });
    process.stdout.write(`seed ${seed}: ${JSON.stringify(run.counts)}\n`);
    expect(run.faults, `seed ${seed}`).toEqual([]);
    for (const name of Object.keys(sums) as (keyof ModelCounts)[]) sums[name] += run.counts[name];
  }
  // What never happened was not tested; a viewer closed for reading too slowly is rare here, and has tests of its own.
  const { slowCloses, ...wanted } = sums;
  for (const [name, count] of Object.entries(wanted)) expect(count, name).toBeGreaterThan(0);
});
