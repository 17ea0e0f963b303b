import { describe, expect, it } from 'vitest';
import { readPeersOptions } from './peers-options.ts';

const NAMES = ['floor', 'ws'];

function read(...argv: string[]) {
  return readPeersOptions(argv, NAMES);
}

describe('the options', () => {
  it('are three turns of everybody in every case where nothing is given', () => {
    expect(read()).toEqual({
      turns: 3,
      viewers: 4_000,
      seconds: 8,
      warmup: 3,
      warmUpMs: 4_000,
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
    expect(read(...argv)).toEqual({ fault: '--write wants 3 turns or more, and neither --case nor --only' });
  });

  it('take numbers', () => {
    const given = read('--turns', '5', '--viewers', '200', '--seconds', '2', '--warmup', '0', '--compile', '0');
    expect(given).toMatchObject({ turns: 5, viewers: 200, seconds: 2, warmup: 0, warmUpMs: 0 });
    expect(read('--no-progress')).toMatchObject({ progress: false });
  });

  it.each([
    [['--turns', '0'], '1 or more'],
    [['--turns', '1.5'], '1 or more'],
    [['--viewers', '-4'], '1 or more'],
    [['--seconds', ''], '1 or more'],
    [['--warmup', 'x'], '0 or more'],
    [['--case', 'nonsense'], 'Allowed are small, large, spread.'],
    [['--only', 'nobody'], 'Allowed are floor, ws.'],
    [['--nonsense'], "unknown option '--nonsense'"],
    [['--turns'], 'argument missing'],
    [['surplus'], 'too many arguments'],
  ])('are refused in one line when they are %j', (argv, why) => {
    const { fault } = read(...argv) as { fault: string };
    expect(fault).toContain(why);
    expect(fault).toContain('see npm run bench:peers -- --help');
    expect(fault).not.toContain('\n');
  });

  it('are explained by --help', () => {
    const { help } = read('--help') as { help: string };
    for (const flag of ['--turns', '--viewers', '--case', '--only', '--write', '--json', '--no-progress']) {
      expect(help).toContain(flag);
    }
  });
});
