import { SingleBar } from 'cli-progress';

const TICK_MS = 200;

export type ProgressBar = ReturnType<typeof makeProgressBar>;

/** A bar a phase, drawn over one another; nothing where it is not wanted or the stream is no terminal. */
export function makeProgressBar(stream: NodeJS.WritableStream & { readonly isTTY?: boolean }, isWanted: boolean) {
  let bar: SingleBar | undefined;
  let timer: NodeJS.Timeout | undefined;

  function begin(name: string, total: number, unit = ''): void {
    stop();
    if (!isWanted || stream.isTTY !== true) return;
    const format = `{bar} ${name} {value} of {total} ${unit}{note}`;
    // Ctrl-C is the command's to handle.
    bar = new SingleBar({ stream, format, clearOnComplete: true, gracefulExit: false });
    bar.start(total, 0, { note: '' });
  }

  function stop(): void {
    clearInterval(timer);
    bar?.stop();
    bar = undefined;
  }

  return {
    count: (name: string, total: number): void => begin(name, total),
    advance: (done: number): void => bar?.update(done),
    /** A phase begins that lasts so many seconds. */
    wait(name: string, seconds: number): void {
      begin(name, seconds, 's ');
      const startedAt = performance.now();
      timer = setInterval(() => {
        bar?.update(Math.min(Math.floor((performance.now() - startedAt) / 1_000), seconds));
      }, TICK_MS);
    },
    note: (words: string): void => bar?.update({ note: words }),
    stop,
  };
}
