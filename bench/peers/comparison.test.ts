import { describe, expect, it } from 'vitest';
import { compareTurns, findRemarks, formatComparison } from './comparison.ts';
import { CASES } from './peer-case.ts';
import type { CaseResult } from './peers-run.ts';
import { turnOf } from './turn.fixture.ts';

/** Made up so that the median of the ratios is not the ratio of the medians. */
const SMALL: CaseResult = {
  peerCase: CASES.small,
  viewers: 4_000,
  turns: new Map([
    ['volley', [turnOf({ cpu: 6 }), turnOf({ cpu: 10 }), turnOf({ cpu: 8 })]],
    ['ws', [turnOf({ cpu: 12 }), turnOf({ cpu: 10 }), turnOf({ cpu: 32 })]],
  ]),
};

const SPREAD: CaseResult = {
  peerCase: CASES.spread,
  viewers: 10_000,
  turns: new Map([
    ['volley', [turnOf({ cpu: 20, spread: 90 }), turnOf({ cpu: 20, spread: 120 })]],
    ['floor', [turnOf({ cpu: 10, spread: 100 }), turnOf({ cpu: 10, spread: 100 })]],
  ]),
};

describe('a ratio', () => {
  it('is the median of what the turns give, one by one', () => {
    // 6/12, 10/10, 8/32; the medians' would be 8/12.
    expect(compareTurns(SMALL)[1]?.ratio).toEqual({ median: 0.5, least: 0.25, most: 1 });
  });

  it('is not taken of volley itself', () => {
    expect(compareTurns(SMALL)[0]).toMatchObject({ contender: 'volley', ratio: null });
  });

  it('is of the time from first to last viewer where the case asks for that', () => {
    const [, floor] = compareTurns(SPREAD);
    expect(floor?.ratio?.least).toBeCloseTo(0.9);
    expect(floor?.ratio?.median).toBeCloseTo(1.05);
    expect(floor?.ratio?.most).toBeCloseTo(1.2);
    expect(floor?.cpu.median).toBe(10);
  });
});

describe('the table', () => {
  it('shows medians and how far the turns lie apart', () => {
    const { headings, rows } = formatComparison(compareTurns(SMALL));
    expect(headings).not.toContain('first to last, ms');
    expect(rows).toEqual([
      ['volley', '1,000', '40,000', '100 %', '8.00 (6.00 to 10.00)', '', '0.30'],
      ['ws', '1,000', '40,000', '100 %', '12.00 (10.00 to 32.00)', '0.50 (0.25 to 1.00)', '0.30'],
    ]);
  });

  it('has a column more where the case asks for the time from first to last', () => {
    const { headings, rows } = formatComparison(compareTurns(SPREAD));
    expect(rows[0]?.[headings.indexOf('first to last, ms')]).toBe('105.00 (90.00 to 120.00)');
    expect(rows.map((row) => row.length)).toEqual([headings.length, headings.length]);
  });
});

describe('the remarks', () => {
  it('are none where nothing is odd', () => {
    expect(findRemarks(SMALL)).toEqual([]);
  });

  it('tell who delivered too little, what was lost, and when the load was the limit', () => {
    const turns = new Map([
      ['volley', [turnOf({ lost: 3 }), turnOf({ lost: 4 })]],
      ['ws', [turnOf({ delivered: 0.1, loadCpu: 0.97 }), turnOf({ delivered: 0.14 })]],
    ]);
    expect(findRemarks({ ...SMALL, turns })).toEqual([
      "volley's sampled viewers missed 7 frames in all turns together.",
      'ws delivered only 12 % of what was to be pushed.',
      'The load generator spent up to 0.97 of a core on ws, and may have been the limit of how much was delivered.',
    ]);
  });

  it('tell when the spread may be how long the load generator reads', () => {
    // A second of 10,000 frames, one push, takes the load generator 70 ms of the floor's and 69 ms of volley's.
    const turns = new Map([
      ['volley', [turnOf({ spread: 100, loadCpu: 0.069, framesPerSecond: 10_000 })]],
      ['floor', [turnOf({ spread: 100, loadCpu: 0.07, framesPerSecond: 10_000 })]],
    ]);
    expect(findRemarks({ ...SPREAD, turns })).toEqual([
      'The load generator spent 70.00 ms on a push of floor to all viewers, and from the first to the last of them were ' +
        "100.00 ms: that may be the load generator's reading, not the server's sending.",
    ]);
    expect(findRemarks({ ...SMALL, viewers: 10_000, turns })).toEqual([]);
  });
});
