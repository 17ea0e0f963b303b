import { describe, expect, it } from 'vitest';
import { pushesOf, Stage, steady } from './playout.fixture.ts';

describe('history', () => {
  it('is played over one interval, before what is new', async () => {
    const stage = new Stage();
    const old = steady(1, 10).map((i) => ({ id: `old ${i}`, time: i * 3_600_000 }));
    stage.playout.replay({ comments: old });
    await stage.play(pushesOf([500]));
    expect(stage.shown.map(({ id, shown }) => [id, shown])).toEqual([
      ...old.map(({ id }, i) => [id, i * 100]),
      ['0', 900],
    ]);
  });
});

describe('a long history', () => {
  it('is over after two intervals, and one for the density', async () => {
    const stage = new Stage();
    for (let i = 0; i < 20; i += 1)
      stage.playout.replay({ comments: steady(1, 500).map((id) => ({ id: `${id}`, time: 0 })) });
    await stage.play(pushesOf([3_000]));
    expect(stage.shown.at(-1)).toMatchObject({ id: '0', shown: 3_040 });
    expect(stage.shown.length + stage.dropped.dense).toBe(10_001);
  });
});
