import { describe, expect, it } from 'vitest';
import { sampleOf } from './sample.fixture.ts';
import { SampleWindow } from './sample-window.ts';

const START = 1_764_000_000_000;

/** Samples of these seconds. */
function samplesOf(...seconds: number[]) {
  return seconds.map((second) => sampleOf({ at: START + second * 1_000, viewers: second }));
}

function secondsOf(window: SampleWindow, spanMs = 600_000) {
  return window.moments(spanMs).map(({ at, sample }) => (sample === null ? null : (at - START) / 1_000));
}

describe('the window of samples', () => {
  it('is empty at first', () => {
    const window = new SampleWindow();
    expect(window.newestAt).toBe(0);
    expect(window.moments(600_000)).toEqual([]);
  });

  it('takes each sample once, whatever a new connection repeats', () => {
    const window = new SampleWindow();
    window.add(samplesOf(1, 2, 3));
    window.add(samplesOf(2, 3, 4));
    window.add(samplesOf(4));
    expect(secondsOf(window)).toEqual([1, 2, 3, 4]);
    expect(window.newestAt).toBe(START + 4_000);
  });

  it('keeps what it had when the server comes back, with a gap between', () => {
    const window = new SampleWindow();
    window.add(samplesOf(1, 2));
    window.add(samplesOf(9, 10));
    expect(secondsOf(window)).toEqual([1, 2, null, 9, 10]);
  });

  it('begins anew where the server’s clock was set back', () => {
    const window = new SampleWindow();
    window.add(samplesOf(100, 101));
    window.add(samplesOf(98));
    expect(secondsOf(window)).toEqual([100, 101]);
    window.add(samplesOf(20));
    window.add(samplesOf(21));
    expect(secondsOf(window)).toEqual([20, 21]);
  });

  it('has no gap where a sample came late', () => {
    const window = new SampleWindow();
    window.add([...samplesOf(1), ...samplesOf(3.4)]);
    expect(secondsOf(window)).toEqual([1, 3.4]);
  });

  it('forgets what is older than ten minutes, and shows as much as is asked for', () => {
    const window = new SampleWindow();
    window.add(samplesOf(...Array.from({ length: 900 }, (_, i) => i)));
    expect(secondsOf(window)).toHaveLength(600);
    expect(secondsOf(window)[0]).toBe(300);
    expect(secondsOf(window, 60_000)).toHaveLength(60);
  });
});
