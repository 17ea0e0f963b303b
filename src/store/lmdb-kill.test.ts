/** SIGKILL at random moments under load. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KillRounds } from './kill-rounds.fixture.ts';

let dir: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'volley-kill-'));
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe('a server that is killed by SIGKILL five times', () => {
  it('has every acknowledged comment after each, none twice, and never uses a seq again', async () => {
    const rounds = new KillRounds(join(dir, 'relaxed'));
    for (let i = 0; i < 5; i += 1) await rounds.run();
    await rounds.finish();
    expect(rounds.faults).toEqual([]);
    expect(rounds.acked).toBeGreaterThan(100);
  });
});
