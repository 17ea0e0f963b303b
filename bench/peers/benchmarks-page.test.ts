import { cpus, release } from 'node:os';
import { describe, expect, it } from 'vitest';
import { writePage } from './benchmarks-page.ts';
import { CASES } from './peer-case.ts';
import type { RunResult } from './peers-run.ts';
import { readProvenance } from './provenance.ts';
import { turnOf } from './turn.fixture.ts';

const RUN: RunResult = {
  entries: [
    { name: 'volley', version: 'volley 0.1.0', describe: 'this project' },
    { name: 'ws', version: 'ws 8.23.0', describe: 'one | the other' },
  ],
  results: [
    {
      peerCase: CASES.small,
      viewers: 4_000,
      turns: new Map([
        ['volley', [turnOf({ cpu: 9 })]],
        ['ws', [turnOf({ cpu: 12, delivered: 0.5 })]],
      ]),
    },
  ],
  leftOut: ['go-article is left out: Go is not installed.'],
};
const ORDER = { turns: 1, seconds: 8, warmup: 3, warmUpMs: 4_000 };
const COMMAND = ['npm', 'run', 'bench:peers', '--', '--only', "it's", '--write'];

describe('the page', () => {
  const provenance = readProvenance(COMMAND, 'docs/benchmarks.md');
  const page = writePage(RUN, provenance, ORDER);

  it('says on what machine, with what Node.js and what commit, when, and by which command', () => {
    expect(page).toContain(`${cpus()[0]?.model}, ${cpus().length} cores`);
    expect(page).toContain(`Linux ${release()}`);
    expect(page).toContain(`| Node.js | ${process.version} |`);
    expect(page).toMatch(/\| commit \| ([0-9a-f]{40}(, dirty)?|unknown: no git checkout) \|/);
    expect(page).toContain(`| date | ${new Date().getUTCFullYear()}-`);
    expect(page).toContain(`\`npm run bench:peers -- --only 'it'\\''s' --write\``);
  });

  it('names every contender with its version, and who is left out', () => {
    expect(page).toContain('| volley | volley 0.1.0 | this project |');
    expect(page).toContain('| ws | ws 8.23.0 | one \\| the other |');
    expect(page).toContain('\n\ngo-article is left out: Go is not installed.\n\n');
  });

  it('has a table for each case, and what is odd under it', () => {
    expect(page).toContain('## Small pushes: 20 comments, 10 times a second\n\n4,000 viewers');
    expect(page).toContain('| ws | 1,000 | 40,000 | 50 % | 12.00 (12.00 to 12.00) | 0.75 (0.75 to 0.75) | 0.30 |');
    expect(page).toContain('\n\nws delivered only 50 % of what was to be pushed.\n');
    expect(page).not.toContain('## Large');
  });
});
