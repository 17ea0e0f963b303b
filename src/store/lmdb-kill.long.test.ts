/** SIGKILL at random moments under load, fifty times. */
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

describe.each(['relaxed', 'sync'])('a server with --durability %s that is killed by SIGKILL 25 times', (durability) => {
  it('has every acknowledged comment after each, none twice, and never uses a seq again', async () => {
    const rounds = new KillRounds(join(dir, durability), ['--durability', durability]);
    for (let i = 0; i < 25; i += 1) await rounds.run();
    await rounds.finish();
    expect(rounds.faults).toEqual([]);
    expect(rounds.acked).toBeGreaterThan(500);
  });
});
