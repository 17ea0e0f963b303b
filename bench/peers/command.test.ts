import { describe, expect, it } from 'vitest';
import { CASES, countPushes } from './cases.ts';
import { countViewers, describeRun, readPeersOptions } from './command.ts';
import { type CaseResult, compareTurns, describeCase, findRemarks } from './comparison.ts';
import type { TurnFigures } from './duel.ts';

/** Figures of a turn in which nothing was odd, but for what is given. */
function turnOf(figures: Partial<TurnFigures>): TurnFigures {
  return {
    frames: 80_000,
    bytesPerFrame: 1_000,
    framesPerSecond: 40_000,
    delivered: 1,
    cpu: 8,
    spread: null,
    loadCpu: 0.3,
    lost: 0,
    ...figures,
  };
}

const NAMES = ['floor', 'ws'];

function read(...argv: string[]) {
  return readPeersOptions(argv, NAMES);
}

describe('the options', () => {
  it('are twelve windows against everybody in every case where nothing is given', () => {
    expect(read()).toEqual({
      turns: 12,
      viewers: 4_000,
      seconds: 2,
      warmup: 3,
      compile: 4,
      cases: ['small', 'large', 'spread'],
      only: [],
      write: false,
      json: false,
      progress: true,
    });
  });

  it('take cases and contenders more than once', () => {
    const given = read('--case', 'spread', '--case', 'small', '--only', 'ws', '--only', 'floor', '-j');
    expect(given).toMatchObject({ cases: ['small', 'spread'], only: ['ws', 'floor'], json: true });
  });

  it('write the page when the run is whole', () => {
    expect(read('--write')).toMatchObject({ write: true });
    expect(read('--write', '--turns', '4')).toMatchObject({ write: true, turns: 4 });
  });

  it.each([
    [['--write', '--turns', '2']],
    [['--write', '--only', 'floor', '--only', 'ws']],
    [['--write', '--case', 'small']],
  ])('do not let %j overwrite the page', (argv) => {
    expect(read(...argv)).toEqual({ fault: 'error: --write wants 3 turns or more, and neither --case nor --only\n' });
  });

  it('take numbers', () => {
    const given = read('--turns', '5', '--viewers', '200', '--seconds', '2', '--warmup', '0', '--compile', '0');
    expect(given).toMatchObject({ turns: 5, viewers: 200, seconds: 2, warmup: 0, compile: 0 });
    expect(read('--no-progress')).toMatchObject({ progress: false });
  });

  it.each([
    [['--turns', '0'], 'a whole number from 1'],
    [['--turns', '1.5'], 'a whole number from 1'],
    [['--viewers', '-4'], 'a whole number from 1'],
    [['--seconds', ''], 'a whole number from 1'],
    [['--warmup', 'x'], 'a whole number from 0'],
    [['--case', 'nonsense'], 'Allowed are small, large, spread.'],
    [['--only', 'nobody'], 'Allowed are floor, ws.'],
    [['--nonsense'], "unknown option '--nonsense'"],
    [['--turns'], 'argument missing'],
    [['surplus'], 'too many arguments'],
  ])('are refused in one line when they are %j', (argv, why) => {
    const { fault } = read(...argv) as { fault: string };
    expect(fault).toContain(why);
    expect(fault).toMatch(/^error: [^\n]+\n$/);
  });

  it('are explained by --help', () => {
    const { help } = read('--help') as { help: string };
    for (const flag of ['--turns', '--viewers', '--case', '--only', '--write', '--json', '--no-progress']) {
      expect(help).toContain(flag);
    }
  });
});

/** Two contenders; the windows of volley against each are its own. */
const SMALL: CaseResult = {
  peerCase: CASES.small,
  viewers: 4_000,
  duels: new Map([
    ['floor', { ours: [turnOf({ cpu: 8 })], theirs: [turnOf({ cpu: 8 })] }],
    [
      'ws',
      {
        ours: [turnOf({ cpu: 6 }), turnOf({ cpu: 10 }), turnOf({ cpu: 8 })],
        theirs: [turnOf({ cpu: 12 }), turnOf({ cpu: 10 }), turnOf({ cpu: 32, frames: 160_000 })],
      },
    ],
  ]),
};

const SPREAD: CaseResult = {
  peerCase: CASES.spread,
  viewers: 10_000,
  duels: new Map([
    [
      'floor',
      {
        ours: [turnOf({ cpu: 20, spread: 90 }), turnOf({ cpu: 20, spread: 120 })],
        theirs: [turnOf({ cpu: 10, spread: 100 }), turnOf({ cpu: 10, spread: 100 })],
      },
    ],
  ]),
};

describe('a ratio', () => {
  it('is of all windows together, each by its frames, with how far single windows lie apart', () => {
    // 8 over (12 + 10 + 2 · 32) / 4; single windows 6/12, 10/10, 8/32.
    expect(compareTurns(SMALL)[2]?.ratio).toEqual({ pooled: 8 / 21.5, median: 0.5, least: 0.25, most: 1 });
  });

  it('is not taken of volley itself', () => {
    expect(compareTurns(SMALL)[0]).toMatchObject({ contender: 'volley', ratio: null });
  });

  it('is of the time from first to last viewer where the case asks for that', () => {
    const [, floor] = compareTurns(SPREAD);
    expect(floor?.ratio?.pooled).toBeCloseTo(1.05);
    expect(floor?.ratio?.least).toBeCloseTo(0.9);
    expect(floor?.cpu.median).toBe(10);
  });
});

/** The cells of a Markdown table. */
function readTable(text: string): string[][] {
  const rows = text.split('\n').filter((line) => line.startsWith('|'));
  return rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

describe('the table', () => {
  it('shows figures and how far the windows lie apart', () => {
    const [headings, , ...rows] = readTable(describeCase(SMALL));
    expect(headings).not.toContain('first to last, ms');
    expect(rows[0]).toEqual(['volley', '1,000', '40,000', '100 %', '8.00 (6.00 to 10.00)', '', '0.30']);
    expect(rows[2]?.slice(4, 6)).toEqual(['12.00 (10.00 to 32.00)', '0.37 (0.25 to 1.00)']);
  });

  it('has a column more where the case asks for the time from first to last', () => {
    const [headings = [], , ...rows] = readTable(describeCase(SPREAD));
    expect(rows[0]?.[headings.indexOf('first to last, ms')]).toBe('105.00 (90.00 to 120.00)');
    expect(rows.map((row) => row.length)).toEqual([headings.length, headings.length]);
  });
});

describe('the remarks', () => {
  it('are none where nothing is odd', () => {
    expect(findRemarks(SMALL)).toEqual([]);
  });

  it('tell who delivered too little, what was lost, and when the load was the limit', () => {
    const ours = [turnOf({ lost: 3 }), turnOf({ lost: 4 })];
    const theirs = [turnOf({ delivered: 0.1, loadCpu: 0.97 }), turnOf({ delivered: 0.14 })];
    expect(findRemarks({ ...SMALL, duels: new Map([['ws', { ours, theirs }]]) })).toEqual([
      "volley's sampled viewers missed 7 frames in all turns together.",
      'ws delivered only 12 % of what was to be pushed.',
      'The load generator spent up to 0.97 of a core on ws, and may have been the limit of how much was delivered.',
    ]);
  });

  it('tell when the spread may be how long the load generator reads', () => {
    // A second of 10,000 frames, one push, takes the load generator 70 ms of the floor's and 69 ms of volley's.
    const ours = [turnOf({ spread: 100, loadCpu: 0.069, framesPerSecond: 10_000 })];
    const theirs = [turnOf({ spread: 100, loadCpu: 0.07, framesPerSecond: 10_000 })];
    const duels = new Map([['floor', { ours, theirs }]]);
    expect(findRemarks({ ...SPREAD, duels })).toEqual([
      'The load generator spent 70.00 ms on a push of floor to all viewers, and from the first to the last of them were ' +
        "100.00 ms: that may be the load generator's reading, not the server's sending.",
    ]);
    expect(findRemarks({ ...SMALL, viewers: 10_000, duels })).toEqual([]);
  });
});

describe('the report', () => {
  const page = describeRun(
    {
      entries: [
        { name: 'volley', version: 'volley 0.1.0', describe: 'this project' },
        { name: 'ws', version: 'ws 8.23.0', describe: 'one or the other' },
      ],
      results: [
        {
          peerCase: CASES.small,
          viewers: 4_000,
          duels: new Map([['ws', { ours: [turnOf({ cpu: 9 })], theirs: [turnOf({ cpu: 12, delivered: 0.5 })] }]]),
        },
      ],
      leftOut: ['go-article is left out: Go is not installed.'],
    },
    { machine: 'Made-up 3000', node: 'v20', commit: '0123456789ab', date: '2026-11-28', command: 'npm run it' },
    readPeersOptions([], []) as Exclude<ReturnType<typeof readPeersOptions>, { help: string } | { fault: string }>,
  );

  it('says where its figures come from', () => {
    expect(page).toMatch(/^Made-up 3000; Node\.js v20; commit 0123456789ab; 2026-11-28\n/);
    expect(page).toContain('`npm run it`: 12 windows of 2 s each');
  });

  it('names every contender with its version, and who is left out', () => {
    expect(page).toContain('- **volley** (volley 0.1.0): this project\n- **ws** (ws 8.23.0): one or the other\n');
    expect(page).toContain('\n\ngo-article is left out: Go is not installed.\n\n');
  });

  it('has a table for each case, and what is odd under it', () => {
    expect(page).toContain('## Small pushes: 20 comments, 10 times a second\n\n4,000 viewers');
    const row = ['ws', '1,000', '40,000', '50 %', '12.00 (12.00 to 12.00)', '0.75 (0.75 to 0.75)', '0.30'];
    expect(readTable(page)).toContainEqual(row);
    expect(page).toContain('\n\nws delivered only 50 % of what was to be pushed.\n');
    expect(page).not.toContain('## Large');
  });
});

describe('a case', () => {
  it('has as many different pushes as are measured, within bounds', () => {
    expect(countPushes(CASES.small, 8)).toBe(80);
    expect(countPushes(CASES.large, 8)).toBe(16);
    expect(countPushes(CASES.spread, 8)).toBe(8);
    expect(countPushes(CASES.small, 600)).toBe(100);
    expect(countPushes({ ...CASES.spread, every: 5_000 }, 1)).toBe(1);
  });

  it('has the viewers that were asked for, the spread two and a half times as many', () => {
    expect(countViewers(CASES.small, 4_000)).toBe(4_000);
    expect(countViewers(CASES.large, 4_000)).toBe(4_000);
    expect(countViewers(CASES.spread, 4_000, 50_000)).toBe(10_000);
    expect(countViewers(CASES.spread, 4_000, 19_000)).toBe(9_500);
  });
});
