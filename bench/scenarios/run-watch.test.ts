import { describe, expect, it } from 'vitest';
import { BenchError } from '../bench-error.ts';
import { Interrupted, RunWatch } from './run-watch.ts';

const NEVER = 60_000;

describe('a run that is watched', () => {
  it('pauses for its time', async () => {
    const watch = new RunWatch(new AbortController().signal);
    expect(await watch.pause(1)).toBe(true);
    expect(watch.interrupted).toBe(false);
  });

  it('ends its pause when it is interrupted, then and later', async () => {
    const stop = new AbortController();
    const watch = new RunWatch(stop.signal);
    const pause = watch.pause(NEVER);
    stop.abort();
    expect(await pause).toBe(false);
    expect(await watch.pause(NEVER)).toBe(false);
    expect(await new RunWatch(stop.signal).pause(NEVER)).toBe(false);
    expect(watch.interrupted).toBe(true);
  });

  it('fails whatever waits, and whatever will wait, with the first failure', async () => {
    const watch = new RunWatch(new AbortController().signal);
    const pause = watch.pause(NEVER);
    const gone = new BenchError('the server is gone');
    watch.fail(gone);
    watch.fail(new BenchError('and another'));
    await expect(pause).rejects.toBe(gone);
    await expect(watch.pause(NEVER)).rejects.toBe(gone);
    await expect(watch.await(new Promise(() => undefined))).rejects.toBe(gone);
  });

  it('gives what it waited for, or its failure', async () => {
    const watch = new RunWatch(new AbortController().signal);
    expect(await watch.await(Promise.resolve(7))).toBe(7);
    await expect(watch.await(Promise.reject(new BenchError('no')))).rejects.toThrow('no');
  });

  it('clears up what comes too late', async () => {
    const stop = new AbortController();
    const watch = new RunWatch(stop.signal);
    let finish = (_: string): void => undefined;
    const work = new Promise<string>((resolve) => {
      finish = resolve;
    });
    let tell = (_: string): void => undefined;
    const undone = new Promise<string>((resolve) => {
      tell = resolve;
    });
    const waiting = watch.await(work, async (late) => tell(late));
    stop.abort();
    await expect(waiting).rejects.toThrow(Interrupted);
    finish('late');
    expect(await undone).toBe('late');
  });
});
