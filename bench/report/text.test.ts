import { describe, expect, it } from 'vitest';
import { describeResult } from './document.ts';
import { MACHINE, makeLoad, makeRun, SETTINGS } from './run.fixture.ts';
import { formatBytes, formatCount, formatCounts, formatMeasure, formatPlural, renderText } from './text.ts';

describe('numbers for people', () => {
  it.each([
    [0, '0'],
    [0.0004, '0.000'],
    [0.0123, '0.012'],
    [0.9996, '1.00'],
    [9.994, '9.99'],
    [9.996, '10.0'],
    [12.34, '12.3'],
    [99.96, '100'],
    [1_234.5, '1,235'],
    [null, '–'],
  ])('a measure of %s is %s', (value, text) => {
    expect(formatMeasure(value)).toBe(text);
  });

  it.each([
    [0, '0'],
    [1_234_567, '1,234,567'],
    [null, '–'],
  ])('a count of %s is %s', (value, text) => {
    expect(formatCount(value)).toBe(text);
  });

  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [999.6, '1.00 KB'],
    [1_024, '1.02 KB'],
    [12_345_678, '12.3 MB'],
    [999_600, '1.00 MB'],
    [null, '–'],
  ])('%s bytes are %s', (value, text) => {
    expect(formatBytes(value)).toBe(text);
  });

  it('counts by code are listed', () => {
    expect(formatCounts({ ROOM_BUSY: 1_200, BUSY: 1 })).toBe('ROOM_BUSY 1,200, BUSY 1');
    expect(formatCounts({})).toBe('');
  });

  it('one thing is not many', () => {
    expect(formatPlural(1, 'room')).toBe('1 room');
    expect(formatPlural(2_000, 'room')).toBe('2,000 rooms');
  });
});

function render(runs: readonly ReturnType<typeof makeRun>[], interrupted = false, settings = SETTINGS): string {
  return renderText(describeResult({ runs, interrupted, notes: [] }, new Date(0), [], settings, MACHINE));
}

describe('the report', () => {
  it('is this, for made-up figures', () => {
    expect(render([makeRun()])).toMatchInlineSnapshot(`
      "hot-room: 100 viewers in 1 room on msgpack, 200 comments a second a room over HTTP; 2.00 s after 1.00 s of warm-up, 2 load threads

      server: its own, --workers 1 --interval 100
      ┌──────────────────────┬───────┬──────┬────────┬──────┬────────┬──────┬──────┬───────┐
      │ ms                   │ 2.5 % │ 50 % │ 97.5 % │ 99 % │ 99.9 % │  max │  avg │ count │
      ├──────────────────────┼───────┼──────┼────────┼──────┼────────┼──────┼──────┼───────┤
      │ post to receipt      │  10.0 │ 20.0 │   40.0 │ 40.0 │   40.0 │ 40.0 │ 25.0 │     4 │
      │ first to last viewer │  1.00 │ 1.00 │   2.00 │ 2.00 │   2.00 │ 2.00 │ 1.50 │     2 │
      └──────────────────────┴───────┴──────┴────────┴──────┴────────┴──────┴──────┴───────┘
      ┌──────────┬─────────┬─────────┬─────────┬─────────┬─────────┬─────────┐
      │ a second │     1 % │   2.5 % │    50 % │  97.5 % │     avg │     min │
      ├──────────┼─────────┼─────────┼─────────┼─────────┼─────────┼─────────┤
      │ frames   │     900 │     900 │     900 │   1,100 │   1,000 │     900 │
      │ comments │  18,000 │  18,000 │  18,000 │  22,000 │  20,000 │  18,000 │
      │ bytes    │ 1.10 MB │ 1.10 MB │ 1.10 MB │ 1.30 MB │ 1.20 MB │ 1.10 MB │
      └──────────┴─────────┴─────────┴─────────┴─────────┴─────────┴─────────┘
       connects               2,000  a second, 100 in all
       frames                 2,000  in 2.00 s, 2.40 MB
       frames lost                0  by the seq and prev of later ones
       skipped                    0  times that a viewer was told to have read too slowly
       out of order               0  frames
       faults                     0  in what was decoded
       closed by the server       0
       comments accepted        400  200 a second, over HTTP
       comments refused           0
       server CPU             0.400  cores: main thread 0.100, shard 0 0.250, other threads 0.050
       a delivered frame        400  µs of server CPU
       a delivered comment   20,000  ns of server CPU
       an accepted comment      500  µs of the main thread's CPU, all else that it did included
       a viewer                2.00  KB of server memory, 80.0 MB before and 80.2 MB with all
       load generator         0.020  cores: load threads 0.010, the busiest 0.006, main thread 0.008; 20.0 µs a frame
       machine                 1.50  of 4 cores busy, whoever used them; load threads stood for 12.0 ms at most

      note: post to receipt: 4 values are too few for 2.5 %, 97.5 %, 99 %, 99.9 %
      note: first to last viewer: 2 values are too few for 2.5 %, 97.5 %, 99 %, 99.9 %
      note: only 2 whole seconds: their percentiles say little
      note: memory a viewer: with fewer than 2000 viewers it is mostly the growth of the server's heap

      Made-up 3000, 4 cores, 8.00 GB, Linux 6.1.0, Node v20.19.0, volley 0.1.0 (0123456789ab)
      "
    `);
  });

  it('says that it was interrupted', () => {
    expect(render([makeRun()], true)).toContain('\n\nINTERRUPTED: this is what was measured until then.\n\n');
    expect(render([makeRun()])).not.toContain('INTERRUPTED');
  });

  it('has a dash and the reason where the server is not known', () => {
    const unknown = { unknown: 'no --api-url was given' };
    const text = render([makeRun({ server: unknown, memory: unknown })]);
    expect(text).toMatch(/^ server CPU +– +not known: no --api-url was given$/m);
    expect(text).not.toContain('a delivered frame');
  });

  it('shows warnings as such', () => {
    const text = render([makeRun({ load: makeLoad({ lost: 4 }) })]);
    expect(text).toMatch(/^WARNING: 4 frames were lost$/m);
  });

  it('lists codes beside their sum', () => {
    const load = makeLoad({
      closed: new Map([
        [1006, 2],
        [4008, 1],
      ]),
    });
    expect(render([makeRun({ load })])).toMatch(/^ closed by the server +3 +1006 2, 4008 1$/m);
  });

  it.each([
    [{}, '200 comments a second a room over HTTP'],
    [{ senders: 5 }, '200 comments a second a room from 5 senders'],
    [{ senders: 5, scenario: 'ingest' }, 'comments as fast as acks come from 5 senders'],
    [{ url: 'ws://h:1' }, 'comments of others'],
  ])('says where comments come from with %j', (given, words) => {
    expect(render([makeRun()], false, { ...SETTINGS, ...given })).toContain(`on msgpack, ${words}; `);
  });

  it('compares runs', () => {
    const twice = makeLoad({ perSecond: [{ frames: 2_500, comments: 50_000, bytes: 2_000_000 }] });
    const text = render([makeRun(), makeRun({ label: '2 server workers', load: twice })]);
    expect(text).toMatch(/│ compared +│ 1 server worker │ 2 server workers │ +ratio │/);
    expect(text).toMatch(/│ frames a second +│ +1,000 │ +2,500 │ 2\.50 × │/);
  });
});
