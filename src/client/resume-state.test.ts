import { describe, expect, it } from 'vitest';
import { ResumeState } from './resume-state.ts';

/** A state whose last batch is 5. */
function at5(): ResumeState {
  return new ResumeState({ since: 5, history: 0 });
}

const numbers = [0, 1, 2, 3, 4];
const NO_HISTORY = { since: undefined, history: 0 };
const HISTORY = { since: undefined, history: 20 };

describe('where a link begins', () => {
  it('is with what comes, with history, or after the batch that was asked for, which beats history', () => {
    expect(new ResumeState(NO_HISTORY).start()).toStrictEqual({});
    expect(new ResumeState(HISTORY).start()).toStrictEqual({ history: 20 });
    expect(new ResumeState({ since: 0, history: 20 }).start()).toStrictEqual({ since: 0 });
  });

  it('is after the last batch once something was received', () => {
    const now = new ResumeState(NO_HISTORY);
    now.welcome({ seq: 9 });
    expect(now.start()).toStrictEqual({ since: 9 });
    now.batch({ seq: 12, prev: 9 });
    expect(now.start()).toStrictEqual({ since: 12 });
  });

  it('is with history again where a link died before it brought any', () => {
    const state = new ResumeState(HISTORY);
    state.welcome({ seq: 9 });
    expect([state.start(), state.last]).toStrictEqual([{ history: 20 }, undefined]);
  });
});

describe('the numbers of a batch', () => {
  it('say for every last, prev and seq up to 4 whether it is new, a duplicate, partly one, or leaves a hole', () => {
    for (const last of numbers) {
      for (const prev of numbers) {
        for (const seq of numbers.filter((number) => number > prev)) {
          const state = new ResumeState({ since: last, history: 0 });
          const verdict = state.batch({ seq, prev });
          if (seq <= last) expect(verdict).toStrictEqual({ kind: 'drop' });
          else if (prev > last) expect(verdict).toStrictEqual({ kind: 'resume' });
          else expect(verdict).toStrictEqual({ kind: 'take', after: last });
          expect(state.last).toBe(seq > last && prev <= last ? seq : last);
        }
      }
    }
  });

  it('may leave out numbers, which is no hole', () => {
    const state = at5();
    expect(state.batch({ seq: 90, prev: 5 })).toStrictEqual({ kind: 'take', after: 5 });
    expect(state.last).toBe(90);
  });

  it('are the beginning with history, whatever prev is, up to what the welcome said', () => {
    for (const prev of [0, 3, 9]) {
      const state = new ResumeState(HISTORY);
      state.welcome({ seq: 9 });
      expect(state.batch({ seq: prev + 1, prev })).toStrictEqual({ kind: 'take', after: prev });
      expect(state.last).toBe(prev + 1);
    }
  });

  it('leave a hole with history too, where what the room had at first is passed', () => {
    const state = new ResumeState(HISTORY);
    state.welcome({ seq: 9 });
    expect(state.batch({ seq: 12, prev: 11 })).toStrictEqual({ kind: 'resume' });
    expect(state.start()).toStrictEqual({ since: 9 });
  });

  it('leave no hole that was there between two links before anything came', () => {
    const state = new ResumeState(HISTORY);
    state.welcome({ seq: 9 });
    state.welcome({ seq: 40 });
    expect(state.batch({ seq: 31, prev: 30 })).toStrictEqual({ kind: 'resume' });
    expect(state.start()).toStrictEqual({ since: 9 });
  });
});

describe('a hole', () => {
  it('is asked after once; still there, it is told as a gap and the batch is taken', () => {
    const state = at5();
    expect(state.batch({ seq: 9, prev: 7 })).toStrictEqual({ kind: 'resume' });
    expect(state.start()).toStrictEqual({ since: 5 });
    state.welcome({ seq: 9 });
    expect(state.batch({ seq: 9, prev: 7 })).toStrictEqual({ kind: 'take', after: 7, gap: { from: 6, to: 7 } });
    expect(state.last).toBe(9);
  });

  it('is asked after again where it is another one', () => {
    const state = at5();
    state.batch({ seq: 9, prev: 7 });
    state.welcome({ seq: 9 });
    expect(state.batch({ seq: 8, prev: 5 })).toStrictEqual({ kind: 'take', after: 5 });
    expect(state.batch({ seq: 12, prev: 11 })).toStrictEqual({ kind: 'resume' });
    expect(state.start()).toStrictEqual({ since: 8 });
  });

  it('is filled by the gap of the next welcome', () => {
    const state = at5();
    state.batch({ seq: 9, prev: 7 });
    expect(state.welcome({ seq: 9, gap: { from: 6, to: 7 } })).toStrictEqual({ from: 6, to: 7 });
    expect(state.batch({ seq: 9, prev: 7 })).toStrictEqual({ kind: 'take', after: 7 });
  });
});

describe('a presence', () => {
  it('tells of a hole by a seq above the last, once, and is told as a gap when it stays', () => {
    const state = at5();
    expect(state.presence(5)).toStrictEqual({ kind: 'drop' });
    expect(state.presence(4)).toStrictEqual({ kind: 'drop' });
    expect(state.presence(8)).toStrictEqual({ kind: 'resume' });
    state.welcome({ seq: 8 });
    expect(state.presence(8)).toStrictEqual({ kind: 'take', after: 8, gap: { from: 6, to: 8 } });
    expect(state.last).toBe(8);
  });

  it('tells of it with history as well', () => {
    const state = new ResumeState(HISTORY);
    state.welcome({ seq: 9 });
    expect(state.presence(9)).toStrictEqual({ kind: 'drop' });
    expect(state.presence(10)).toStrictEqual({ kind: 'resume' });
    expect(state.start()).toStrictEqual({ since: 9 });
  });

  it('means nothing before a welcome', () => {
    expect(new ResumeState(NO_HISTORY).presence(3)).toStrictEqual({ kind: 'drop' });
  });
});

describe('a welcome', () => {
  it('sets the last batch where nothing but what comes was asked for, and only the first time', () => {
    const state = new ResumeState(NO_HISTORY);
    expect(state.welcome({ seq: 9 })).toBeUndefined();
    expect(state.welcome({ seq: 12 })).toBeUndefined();
    expect(state.last).toBe(9);
  });

  it('with a reset begins the room anew, and what is missing of its new life is a hole again', () => {
    const state = at5();
    state.batch({ seq: 9, prev: 7 });
    state.welcome({ seq: 3, reset: true });
    expect(state.last).toBe(0);
    expect(state.batch({ seq: 3, prev: 2 })).toStrictEqual({ kind: 'resume' });
    expect(state.start()).toStrictEqual({ since: 0 });
  });

  it('with a gap that ends below what is known changes nothing', () => {
    const state = at5();
    expect(state.welcome({ seq: 9, gap: { from: 2, to: 4 } })).toBeUndefined();
    expect(state.last).toBe(5);
  });
});
