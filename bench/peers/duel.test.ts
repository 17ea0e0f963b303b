import { build } from 'hdr-histogram-js';
import { describe, expect, it } from 'vitest';
import type { LoadFigures } from '../load/results.ts';
import { BenchError } from '../options.ts';
import { checkFigures, checkSpread } from './duel.ts';

type Checked = Pick<
  LoadFigures,
  'frames' | 'starved' | 'closed' | 'failedConnects' | 'outOfOrder' | 'faults' | 'spread' | 'incomplete'
>;

/** Figures that are a result, with `complete` pushes that came to every viewer, but for what is given. */
function figuresOf({ complete = 95, ...given }: Partial<Checked> & { readonly complete?: number }): LoadFigures {
  const spread = build();
  if (complete > 0) spread.recordValueWithCount(1_000, complete);
  const checked: Checked = {
    frames: 1_000,
    starved: 0,
    closed: new Map(),
    failedConnects: 0,
    outOfOrder: 0,
    faults: [],
    spread,
    incomplete: 5,
    ...given,
  };
  return checked as LoadFigures;
}

describe('what the load saw', () => {
  it('is a result where nothing is odd', () => {
    expect(() => checkFigures('ws', figuresOf({}))).not.toThrow();
  });

  it.each<[given: Parameters<typeof figuresOf>[0], why: string]>([
    [{ frames: 0 }, 'ws delivered nothing'],
    [{ starved: 2 }, 'ws delivered nothing to 2 of its viewers'],
    [{ outOfOrder: 1 }, 'ws delivered 1 frames out of order'],
    [{ faults: ['it is not msgpack'] }, 'ws delivered a wrong frame: it is not msgpack'],
    [{ failedConnects: 3 }, 'ws lost 3 viewers while it was measured'],
    [{ closed: new Map([[1006, 2]]) }, 'ws lost 2 viewers while it was measured (2 with close code 1006)'],
  ])('is no result with %j', (given, why) => {
    expect(() => checkFigures('ws', figuresOf(given))).toThrow(new BenchError(why));
  });

  it('has a spread where few pushes are incomplete', () => {
    expect(() => checkSpread('ws', 95, 5)).not.toThrow();
  });

  it.each([
    [94, 6],
    [0, 0],
  ])('has no spread when %d pushes came to every viewer and %d did not', (complete, incomplete) => {
    expect(() => checkSpread('ws', complete, incomplete)).toThrow(
      `only ${complete} of ${complete + incomplete} pushes of ws came to every viewer, so there is no spread`,
    );
  });
});
