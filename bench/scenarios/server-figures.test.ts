import { describe, expect, it } from 'vitest';
import { compareReadings } from './server-figures.ts';
import type { ServerReading } from './server-reading.ts';

const FROM: ServerReading = {
  at: 1_000,
  processCpu: 10,
  mainCpu: 2,
  shardCpu: [3, 4],
  memory: 80e6,
  accepted: 100,
  refused: new Map([['BUSY', 5]]),
  dropped: 1,
  skipped: 1,
  slowCloses: 1,
  shardRestarts: 0,
};

const TO: ServerReading = {
  ...FROM,
  at: 5_000,
  processCpu: 16,
  mainCpu: 3,
  shardCpu: [5, 6],
  accepted: 300,
  refused: new Map([
    ['BUSY', 5],
    ['ROOM_BUSY', 9],
  ]),
  skipped: 4,
  slowCloses: 3,
};

describe('two readings of a server', () => {
  it('give what it used in between, by thread', () => {
    expect(compareReadings(FROM, TO)).toEqual({
      seconds: 4,
      totalCores: 1.5,
      mainCores: 0.25,
      shardCores: [0.5, 0.5],
      otherCores: 0.25,
      accepted: 200,
      refused: new Map([['ROOM_BUSY', 9]]),
      dropped: 0,
      skipped: 3,
      slowCloses: 2,
      shardRestarts: 0,
    });
  });

  it('never give less than nothing for the other threads', () => {
    expect(compareReadings(FROM, { ...TO, processCpu: 14.9 }).otherCores).toBe(0);
  });
});
