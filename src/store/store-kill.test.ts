/** SIGKILL at random moments under load. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { KillRounds } from './kill-rounds.fixture.ts';
import { temporaryDir } from './store-level.fixture.ts';

describe('a server that is killed by SIGKILL twice', () => {
  it('has every acknowledged comment after each, none twice, and never uses a seq again', async () => {
    const rounds = new KillRounds(join(await temporaryDir(), 'relaxed'));
    for (let i = 0; i < 2; i += 1) await rounds.run();
    await rounds.finish();
    expect(rounds.faults).toEqual([]);
    expect(rounds.acked).toBeGreaterThan(40);
  }, 120_000);
});
