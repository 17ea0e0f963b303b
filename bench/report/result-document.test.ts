import { describe, expect, it } from 'vitest';
import { describeResult } from './result-document.ts';
import { MACHINE, makeLoad, makeRun, SETTINGS } from './run.fixture.ts';

const AROUND = { startedAt: new Date(0), command: ['-c', '100'], settings: SETTINGS, machine: MACHINE };

describe('the JSON document', () => {
  it('is whole after JSON', () => {
    const document = describeResult({ runs: [makeRun()], interrupted: false, notes: ['made up'] }, AROUND);
    expect(JSON.parse(JSON.stringify(document))).toEqual(document);
    expect(document).toMatchObject({
      schemaVersion: 1,
      tool: 'volley bench',
      startedAt: '1970-01-01T00:00:00.000Z',
      command: ['-c', '100'],
      scenario: 'hot-room',
      interrupted: false,
      machine: MACHINE,
      settings: { connections: 100, durationSeconds: 2, commentsPerSecondPerRoom: 200, intervalMs: 100 },
      notes: ['made up'],
      comparison: [],
    });
    expect(document.runs).toHaveLength(1);
  });

  it('is marked where the run was interrupted', () => {
    const document = describeResult({ runs: [makeRun()], interrupted: true, notes: [] }, AROUND);
    expect(document.interrupted).toBe(true);
  });

  it('holds runs against the first', () => {
    const load = makeLoad({ perSecond: [{ frames: 2_000, comments: 40_000, bytes: 2_000_000 }] });
    const second = makeRun({ label: '2 server workers', load, server: { unknown: 'made up' } });
    const { comparison } = describeResult({ runs: [makeRun(), second], interrupted: false, notes: [] }, AROUND);
    const named = new Map(comparison.map(({ figure, values, ratios }) => [figure, { values, ratios }]));
    expect(named.get('frames a second')).toEqual({ values: [1_000, 2_000], ratios: [1, 2] });
    expect(named.get('main thread, cores')).toEqual({ values: [0.1, null], ratios: [1, null] });
    // Nothing to divide by.
    expect(named.get('frames lost')).toEqual({ values: [0, 0], ratios: [null, null] });
    // No run has acks.
    expect(named.has('sent to ack 50 %, ms')).toBe(false);
  });
});
