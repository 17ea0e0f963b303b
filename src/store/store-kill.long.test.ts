/** SIGKILL at random moments under load: 40 times, or as often as VOLLEY_KILLS says. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { KillRounds } from './kill-rounds.fixture.ts';
import { temporaryDir } from './store-level.fixture.ts';

const KILLS = Number(process.env.VOLLEY_KILLS ?? 40) / 2;

/** Far more than a round takes, in ms. */
const ROUND_MS = 20_000;

describe.each(['relaxed', 'sync'])(
  `a server with --durability %s that is killed by SIGKILL ${KILLS} times`,
  (durability) => {
    it(
      'has every acknowledged comment after each, none twice, and never uses a seq again',
      async () => {
        const rounds = new KillRounds(join(await temporaryDir(), durability), ['--durability', durability]);
        for (let i = 0; i < KILLS; i += 1) await rounds.run();
        await rounds.finish();
        expect(rounds.faults).toEqual([]);
        expect(rounds.acked).toBeGreaterThan(20 * KILLS);
        process.stdout.write(`${KILLS} kills, ${durability}: ${rounds.acked} comments acknowledged, none lost\n`);
      },
      KILLS * ROUND_MS,
    );
  },
);
