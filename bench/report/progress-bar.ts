import { SingleBar } from 'cli-progress';
import type { RunProgress } from '../run/window.ts';

/** A stream that a bar can be drawn on. */
export type BarStream = NodeJS.WritableStream & { readonly isTTY?: boolean };

const TICK_MS = 200;

/** A bar a phase, drawn over one another; nothing where the stream is no terminal. */
export class ProgressBar implements RunProgress {
  readonly #stream: BarStream;
  readonly #isOn: boolean;
  #bar: SingleBar | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(stream: BarStream, isWanted: boolean) {
    this.#stream = stream;
    this.#isOn = isWanted && stream.isTTY === true;
  }

  count(name: string, total: number): void {
    this.#begin(`{bar} ${name} {value} of {total} {note}`, total);
  }

  advance(done: number): void {
    this.#bar?.update(done);
  }

  wait(name: string, seconds: number): void {
    this.#begin(`{bar} ${name} {value} of {total} s {note}`, seconds);
    const startedAt = performance.now();
    this.#timer = setInterval(() => {
      const passed = Math.floor((performance.now() - startedAt) / 1_000);
      this.#bar?.update(Math.min(passed, seconds));
    }, TICK_MS);
  }

  note(words: string): void {
    this.#bar?.update({ note: words });
  }

  /** Takes the bar away. */
  stop(): void {
    clearInterval(this.#timer);
    this.#bar?.stop();
    this.#bar = undefined;
  }

  #begin(format: string, total: number): void {
    this.stop();
    if (!this.#isOn) return;
    // Ctrl-C is the command's to handle.
    this.#bar = new SingleBar({ stream: this.#stream, format, clearOnComplete: true, gracefulExit: false });
    this.#bar.start(total, 0, { note: '' });
  }
}
