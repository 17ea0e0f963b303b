import type { BenchError } from '../bench-error.ts';

/** Ctrl-C came before anything was measured. */
export class Interrupted extends Error {
  override name = 'Interrupted';
}

/** What can end a run before its time: Ctrl-C, and a failure that is noticed beside it, such as a server that is gone. */
export class RunWatch {
  readonly #ended: Promise<void>;
  #fail: (failure: BenchError) => void = () => undefined;
  readonly #signal: AbortSignal;

  /** @param signal aborts with the first Ctrl-C */
  constructor(signal: AbortSignal) {
    this.#signal = signal;
    this.#ended = new Promise((resolve, reject) => {
      this.#fail = reject;
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
    // A failure may come while nobody waits; whoever waits next gets it.
    this.#ended.catch(() => undefined);
  }

  get interrupted(): boolean {
    return this.#signal.aborted;
  }

  /** Whatever waits, and whatever will wait, rejects with this. Only the first failure counts. */
  fail(failure: BenchError): void {
    this.#fail(failure);
  }

  /**
   * Waits; gives false when it was interrupted before the time was over.
   * @param ms milliseconds
   * @throws BenchError that {@link fail} was told
   */
  async pause(ms: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(true), Math.max(0, ms));
    });
    try {
      return await Promise.race([this.#ended.then(() => false), over]);
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Waits for `work` unless the run ends first; `undo` then clears up what the work comes to in the end.
   * @throws Interrupted, and the BenchError that {@link fail} was told
   */
  async await<T>(work: Promise<T>, undo: (result: T) => Promise<void> = async () => undefined): Promise<T> {
    const ended = this.#ended.then(() => {
      throw new Interrupted();
    });
    try {
      return await Promise.race([ended, work]);
    } catch (error) {
      work.then(undo).catch(() => undefined);
      throw error;
    }
  }
}
