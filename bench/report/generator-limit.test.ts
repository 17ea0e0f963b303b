import { describe, expect, it } from 'vitest';
import { findGeneratorLimits, type LimitSigns } from './generator-limit.ts';

const EASY: LimitSigns = {
  busiestThreadCores: 0.5,
  mainThreadCores: 0.1,
  worstLoopDelayMs: 20,
  worstPostDelayMs: 5,
  machineBusyCores: 2,
  machineCores: 4,
  serverCores: 1.1,
  generatorCores: 1,
  ownSpreadMs: 4,
  spreadMs: 10,
  shardCores: [0.4, 0.5],
  isLocal: true,
};

describe('the load generator', () => {
  it('is no limit while it and the machine have time to spare', () => {
    expect(findGeneratorLimits(EASY)).toEqual([]);
  });

  it.each<[string, Partial<LimitSigns>, RegExp]>([
    ['a load thread is busy', { busiestThreadCores: 0.9 }, /^the load generator was the limit.*0\.90 cores/],
    ['its main thread is busy', { mainThreadCores: 0.95 }, /^the bench's main thread.*was the limit.*0\.95 cores/],
    [
      'all cores are busy and no shard is',
      { machineBusyCores: 3.8 },
      /^the machine was the limit.*all of its 4 cores.*2\.10 of them/,
    ],
    [
      'all cores are busy and the shards are not known',
      { machineBusyCores: 4, shardCores: null },
      /^the machine was the limit/,
    ],
    ['a load thread stood still', { worstLoopDelayMs: 100 }, /stood still for up to 100 ms/],
    ['it takes as long as the spread', { ownSpreadMs: 7 }, /first to last viewer may be.*take 7\.00 ms.*is 10\.0 ms/],
    ['it posted late', { worstPostDelayMs: 250 }, /posted up to 250 ms late/],
  ])('is named when %s', (_, signs, sentence) => {
    const limits = findGeneratorLimits({ ...EASY, ...signs });
    expect(limits).toEqual([expect.stringMatching(sentence)]);
  });

  it('is not blamed for a machine that is busy because a shard is', () => {
    expect(findGeneratorLimits({ ...EASY, machineBusyCores: 4, shardCores: [0.4, 0.95] })).toEqual([]);
  });

  it('is not blamed for this machine when the server is on another', () => {
    expect(findGeneratorLimits({ ...EASY, machineBusyCores: 4, isLocal: false })).toEqual([]);
  });

  it('has several limits at once', () => {
    const signs = {
      ...EASY,
      busiestThreadCores: 1,
      mainThreadCores: 1,
      worstLoopDelayMs: 900,
      worstPostDelayMs: 900,
      spreadMs: 2,
    };
    expect(findGeneratorLimits(signs)).toHaveLength(5);
  });
});
